// What `swarm-vip events` follows: a stream that breaks off shows nothing twice and leaves nothing out.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import pino from 'pino';
import { readEventLines } from '../../coordinator/cli/event-lines.ts';
import { type Coordinator, createCoordinator } from '../../coordinator/coordinator.ts';
import {
  concerns,
  eventText,
  follow,
  type LiveEvent,
  nothingShown,
  orderEvent,
  problemEvent,
  type Shown,
  type StreamHead,
  type StreamLine,
  transitionEvent,
} from '../../coordinator/core/events.ts';
import type { Snapshot } from '../../coordinator/core/snapshot.ts';
import { createEventStream } from '../../coordinator/io/event-stream.ts';
import { createHttpServer, listenTcp, listenUnix } from '../../shared/io/http.ts';
import { type Problem, problemKey } from '../../shared/problem.ts';
import type { StateTransition } from '../../shared/protocol.ts';
import type { GroupName } from '../../shared/words.ts';
import { id, member, node, plan, report, service, snapshot, unattended } from './world.ts';

const problem = (where: string, group?: string): Problem => ({
  code: 'some-problem',
  severity: 'warning',
  where,
  ...(group === undefined ? {} : { group }),
  message: 'm',
  instead: 'i',
  remedy: 'r',
});
const head = (...problems: Problem[]): StreamHead => ({
  type: 'stream',
  apiVersion: 'swarm-vip/v1',
  role: 'active',
  active: null,
  coordinator: { node: id(1), hostname: 'host1' },
  problems: problems.map((each) => ({ key: problemKey(each), problem: each })),
});
const entry = (seq: number, atMs = seq, more: Partial<StateTransition> = {}): StateTransition => ({
  seq,
  atMs,
  group: 'web' as GroupName,
  from: 'BACKUP',
  to: 'MASTER',
  priority: 250,
  cause: 'silence',
  ...more,
});
const moved = (seq: number) => transitionEvent({ ...entry(seq), node: id(1), hostname: 'host1' });
const come = (where: string) => problemEvent('problem', problem(where), 1);
const gone = (where: string) => problemEvent('solved', problem(where), 1);

/** Feeds streams one after the other and tells what was shown. */
function shownOf(...lines: StreamLine[]): string[] {
  let shown: Shown = nothingShown;
  return lines.flatMap((line) => {
    const step = follow(shown, line, 9);
    shown = step.shown;
    return step.events.map((event) =>
      'problem' in event ? `${event.type} ${event.problem.where}` : event.key,
    );
  });
}

describe('following', () => {
  it('shows what was before and what comes, each once', () => {
    const lines: StreamLine[] = [head(), moved(1), { type: 'live' }, moved(2), moved(2), { type: 'beat' }];
    assert.deepEqual(shownOf(...lines), [`transition ${id(1)} 1`, `transition ${id(1)} 2`]);
  });

  it('goes on after a break without a second word, and with what happened meanwhile', () => {
    const first: StreamLine[] = [head(), moved(1), { type: 'live' }, moved(2)];
    const second: StreamLine[] = [head(), moved(1), moved(2), moved(3), { type: 'live' }, moved(4)];
    assert.deepEqual(
      shownOf(...first, ...second),
      [1, 2, 3, 4].map((seq) => `transition ${id(1)} ${seq}`),
    );
  });

  it('tells after a break which problems are new and which are solved, whatever the next coordinator remembers', () => {
    const first: StreamLine[] = [head(problem('old')), { type: 'live' }, come('a'), come('b'), gone('a')];
    const second: StreamLine[] = [
      head(problem('b'), problem('c')),
      ...[come('a'), gone('a'), come('b'), come('c'), { type: 'live' } as const, gone('b')],
    ];
    assert.deepEqual(shownOf(...first, ...second), [
      ...['problem a', 'problem b', 'solved a'],
      ...['solved old', 'problem c', 'solved b'],
    ]);
  });

  it('shows a problem of the past that came and went', () => {
    assert.deepEqual(shownOf(head(), come('a'), gone('a'), { type: 'live' }), ['problem a', 'solved a']);
  });
});

