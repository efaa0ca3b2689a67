// What the agent reads from outside: FIFO lines, log lines, endpoints, settings, the kernel's addresses.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { readConfig } from '../../agent/config.ts';
import { isAnchor } from '../../agent/core/anchor.ts';
import { endpointText, parseEndpoints } from '../../agent/core/endpoints.ts';
import { parseFifoLine } from '../../agent/core/fifo.ts';
import { readKeepalivedLine } from '../../agent/core/keepalived-log.ts';
import {
  absentSources,
  heldAddresses,
  type KernelInterface,
  orphansOf,
  visibleInterfaces,
} from '../../agent/core/kernel.ts';

describe('a line of the notify FIFO', () => {
  it('tells states, priorities, deletions and second masters', () => {
    assert.deepEqual(parseFifoLine('INSTANCE "db.internal-1" MASTER 250'), {
      kind: 'state',
      name: 'db.internal-1',
      state: 'MASTER',
      priority: 250,
    });
    assert.equal(parseFifoLine('INSTANCE "web" BACKUP_PRIORITY 248').kind, 'priority');
    assert.equal(parseFifoLine('INSTANCE "web" DELETED 248').kind, 'deleted');
    assert.equal(parseFifoLine('INSTANCE "web" MASTER_RX_LOWER_PRI 248').kind, 'lower-master');
  });

  it('is unknown when anything about it is odd, and never throws', () => {
    for (const line of [
      '',
      'GROUP "web" MASTER 1',
      'INSTANCE "web" MASTER 999',
      'INSTANCE "w b" MASTER 1',
      'INSTANCE "web" DANCING 1',
    ]) {
      assert.equal(parseFifoLine(line).kind, 'unknown', line);
    }
    fc.assert(fc.property(fc.string(), (line) => void parseFifoLine(line)));
  });
});

describe("a line of keepalived's log", () => {
  const at = 'Sat Nov 21 08:01:12 2026: ';
  it('says that a start or a reload is complete, that the child is respawned, or that members disagree', () => {
    assert.deepEqual(readKeepalivedLine(`${at}Startup complete`), {
      text: 'Startup complete',
      meaning: 'ready',
    });
    assert.equal(readKeepalivedLine(`${at}Reload complete`).meaning, 'ready');
    assert.equal(readKeepalivedLine(`${at}VRRP child process(7) died: Respawning`).meaning, 'respawning');
    assert.equal(readKeepalivedLine(`${at}(web) received an invalid passwd!`).meaning, 'warning');
    assert.equal(readKeepalivedLine(`${at}(web) Entering MASTER STATE`).meaning, 'detail');
  });
});

describe('COORDINATORS', () => {
  const texts = (text: string) => parseEndpoints(text, 9166).endpoints.map(endpointText);
  it('takes addresses and names, with or without a port, separated by commas or blanks', () => {
    assert.deepEqual(texts(' 10.0.0.1, 10.0.0.2:9999  fd00::1 [fd00::2]:9999\nmanager-1.lan '), [
      '10.0.0.1:9166',
      '10.0.0.2:9999',
      '[fd00::1]:9166',
      '[fd00::2]:9999',
      'manager-1.lan:9166',
    ]);
  });
  it("drops Swarm's own port with a note, so that RemoteManagers can be pasted", () => {
    const { endpoints, notes } = parseEndpoints('10.0.0.1:2377 10.0.0.2:2377', 9166);
    assert.deepEqual(endpoints.map(endpointText), ['10.0.0.1:9166', '10.0.0.2:9166']);
    assert.equal(notes.length, 2);
  });
  it('counts the same endpoint once, and names what is no address', () => {
    assert.deepEqual(texts('10.0.0.1,10.0.0.1:9166'), ['10.0.0.1:9166']);
    assert.deepEqual(parseEndpoints('10.0.0.256 10.0.0.1:0 http://x', 9166).bad, [
      '10.0.0.256',
      '10.0.0.1:0',
      'http://x',
    ]);
  });
});

