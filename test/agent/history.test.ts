// Why the state changed: keepalived's own words as it wrote them, and what an agent remembers across its lives.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Clue, readClue } from '../../agent/core/clue.ts';
import { type Change, explain, unseen } from '../../agent/core/history.ts';
import type { StateTransition, VrrpState } from '../../shared/protocol.ts';
import { type Bench, bringUp, createBench, eventsOf, type Host, nth, until } from './bench.ts';

const clueOf = (text: string) => readClue(text)?.clue;
const clues = (...texts: string[]): Clue[] => texts.flatMap((text) => clueOf(text) ?? []);
const change = (from: VrrpState, to: VrrpState, atMs = 1000): Change => ({
  group: 'main',
  from,
  to,
  priority: 100,
  atMs,
});
const causeOf = (from: VrrpState, to: VrrpState, ...texts: string[]) =>
  explain(change(from, to), {
    clues: clues(...texts),
    pause: undefined,
    weighs: undefined,
    order: undefined,
  });

describe('keepalived’s words about a change', () => {
  it('tell apart a holder that resigned, one that is lower and one that fell silent', () => {
    const timeout = '(main) Receive advertisement timeout';
    assert.deepEqual(
      causeOf('BACKUP', 'MASTER', '(main) Backup received priority 0 advertisement', timeout),
      {
        cause: 'resigned',
      },
    );
    assert.deepEqual(
      causeOf(
        'BACKUP',
        'MASTER',
        '(main) received lower priority (50) advert from 10.0.0.1 - discarding',
        timeout,
      ),
      { cause: 'preempted', peer: { address: '10.0.0.1', priority: 50 } },
    );
    assert.deepEqual(causeOf('BACKUP', 'MASTER', timeout), { cause: 'silence' });
    assert.deepEqual(causeOf('BACKUP', 'MASTER'), { cause: 'unknown' });
  });

  it('name the one with the higher priority or address', () => {
    const higher = '(main) Master received advert from 10.0.0.2 with higher priority 100, ours 50';
    assert.deepEqual(causeOf('MASTER', 'BACKUP', higher), {
      cause: 'higher-priority',
      peer: { address: '10.0.0.2', priority: 100 },
    });
    const same =
      '(main) Master received advert from fd00::2 with same priority 50 but higher IP address than ours';
    assert.deepEqual(clueOf(same), { kind: 'higher', address: 'fd00::2', priority: 50 });
    assert.deepEqual(
      causeOf('MASTER', 'BACKUP', 'Netlink reflector reports IP 10.0.0.100 removed from eth0'),
      {
        cause: 'address-removed',
        detail: '10.0.0.100',
      },
    );
  });

  it('tell a lost link from the agent’s own pause', () => {
    assert.deepEqual(causeOf('MASTER', 'FAULT', 'Netlink reports eth0 down'), {
      cause: 'interface-down',
      detail: 'eth0',
    });
    const paused = explain(change('BACKUP', 'FAULT'), {
      clues: clues('(main): tracked file pause_main now FAULT state'),
      pause: 'holds nothing, as ordered',
      weighs: undefined,
      order: undefined,
    });
    assert.deepEqual(paused, { cause: 'held-back', detail: 'holds nothing, as ordered' });
  });

  it('name the failing checks that take from the priority of a holder which yields', () => {
    const line = '(main) Master received advert from 10.0.0.2 with higher priority 240, ours 220';
    const yields = (weighs: string | undefined, text = line) =>
      explain(change('MASTER', 'BACKUP'), { clues: clues(text), pause: undefined, weighs, order: undefined });
    const peer = { address: '10.0.0.2', priority: 240 };
    assert.deepEqual(yields('check api fails (-30): refused'), {
      cause: 'higher-priority',
      peer,
      detail: 'check api fails (-30): refused',
    });
    assert.deepEqual(yields(undefined), { cause: 'higher-priority', peer });
    assert.equal(yields('x'.repeat(900)).detail?.length, 300);
    assert.equal(yields('x', 'nothing that explains').detail, undefined);
  });

  it('carry an order only where it explains the change', () => {
    const why = (from: VrrpState, to: VrrpState, aside: boolean) =>
      explain(change(from, to), {
        clues: [],
        pause: undefined,
        weighs: undefined,
        order: { words: 'x', aside },
      }).order;
    assert.equal(why('MASTER', 'BACKUP', true), 'x');
    assert.equal(why('MASTER', 'BACKUP', false), undefined);
    assert.equal(why('BACKUP', 'MASTER', false), 'x');
    assert.equal(why('BACKUP', 'MASTER', true), undefined);
  });

  it('do not confuse what is none of them, however it looks', () => {
    for (const text of [
      '',
      '()',
      '(main)',
      '(main) ',
      'Netlink reports  down',
      '(a) received lower priority (x) advert from y',
    ])
      assert.equal(readClue(text), undefined, text);
  });
});

