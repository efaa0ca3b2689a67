// What a peer can do to the coordinator's port, with and without the key: others are served, memory is flat, each kind
// is counted. The port runs in a process of its own; every peer is an address of 127.0.0.0/8.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { WebSocket } from 'ws';
import type { RefusalKind } from '../../coordinator/core/refusal.ts';
import { closeCode, maxFrameBytes } from '../../shared/protocol.ts';
import { openAs, plain, pong, tell, type Way } from './agent-client.ts';
import { id, report } from './world.ts';

const key = 'a-key-of-some-length-1';
const former = 'a-key-of-some-length-0';
const hello = (node: string, protocol = 1) =>
  JSON.stringify({
    ...{ type: 'hello', protocol, node, hostname: 'host', agentVersion: '1', keepalivedVersion: '2.2.7' },
  });
const aReport = JSON.stringify(report(1));

interface Figures {
  rss: number;
  heapUsed: number;
  reports: number;
  lines: number;
  counts: Record<RefusalKind, number>;
  connected: string[];
}

describe('the coordinator’s port, attacked', { timeout: 120_000 }, () => {
  let port = 0;
  let child: ChildProcess;
  let lines: AsyncIterator<string>;
  let honest: WebSocket;
  let beat: NodeJS.Timeout;
  let closed: number | undefined;
  /** The longest that the honest agent's ping has waited for its answer. */
  let slowestMs = 0;
  const way = (from: string, node: string = id(1), more: Partial<Way> = {}): Way => ({
    ...{ port, key, node, from },
    ...more,
  });
  const figures = async (): Promise<Figures> => {
    child.stdin?.write('\n');
    const { value } = await lines.next();
    return JSON.parse(value);
  };
  const counted = async (act: () => Promise<unknown>) => {
    const before = (await figures()).counts;
    await act();
    const after = (await figures()).counts;
    return (kind: RefusalKind) => after[kind] - before[kind];
  };

  before(async () => {
    const probe = createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    const address = probe.address();
    port = typeof address === 'object' && address ? address.port : 0;
    probe.close();
    const script = new URL('agent-port.ts', import.meta.url).pathname;
    child = spawn(process.execPath, ['--expose-gc', '--import', 'tsx', script, String(port), key, former], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    assert.ok(child.stdout);
    lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    await lines.next();
    honest = openAs(way('127.0.0.1'));
    honest.on('close', (code) => {
      closed = code;
    });
    honest.on('pong', (data) => {
      slowestMs = Math.max(slowestMs, performance.now() - Number(String(data)));
    });
    await once(honest, 'open');
    honest.send(hello(id(1)));
    beat = setInterval(() => {
      honest.send(aReport);
      honest.ping(String(performance.now()));
    }, 20);
  });
  after(async () => {
    clearInterval(beat);
    honest.terminate();
    child.stdin?.end();
    await once(child, 'exit');
  });

  const frames: readonly [RefusalKind, number, () => Promise<number>][] = [
    ['malformed', closeCode.badFrame, () => tell(way('127.0.0.3'), '{"type":"hel')],
    ['malformed', closeCode.badFrame, () => tell(way('127.0.0.3', id(2)), hello(id(2)), Buffer.alloc(9))],
    [
      'malformed',
      closeCode.badFrame,
      () => tell(way('127.0.0.3', id(2)), hello(id(2)), '{"type":"welcome"}'),
    ],
    ['oversized', 1009, () => tell(way('127.0.0.3', id(2)), ' '.repeat(maxFrameBytes + 1))],
    ['out_of_order', closeCode.outOfOrder, () => tell(way('127.0.0.3', id(2)), aReport)],
    ['out_of_order', closeCode.outOfOrder, () => tell(way('127.0.0.3', id(2)), hello(id(2)), hello(id(2)))],
    ['wrong_version', closeCode.badVersion, () => tell(way('127.0.0.3', id(2)), hello(id(2), 7))],
    ['identity_mismatch', closeCode.identityMismatch, () => tell(way('127.0.0.3', id(2)), hello(id(1)))],
    ['wrong_address', closeCode.wrongAddress, () => tell(way('127.0.0.3', id(1)), hello(id(1)))],
    ['unknown_node', closeCode.unknownNode, () => tell(way('127.0.0.3', id(3)), hello(id(3)))],
    ['handshake', 0, () => tell(way('127.0.0.3', id(2), { key: 'a-wrong-key-of-some-length' }))],
    ['handshake', 0, () => plain(way('127.0.0.3'), 'GET / HTTP/1.1\r\n\r\n').then(() => 0)],
    [
      'too_fast',
      closeCode.tooFast,
      () => tell(way('127.0.0.3', id(2)), hello(id(2)), ...Array<string>(5_000).fill(aReport)),
    ],
    ['too_fast', closeCode.tooFast, () => pong(way('127.0.0.3', id(2)), 5_000)],
  ];
  for (const [index, [kind, code, act]] of frames.entries()) {
    it(`counts what it refuses, and says why (${kind}, ${index})`, async () => {
      const more = await counted(async () => {
        // What comes before a wrong address is its admission, which is refused before any frame.
        const expected = index === 0 ? closeCode.wrongAddress : code;
        assert.equal(await act(), expected);
      });
      assert.equal(more(index === 0 ? 'wrong_address' : kind), 1);
    });
  }

  it('takes two keys while one replaces the other, and no third', async () => {
    for (const good of [key, former]) {
      const socket = openAs(way('127.0.0.4', id(2), { key: good }));
      await once(socket, 'open');
      socket.send(hello(id(2)));
      await once(socket, 'message');
      socket.close();
      await once(socket, 'close');
    }
    assert.equal(await tell(way('127.0.0.4', id(2), { key: 'a-key-of-some-length-2' })), 0);
  });

  it('ends connections on which nothing is said: before TLS, within it, and before hello', async () => {
    const beginning = performance.now();
    const more = await counted(() =>
      Promise.all([
        plain(way('127.0.0.5')),
        plain(way('127.0.0.5'), '\u0016\u0003\u0001'),
        tell(way('127.0.0.5', id(2))),
      ]),
    );
    assert.equal(more('half_open'), 3);
    assert.ok(performance.now() - beginning < 8_000);
  });

  it('serves others while one peer opens 10,000 connections, and its memory stays as it was', async (t) => {
    // 127.0.0.6 knows the key and alternates between all it can think of; most is cut off at the door.
    const kinds = [
      () => tell(way('127.0.0.6', id(2)), 'nonsense'),
      () => tell(way('127.0.0.6', id(2)), aReport),
      () => tell(way('127.0.0.6', id(2)), hello(id(2), 7)),
      () => plain(way('127.0.0.6'), 'nonsense'),
      () => plain(way('127.0.0.6')),
    ];
    await attack(1_000, kinds);
    const early = await figures();
    slowestMs = 0;
    const beginning = performance.now();
    await attack(10_000, kinds);
    const seconds = (performance.now() - beginning) / 1000;
    const late = await figures();
    t.diagnostic(JSON.stringify({ seconds, slowestMs, early, late }));
    assert.equal(closed, undefined, 'the honest agent is still connected');
    assert.ok(late.connected.includes(id(1)));
    assert.ok(late.reports - early.reports > seconds * 20, 'its reports were heard');
    assert.ok(slowestMs < 1_000, `an answer took ${slowestMs} ms`);
    assert.ok(late.heapUsed - early.heapUsed < 2_000_000, 'nothing is kept');
    assert.ok(late.lines - early.lines < 50, 'the log is not flooded');
    const total = (counts: Figures['counts']) => Object.values(counts).reduce((sum, each) => sum + each, 0);
    assert.ok(total(late.counts) - total(early.counts) >= 10_000, 'each was counted');
  });

  it('reads 2,000 hostile frames of forty peers that all know the key, each counted by its kind', async (t) => {
    let n = 0;
    const peer = () => way(`127.0.1.${n++ % 40}`, id(2));
    const before = await figures();
    slowestMs = 0;
    await attack(2_000, [
      () => tell(peer(), 'nonsense'),
      () => tell(peer(), aReport),
      () => tell(peer(), hello(id(2), 7)),
      () => tell(peer(), hello(id(1))),
    ]);
    // Sockets that are closed live on for a moment.
    await delay(1_500);
    const after = await figures();
    const more = (kind: RefusalKind) => after.counts[kind] - before.counts[kind];
    t.diagnostic(JSON.stringify({ slowestMs, before, after }));
    assert.deepEqual(
      (['malformed', 'out_of_order', 'wrong_version', 'identity_mismatch'] as const).map(more),
      [500, 500, 500, 500],
    );
    assert.equal(closed, undefined);
    assert.ok(slowestMs < 1_000, `an answer took ${slowestMs} ms`);
    assert.ok(after.heapUsed - before.heapUsed < 2_000_000, 'nothing is kept');
  });
});

/** `count` acts in turn, sixteen at a time. */
async function attack(count: number, acts: readonly (() => Promise<unknown>)[]): Promise<void> {
  let next = 0;
  const one = async () => {
    while (next < count) {
      const act = acts[next++ % acts.length];
      await Promise.race([act?.(), delay(1_000)]);
    }
  };
  await Promise.all(Array.from({ length: 16 }, one));
}
