// What many nodes remember → one story per group, with the reason an operator would give.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { greeted, reported } from '../../coordinator/core/agents.ts';
import { historyDocument, merged } from '../../coordinator/core/history.ts';
import type { StateTransition } from '../../shared/protocol.ts';
import { historyLength } from '../../shared/protocol.ts';
import type { GroupName } from '../../shared/words.ts';
import { hello, id, ip, member, report, snapshot } from './world.ts';

/** "MASTER>BACKUP" at a time, with what else is known. */
const step = (
  move: string,
  atMs: number,
  cause: StateTransition['cause'],
  more: Partial<StateTransition> = {},
): StateTransition => {
  const [from, to] = move.split('>') as [StateTransition['from'], StateTransition['to']];
  return { seq: atMs, atMs, group: 'web' as GroupName, from, to, priority: 100, cause, ...more };
};
const nodes = [1, 2, 3].map((n) => member(n));
const agents = new Map(
  [1, 2, 3].map((n) => {
    return [id(n), reported(greeted(undefined, hello(n), 0), report(n), 0)];
  }),
);
const story = (past: Record<number, StateTransition[]>) =>
  historyDocument(
    new Map(Object.entries(past).map(([n, list]) => [id(Number(n)), list])),
    snapshot(nodes),
    agents,
  ).switches.map(({ from, to, reason }) => `${from?.hostname ?? '-'} → ${to.hostname}: ${reason}`);
const first = () => step('BACKUP>MASTER', 100, 'silence');
const peer = (n: number, priority: number) => ({ peer: { address: ip(n), priority } });

