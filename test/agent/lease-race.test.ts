// The one thing a renewal must never do: bring back an address that keepalived dropped. Ten thousand hand-overs of real
// keepalived, raced against renewals without a pause between them. The control renews as `ip addr replace` does.
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import * as v from 'valibot';
import { type Leased, leaseList } from '../../agent/core/lease.ts';
import { writeWhole } from '../../agent/io/state-store.ts';
import { Vrid } from '../../shared/words.ts';
import { until } from './bench.ts';

const script = new URL('../../agent/lease.pl', import.meta.url).pathname;
const groups = 100;
const drops = 10_000;
const name = `svr${process.pid}`;
const run = mkdtempSync(join(tmpdir(), `${name}-`));
const instances: Leased[] = Array.from({ length: groups }, (_, index) => ({
  vrid: v.parse(Vrid, index + 1),
  source: '10.99.0.1',
  interface: 'eth0',
  intervalMs: 50,
  // Every other group has a v6 address as well.
  addresses: [`10.99.1.${index + 1}/32`, ...(index % 2 ? [`fd99::1:${index + 1}/128`] : [])],
}));

const inside = (...command: string[]) => ['nsenter', `--net=/run/netns/${name}`, '--', ...command] as const;
const exec = (...command: string[]) => {
  const [program, ...args] = inside(...command);
  return execFileSync(program, args, { encoding: 'utf8' });
};
/** Of the instances' addresses and anchors, what the kernel has. */
const present = () =>
  exec('ip', '-o', 'addr', 'show').match(/ (10\.99\.1\.\d+\/32|fd99::1:\S+\/128|127\.112\S+) /g) ?? [];
const whole = instances.reduce((sum, instance) => sum + 1 + instance.addresses.length, 0);
const pause = (value: 0 | 1) => writeWhole(join(run, 'pause'), `${value}\n`);

function keepalivedConf(): string {
  const blocks = instances.map(
    ({ vrid, addresses }) => `
vrrp_instance g${vrid} {
    state BACKUP
    interface eth0
    virtual_router_id ${vrid}
    version 3
    priority 250
    advert_int 0.05
    unicast_src_ip 10.99.0.1
    unicast_peer {
        240.0.0.1
    }
    garp_master_repeat 1
    garp_master_delay 0
    track_file {
        pause weight 0
    }
    virtual_ipaddress {
        127.112.0.${vrid}/32 dev lo scope host
    }
    virtual_ipaddress_excluded {
${addresses.map((address) => `        ${address} dev eth0`).join('\n')}
    }
}`,
  );
  return `global_defs {
    enable_script_security
    script_user root
}
track_file pause {
    file ${run}/pause
    weight 0
}
${blocks.join('\n')}
`;
}

describe('renewals raced against hand-overs', () => {
  const children: ChildProcess[] = [];
  const start = (...command: string[]) => {
    const [program, ...args] = inside(...command);
    const child = spawn(program, args, { stdio: 'ignore' });
    children.push(child);
    return child;
  };
  const stop = async (child: ChildProcess, signal: NodeJS.Signals) => {
    const closed = new Promise((resolve) => child.on('close', resolve));
    child.kill(signal);
    await closed;
  };
  const stat = (what: string) => {
    const found = new RegExp(`${what} (\\d+)`).exec(readFileSync(join(run, 'lease.stats'), 'utf8'));
    return Number(found?.[1] ?? Number.NaN);
  };
  /** Long leases: what comes back stays. Rounds without a pause. */
  const renewer = async (program: string) => {
    rmSync(join(run, 'lease.stats'), { force: true });
    writeFileSync(join(run, 'leases'), leaseList(instances, 60).replace(/^60 15 /, '60 0.000001 '));
    const child = start('perl', program, run);
    await until('it renews', () => {
      try {
        return stat('renewed') > 0;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
        throw error;
      }
    });
    return child;
  };
  const up = () => until('all are up', () => present().length === whole, 20_000);

  before(async () => {
    execFileSync('ip', ['netns', 'add', name]);
    exec('ip', 'link', 'set', 'lo', 'up');
    exec('ip', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth1');
    exec('ip', 'addr', 'add', '10.99.0.1/24', 'dev', 'eth0');
    for (const link of ['eth0', 'eth1']) exec('ip', 'link', 'set', link, 'up');
    writeFileSync(join(run, 'keepalived.conf'), keepalivedConf());
    pause(0);
    const files = ['-f', `${run}/keepalived.conf`, '-p', `${run}/keepalived.pid`, '-r', `${run}/vrrp.pid`];
    start('keepalived', '-n', '-l', '-G', '-P', ...files);
    await up();
  });
  after(async () => {
    for (const child of children) if (child.exitCode === null && !child.killed) await stop(child, 'SIGTERM');
    execFileSync('ip', ['netns', 'del', name]);
    rmSync(run, { recursive: true, force: true });
  });

  it(`none of ${drops} dropped groups comes back`, async (t) => {
    const child = await renewer(script);
    const before = { renewed: stat('renewed'), absent: stat('absent') };
    for (let cycle = 1; cycle <= drops / groups; cycle += 1) {
      await up();
      pause(1);
      await until(`all are down, cycle ${cycle}`, () => present().length === 0, 20_000);
      const rounds = stat('rounds');
      await until('three more rounds', () => stat('rounds') > rounds + 3);
      assert.deepEqual(present(), []);
      pause(0);
    }
    const renewed = stat('renewed') - before.renewed;
    const absent = stat('absent') - before.absent;
    t.diagnostic(`${renewed} renewals, ${absent} of an address that had just gone or had not come yet`);
    assert.ok(renewed > drops && absent > drops, 'the race was run');
    await stop(child, 'SIGKILL');
  });

  it('negative control: a renewal that may create does bring addresses back', async () => {
    const text = readFileSync(script, 'utf8');
    // NLM_F_CREATE | NLM_F_REPLACE and no IFA_F_MCAUTOJOIN: what `ip addr replace` sends. And no look at the kernel.
    const creating = text
      .replaceAll('0x105, @_', '0x505, @_')
      .replace('0x602 : 0x400', '0x202 : 0')
      .replace('\nrefuse_unsafe_kernel();', '\n');
    assert.notEqual(creating, text);
    const program = join(run, 'creating.pl');
    writeFileSync(program, creating);
    await up();
    const child = await renewer(program);
    pause(1);
    // keepalived takes all of them down within this time, as seen above.
    await sleep(2_000);
    const back = present().length;
    await stop(child, 'SIGKILL');
    assert.ok(back > 0, 'an address is back');
    pause(0);
  });

  it('negative control: on a kernel that creates on renewal it says so and renews nothing', async () => {
    // Such a kernel is not at hand; what it would do is what this request does on ours.
    const text = readFileSync(script, 'utf8').replace('0x602 : 0x400', '0x202 : 0');
    const program = join(run, 'unsafe.pl');
    writeFileSync(program, text);
    rmSync(join(run, 'lease.stats'), { force: true });
    const child = start('perl', program, run);
    await until('it says so', () => {
      try {
        return readFileSync(join(run, 'lease.stats'), 'utf8').startsWith('unsafe');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
        throw error;
      }
    });
    assert.ok(!exec('ip', '-o', 'addr', 'show', 'dev', 'lo').includes('127.112.255.255'), 'it cleans up');
    await stop(child, 'SIGKILL');
  });
});