describe('what a restarted agent finds', () => {
  const last = { to: 'MASTER', atMs: 10_000 } as StateTransition;
  it('is no news when it was known', () => {
    assert.equal(unseen(change('INIT', 'MASTER', 10_700), last), undefined);
    assert.equal(unseen(change('INIT', 'BACKUP', 9_000), last), undefined);
  });
  it('is news when it happened meanwhile, even back to the same state', () => {
    assert.equal(unseen(change('INIT', 'BACKUP', 10_700), last)?.from, 'MASTER');
    assert.equal(unseen(change('INIT', 'MASTER', 20_000), last)?.from, 'MASTER');
    assert.equal(unseen(change('INIT', 'MASTER', 20_000), undefined)?.from, 'INIT');
  });
});

describe('the history of a node, on real keepalived', () => {
  /** All that the host has told, each transition once. */
  const told = (bench: Bench, host: Host): StateTransition[] => {
    const bySeq = new Map<number, StateTransition>();
    for (const { node, frame } of bench.peer.events()) {
      const history = frame as { type?: string; transitions?: StateTransition[] } | undefined;
      if (node !== host.nodeId || history?.type !== 'history') continue;
      for (const entry of history.transitions ?? []) bySeq.set(entry.seq, entry);
    }
    return [...bySeq.values()].sort((a, b) => a.seq - b.seq);
  };
  const causes = (bench: Bench, host: Host) => told(bench, host).map(({ to, cause }) => `${to} ${cause}`);

  it('gives the cause of each change, survives Node and the container, and is told again to a new manager', async () => {
    const bench = await createBench(2);
    try {
      await bench.peer.start();
      const [one, two] = [nth(bench, 1), nth(bench, 2)];
      one.start();
      two.start();
      await bringUp([one, two]);
      const holds = (host: Host) =>
        until(
          `${host.name} holds alone`,
          () => bench.hosts.every((each) => each.held().length > 0 === (each === host)),
          30_000,
        );
      bench.linkDown(one);
      await holds(two);
      bench.linkUp(one);
      await holds(one);
      await until('the link’s loss is told', () => causes(bench, one).includes('FAULT interface-down'));
      await until('the way back is told', () => causes(bench, two).includes('BACKUP higher-priority'));
      assert.ok(causes(bench, two).includes('MASTER silence'), causes(bench, two).join(', '));
      for (const pid of one.pids().keepalived) process.kill(pid, 'SIGKILL');
      await until('the crash is told', () => causes(bench, one).includes('STOP crashed'));
      await holds(two);
      await holds(one);
      const before = await until('all of it is saved', () => {
        const saved = JSON.parse(one.saved('history.json')) as { transitions: StateTransition[] };
        return saved.transitions.length === told(bench, one).length && saved.transitions;
      });
      const { agent } = one.pids();
      assert.ok(agent);
      process.kill(agent, 'SIGKILL');
      await until('Node is back', () => one.pids().agent !== undefined && one.pids().agent !== agent);
      // A manager that knows nothing is told everything.
      await bench.peer.stop();
      await bench.peer.start();
      await until('the past is told again', () => told(bench, one).length > 0);
      assert.deepEqual(told(bench, one).slice(0, before.length), before);
      assert.equal(await one.stop(), 0);
      one.start();
      await until(
        'a new container adds to it',
        () =>
          causes(bench, one).filter((each) => each === 'FAULT held-back' || each.endsWith('started')).length >
            1 && told(bench, one).at(-1)?.to === 'MASTER',
        30_000,
      );
      const all = told(bench, one);
      assert.deepEqual(all.slice(0, before.length), before);
      assert.ok(causes(bench, one).includes('STOP stopped'));
      const order = all.find(
        (entry) => entry.from === 'MASTER' && entry.to === 'BACKUP' && entry.order,
      )?.order;
      assert.equal(order, 'the agent stops');
      // The log says each of them once, with the reason and all priorities.
      const keyOf = ({ from, to, cause, at }: Record<string, unknown>) => `${from} ${to} ${cause} ${at}`;
      const said = () => eventsOf(one, 'transition').map(keyOf);
      const known = () =>
        told(bench, one).map((entry) => keyOf({ ...entry, at: new Date(entry.atMs).toISOString() }));
      // Each comes by its own way.
      await until('the log has caught up', () => said().join() === known().join());
      const lines = eventsOf(one, 'transition');
      for (const line of lines) assert.deepEqual([line['node'], line['group']], [one.nodeId, 'web']);
      const rise = eventsOf(one, 'transition').find(({ cause }) => cause === 'preempted');
      assert.deepEqual(
        [rise?.['priority'], rise?.['basePriority'], rise?.['peerPriority'], typeof rise?.['hostname']],
        [250, 250, 248, 'string'],
      );
      assert.match(String(rise?.['reason']), /^10\.99\.0\.\d+ has the lower priority \(248 against 250\)$/);
    } finally {
      await bench.close();
    }
  });
});