describe('the story of a group', () => {
  it('names the operator’s reason when the holder was told to stand aside', () => {
    const fall = step('MASTER>BACKUP', 5_001, 'higher-priority', {
      ...peer(2, 90),
      order: 'drained: new disk',
    });
    const rise = step('BACKUP>MASTER', 5_000, 'preempted', peer(1, 1));
    assert.deepEqual(story({ 1: [first(), fall], 2: [rise] }), [
      '- → host1: the first to hold it',
      'host1 → host2: host1 drained: new disk',
    ]);
  });

  it('names the choice of a new lead, and a plain higher priority with both values', () => {
    const lead = { ...peer(1, 250), order: 'leads by switchover' };
    const fall = () => step('MASTER>BACKUP', 5_001, 'higher-priority', peer(2, 254));
    assert.deepEqual(
      story({ 1: [first(), fall()], 2: [step('BACKUP>MASTER', 5_000, 'preempted', lead)] })[1],
      'host1 → host2: host2 leads by switchover',
    );
    assert.deepEqual(
      story({ 1: [first(), fall()], 2: [step('BACKUP>MASTER', 5_000, 'preempted')] })[1],
      'host1 → host2: host1: host2 has the higher priority (254 against 100)',
    );
  });

  it('says what the holder suffered, when it could still tell', () => {
    const rise = () => step('BACKUP>MASTER', 5_300, 'silence');
    const down = step('MASTER>FAULT', 5_000, 'interface-down', { detail: 'eth0' });
    assert.deepEqual(
      story({ 1: [first(), down], 2: [rise()] })[1],
      'host1 → host2: host1: interface eth0 went down',
    );
    const crash = step('MASTER>STOP', 5_000, 'crashed');
    assert.deepEqual(
      story({ 1: [first(), crash], 2: [rise()] })[1],
      'host1 → host2: host1: keepalived ended by itself',
    );
  });

  it('says that it fell silent, when it could not', () => {
    assert.deepEqual(
      story({ 1: [first()], 2: [step('BACKUP>MASTER', 5_000, 'silence')] })[1],
      'host1 → host2: host1 fell silent',
    );
  });

  it('does not take a later fall for the cause of an earlier switch', () => {
    const late = step('MASTER>BACKUP', 60_000, 'higher-priority', { order: 'drained' });
    assert.deepEqual(
      story({ 1: [first(), late], 2: [step('BACKUP>MASTER', 5_000, 'silence')] })[1],
      'host1 → host2: host1 fell silent',
    );
  });

  it('tells an ordered change from a keepalived that began anew', () => {
    const fall = () => step('MASTER>BACKUP', 5_000, 'unknown');
    const order = 'changes first what all members agree on';
    const rise = (more: Partial<StateTransition>) => step('BACKUP>MASTER', 5_300, 'silence', more);
    assert.deepEqual(
      [story({ 1: [first(), fall(), rise({ order })] })[1], story({ 1: [first(), rise({})] })[1]],
      [`host1 → host1: host1 ${order}`, 'host1 → host1: keepalived began anew'],
    );
  });

  it('knows that the holder went on when another one stood beside it for a moment, and what ended it in the end', () => {
    const beside = [
      step('BACKUP>MASTER', 5_000, 'silence'),
      step('MASTER>BACKUP', 5_200, 'higher-priority', peer(1, 250)),
    ];
    const last = step('BACKUP>MASTER', 60_000, 'silence');
    assert.deepEqual(story({ 1: [first()], 2: [...beside, last] }), [
      '- → host1: the first to hold it',
      'host1 → host2: host1 fell silent',
      'host2 → host1: host2: host1 has the higher priority (250 against 100)',
      'host1 → host2: host1 fell silent',
    ]);
    const down = step('MASTER>BACKUP', 5_200, 'higher-priority', {
      order: 'steps down: another member holds, too',
    });
    assert.match(
      story({ 1: [first()], 2: [beside[0] ?? last, down] })[2] ?? '',
      /^host2 → host1: host2 steps down/,
    );
  });

  it('goes by the address of whom it gave way to, whoever else rises meanwhile', () => {
    const rise = step('BACKUP>MASTER', 5_000, 'silence');
    const fall = step('MASTER>BACKUP', 5_200, 'higher-priority', peer(1, 250));
    const third = [
      step('BACKUP>MASTER', 5_900, 'silence'),
      step('MASTER>BACKUP', 6_100, 'higher-priority', peer(1, 250)),
    ];
    assert.deepEqual(
      story({ 1: [first()], 2: [rise, fall], 3: third }).map((line) => line.split(':')[0]),
      ['- → host1', 'host1 → host2', 'host2 → host1', 'host1 → host3', 'host3 → host1'],
    );
  });

  it('makes up no return where the next holder says itself that it rose, or the one before had given up', () => {
    const fall = step('MASTER>BACKUP', 5_200, 'higher-priority');
    const rise = step('BACKUP>MASTER', 4_000, 'silence');
    const left = step('MASTER>FAULT', 3_000, 'interface-down');
    assert.equal(story({ 1: [first(), left], 2: [rise, fall] }).length, 2);
    assert.equal(
      story({ 1: [first()], 2: [rise, fall], 3: [step('BACKUP>MASTER', 5_900, 'preempted')] }).length,
      3,
    );
  });

  it('puts no order of its own making between groups', () => {
    const other = { ...step('BACKUP>MASTER', 200, 'silence'), group: 'db' as GroupName };
    assert.deepEqual(story({ 1: [first()], 2: [other] }), [
      '- → host1: the first to hold it',
      '- → host2: the first to hold it',
    ]);
  });
});

describe('what a coordinator remembers of a node', () => {
  it('has each transition once, in order, whatever comes again', () => {
    const all = Array.from({ length: 20 }, (_, index) => ({ ...first(), seq: 1_000 + index }));
    const news = [...all.slice(10), ...all.slice(5, 15).reverse()];
    assert.deepEqual(merged(all.slice(0, 12), news), all);
    assert.deepEqual(merged(all, []), all);
  });
  it('is bounded', () => {
    const many = Array.from({ length: 3 * historyLength }, (_, index) => ({ ...first(), seq: index }));
    const kept = merged(many.slice(0, historyLength), many.slice(historyLength));
    assert.deepEqual([kept.length, kept.at(-1)?.seq], [historyLength, 3 * historyLength - 1]);
  });
});