describe('an event', () => {
  const secret = { password: 'geheim12', checks: [] };
  const agents = new Map([1, 2].map((n) => [id(n), { connected: true, report: report(n) }]));
  const swarm = snapshot([member(1), member(2)], [service({ KEEPALIVED_PASSWORD: 'geheim12' })]);
  const order = orderEvent(
    { node: id(1), hostname: 'host1' },
    { epoch: 7, counter: 3 },
    plan(swarm, agents).assignments.get(id(1)) ?? [],
    0,
  );

  it('of an order carries no password', () => {
    assert.ok(JSON.stringify(plan(swarm, agents).assignments.get(id(1))).includes(secret.password));
    assert.ok(!JSON.stringify(order).includes(secret.password));
    assert.match(eventText(order), /order 7\.3 {2}host1 {2}web with priority 2\d\d/);
  });

  it('concerns its own group, and one without a group concerns all', () => {
    const events: LiveEvent[] = [
      ...[moved(1), order, problemEvent('problem', problem('x', 'web'), 0)],
      problemEvent('problem', problem('y'), 0),
    ];
    assert.deepEqual(
      events.map((event) => concerns(event, 'web')),
      [true, true, true, true],
    );
    assert.deepEqual(
      events.map((event) => concerns(event, 'db')),
      [false, false, false, true],
    );
    assert.deepEqual(new Set(events.map((event) => eventText(event).includes('\n'))), new Set([false]));
  });
});

/** A coordinator that serves its events on a unix socket. */
async function serving(
  swarm: { now: Snapshot },
  self: number,
  act: (stage: { coordinator: Coordinator; socket: string }) => Promise<void>,
  httpPort = 9167,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'events-'));
  const coordinator = createCoordinator({
    self: id(self),
    version: '1',
    now: () => 1_000_000,
    log: pino({ level: 'silent' }),
    swarm: {
      snapshot: () => Promise.resolve(swarm.now),
      tasks: () => Promise.resolve([]),
      setLabel: () => Promise.resolve(7),
    },
    ...unattended(),
  });
  const route = createEventStream({ ...coordinator, now: () => 1_000_000, httpPort });
  const server = createHttpServer({ '/api/v1/events': route });
  const socket = join(folder, 'socket');
  await listenUnix(server, socket);
  try {
    await coordinator.look();
    await act({ coordinator, socket });
  } finally {
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true });
  }
}

/** Reads until `enough`, which is awaited in real time because a real socket is between. */
async function lines(socket: string, sinceMs: number, enough: (heard: StreamLine[]) => boolean) {
  const heard: StreamLine[] = [];
  const result = await readEventLines(socket, sinceMs, (line, end) => {
    heard.push(line);
    if (enough(heard)) end();
  });
  return { heard, why: result.why };
}
const types = (heard: readonly StreamLine[]) => heard.map(({ type }) => type);