describe('the environment', () => {
  const env = { NODE_ID: 'a'.repeat(25), SWARM_VIP_KEY: 'k'.repeat(32), COORDINATORS: '10.0.0.1' };
  it('is read with its defaults', () => {
    const config = readConfig(env);
    assert.deepEqual(
      [config.port, config.metricsListen.port, config.paths.config],
      [9166, 9165, '/run/swarm-vip/keepalived.conf'],
    );
  });
  it('is refused with variable, value and remedy', () => {
    for (const [change, words] of [
      [{ NODE_ID: 'x' }, /NODE_ID: found "x".*\{\{\.Node\.ID\}\}/],
      [{ COORDINATORS: '10.0.0.300' }, /COORDINATORS: found "10\.0\.0\.300"/],
      [{ SWARM_VIP_KEY: 'short' }, /SWARM_VIP_KEY: found 5 characters/],
      [{ RUN_DIR: '/run/a b' }, /RUN_DIR: found "\/run\/a b"/],
      [{ AGENT_PORT: '0' }, /AGENT_PORT: found "0"/],
      [{ METRICS_LISTEN: 'x' }, /METRICS_LISTEN/],
      [{ LOG_LEVEL: 'loud' }, /LOG_LEVEL/],
      [{ VRRP_PRIORITY: '-21' }, /VRRP_PRIORITY: found "-21".*from -20 to 19/],
      [{ VRRP_RT_PRIORITY: '0' }, /VRRP_RT_PRIORITY: found "0".*from 1 to 99/],
      [{ VRRP_RT_PRIORITY: '5\nvrrp_strict' }, /VRRP_RT_PRIORITY/],
    ] as const) {
      assert.throws(() => readConfig({ ...env, ...change }), words);
    }
  });
});

describe("the kernel's addresses", () => {
  const kernel: KernelInterface[] = [
    {
      name: 'lo',
      up: true,
      loopback: true,
      addresses: [
        { address: '127.0.0.1', prefix: 8, linkLocal: false },
        { address: '127.112.0.51', prefix: 32, linkLocal: false },
        { address: '10.0.0.200', prefix: 32, linkLocal: false },
      ],
    },
    { name: 'veth9', up: false, loopback: false, addresses: [] },
    {
      name: 'eth0',
      up: true,
      loopback: false,
      addresses: [
        { address: '10.0.0.1', prefix: 24, linkLocal: false },
        { address: '10.0.0.100', prefix: 32, linkLocal: false },
        { address: 'fe80::1', prefix: 64, linkLocal: true },
      ],
    },
  ];
  const vip = { address: '10.0.0.100/32', interface: 'eth0' };

  it('are reported without virtual, loopback and link-local ones, interfaces with addresses first', () => {
    assert.deepEqual(visibleInterfaces(kernel, [vip]), [
      { name: 'eth0', up: true, addresses: ['10.0.0.1/24'] },
      { name: 'veth9', up: false, addresses: [] },
    ]);
  });
  it('are held only outside lo', () => {
    assert.deepEqual(heldAddresses(kernel, { addresses: ['10.0.0.100/32', '10.0.0.200/32'] }), [
      '10.0.0.100/32',
    ]);
  });
  it('are orphans only exactly as recorded, and on lo only as anchors', () => {
    const anchor = { address: '127.112.0.51/32', interface: 'lo' };
    const recorded = [
      vip,
      anchor,
      { address: '10.0.0.100/32', interface: 'veth9' },
      { address: '10.0.0.1/32', interface: 'eth0' },
      { address: '10.0.0.200/32', interface: 'lo' },
    ];
    assert.deepEqual(orphansOf(kernel, recorded), [vip, anchor]);
    const pin = { address: '10.0.0.200/32', interface: 'lo', pin: true } as const;
    assert.deepEqual(orphansOf(kernel, [pin]), [pin]);
  });
  it('lack a source that is on no interface, or on another one', () => {
    assert.deepEqual(absentSources(kernel, [{ source: '10.0.0.1', interface: 'eth0' }]), []);
    assert.deepEqual(absentSources(kernel, [{ source: '10.0.0.1', interface: 'veth9' }]), [
      '10.0.0.1 on veth9',
    ]);
  });
  it('are anchors only in our own forms', () => {
    assert.ok(isAnchor('127.112.0.51/32') && isAnchor('100::ff00:33/128'));
    for (const other of ['127.0.0.1/8', '127.112.1.51/32', '100::1/128', '10.0.0.1/32'])
      assert.ok(!isAnchor(other), other);
  });
});