describe('the stream of a coordinator', { timeout: 30_000 }, () => {
  const two = () => ({ now: snapshot([member(1), member(2)]) });

  it('begins with who speaks and what is wrong, then the past since then, then the present', async () => {
    await serving(two(), 1, async ({ coordinator, socket }) => {
      coordinator.remember(id(1), [entry(1, 10), entry(2, 500)]);
      const { heard } = await lines(socket, 400, (heard) => {
        if (heard.at(-1)?.type === 'live') {
          coordinator.remember(id(1), [entry(2, 500), entry(3, 20)]);
          coordinator.remember(id(2), [entry(1, 10), entry(2, 600)]);
        }
        return heard.length === 8;
      });
      // An agent heard before tells news, however its clock goes; what another one remembers counts by its time.
      assert.deepEqual(types(heard), [
        ...['stream', 'transition', 'active', 'problem', 'problem', 'live'],
        ...['transition', 'transition'],
      ]);
      assert.deepEqual(
        heard.flatMap((line) => (line.type === 'transition' ? [line.key] : [])),
        [`transition ${id(1)} 2`, `transition ${id(1)} 3`, `transition ${id(2)} 2`],
      );
      const [first] = heard;
      assert.ok(first?.type === 'stream');
      assert.deepEqual([first.role, first.active, first.problems.length], ['active', null, 2]);
    });
  });

  it('of a standby names the active one, and ends when that is another one', async () => {
    const swarm = {
      now: snapshot(
        [member(1), member(2)],
        [service({}, { tasks: [1, 2].map((n) => ({ id: `task${n}`, node: id(n) })) })],
      ),
    };
    await serving(swarm, 2, async ({ coordinator, socket }) => {
      const { heard } = await lines(socket, 0, (all) => all.length === 1);
      const [first] = heard;
      assert.ok(first?.type === 'stream');
      assert.deepEqual([first.role, first.active], ['standby', 'http://10.0.0.11:9167']);
      const reading = lines(socket, 0, () => false);
      await delay(100);
      swarm.now = {
        ...swarm.now,
        nodes: [node(1, {}, { leader: false }), node(2, {}, { leader: true })],
      };
      await coordinator.look();
      assert.match((await reading).why, /ended/);
    });
  });

  it('refuses what is no time, and the thirty-third follower', async () => {
    await serving(two(), 1, async ({ socket }) => {
      assert.match((await lines(socket, Number.NaN, () => false)).why, /answer 400.*Unix milliseconds/);
      const ends: (() => void)[] = [];
      const all = Array.from({ length: 32 }, () =>
        readEventLines(socket, 0, (_, end) => {
          ends.push(end);
        }),
      );
      while (new Set(ends).size < 32) await delay(20);
      assert.match((await lines(socket, 0, () => false)).why, /answer 503.*follow already/);
      for (const end of ends) end();
      await Promise.all(all);
      await delay(50);
      assert.ok((await lines(socket, 0, (heard) => heard.length > 0)).heard.length > 0);
    });
  });
});

describe('swarm-vip events -f', { timeout: 60_000 }, () => {
  it('asked of a standby follows the active one, and the standby when that dies, each event once', async () => {
    const nodes = [member(1), member(2)].map((each) => ({ ...each, addresses: ['127.0.0.1'] }));
    const swarm = {
      now: snapshot(nodes, [service({}, { tasks: [1, 2].map((n) => ({ id: `task${n}`, node: id(n) })) })]),
    };
    await serving(swarm, 1, async ({ coordinator: active }) => {
      const port = 20_000 + (process.pid % 10_000);
      const source = { ...active, now: () => 1_000_000, httpPort: port };
      const tcp = createHttpServer({ '/api/v1/events': createEventStream(source) });
      await listenTcp(tcp, { host: '127.0.0.1', port });
      await serving(
        swarm,
        2,
        async ({ coordinator: standby, socket }) => {
          const child = spawn(
            process.execPath,
            ['--import', 'tsx', 'coordinator/cli.ts', 'events', '-f', '-o', 'json'],
            { env: { ...process.env, SWARM_VIP_SOCKET: socket }, stdio: ['ignore', 'pipe', 'pipe'] },
          );
          let [out, err] = ['', ''];
          child.stdout.on('data', (data) => {
            out += String(data);
          });
          child.stderr.on('data', (data) => {
            err += String(data);
          });
          const shows = async (seq: number) => {
            while (!out.includes(`${id(1)} ${seq}"`)) await delay(20);
          };
          try {
            active.remember(id(1), [entry(1)]);
            standby.remember(id(1), [entry(1)]);
            // Until it is connected it misses what happens: so it happens until it is shown.
            for (let seq = 2; out === '' && seq < 1_000; seq++) {
              for (const each of [active, standby]) each.remember(id(1), [entry(seq, Date.now())]);
              await delay(100);
            }
            assert.equal(err, '');
            tcp.closeAllConnections();
            tcp.close();
            for (const each of [active, standby]) each.remember(id(1), [entry(2_000, Date.now())]);
            await shows(2_000);
            standby.remember(id(1), [entry(2_001, Date.now())]);
            await shows(2_001);
          } finally {
            child.kill();
          }
          const keys = out
            .trim()
            .split('\n')
            .map((line) => (JSON.parse(line) as LiveEvent).key);
          assert.equal(new Set(keys).size, keys.length, out);
          assert.match(
            err,
            /connection lost .*\n.*does not answer at http:\/\/127\.0\.0\.1.*following a standby/,
          );
        },
        port,
      );
    });
  });
});
