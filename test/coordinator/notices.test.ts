// What there is to tell, and who has been told: the machine, the label that outlives a coordinator, and both together over
// random deaths of the active one.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import pino from 'pino';
import type { Switch } from '../../coordinator/core/history.ts';
import { beginNoticing, type Notice, type Noticed, notice } from '../../coordinator/core/notices.ts';
import type { Receiver } from '../../coordinator/core/notifications.ts';
import type { Status } from '../../coordinator/core/status.ts';
import { knows, readTold, type Told, tell, toldText, welcome } from '../../coordinator/core/told.ts';
import { DeliveryError } from '../../coordinator/io/receivers.ts';
import { createNotifier } from '../../coordinator/notifier.ts';
import { id } from './world.ts';

type Group = Status['groups'][number];
const group = (verdict: Group['verdict'], more: Partial<Group> = {}): Group =>
  ({
    name: 'web',
    verdict,
    addresses: ['10.0.0.100/32'],
    holders: [],
    members: [],
    ...more,
  }) as unknown as Group;
const problem = (where: string): Status['problems'][number] => ({
  ...{ code: 'some-problem', severity: 'error', where, message: 'm', instead: 'i', remedy: 'r' },
});
const statusOf = (more: Partial<Status> = {}): Status =>
  ({ groups: [], agents: [], problems: [], ...more }) as unknown as Status;
const agent = (connected: boolean) =>
  [{ node: id(1), hostname: 'host1', connected }] as unknown as Status['agents'];
const moved = (atMs: number, reason = 'host1 fell silent'): Switch => ({
  group: 'web',
  atMs,
  from: { node: id(1), hostname: 'host1' },
  to: { node: id(2), hostname: 'host2' },
  reason,
  cause: 'silence',
});

/** Looks once a second from the tenth on; `at` says what there is then. */
function toldOver(seconds: number, at: (second: number) => [Partial<Status>, Switch[]?]): string[] {
  let noticed: Noticed = beginNoticing(0);
  const words: string[] = [];
  for (let second = 10; second <= seconds; second++) {
    const [status, switches = []] = at(second);
    const step = notice(noticed, statusOf(status), switches, second * 1000);
    noticed = step.noticed;
    for (const { kind, phase, severity } of step.notices)
      words.push(`${second} ${kind} ${phase} ${severity}`);
  }
  return words;
}

describe('what there is to tell', () => {
  it('is a condition that lasts, when it begins and when it has ended', () => {
    const within = (from: number, to: number, now: number, status: Partial<Status>) =>
      now >= from && now < to ? status : {};
    const lasts = (status: Partial<Status>) => toldOver(60, (now) => [within(20, 40, now, status)]);
    assert.deepEqual(lasts({ groups: [group('NO HOLDER')] }), [
      '23 no-holder began critical',
      '43 no-holder ended critical',
    ]);
    assert.deepEqual(lasts({ groups: [group('TWO HOLDERS')] }), [
      '22 two-holders began critical',
      '43 two-holders ended critical',
    ]);
    assert.deepEqual(lasts({ problems: [problem('x')] }), [
      '23 problem began error',
      '43 problem ended error',
    ]);
    assert.deepEqual(lasts({ agents: agent(false) }), [
      '35 agent-gone began warning',
      '43 agent-gone ended warning',
    ]);
    const drain = { reason: 'disk', until: null, force: false };
    const members = [{ node: id(1), hostname: 'host1', drain }] as unknown as Group['members'];
    assert.deepEqual(lasts({ groups: [group('OK', { members })] }), [
      '20 drained began info',
      '43 drained ended info',
    ]);
  });

  it('names the address, who is kept from it by what, and what to do: nobody woken by it has to look up a group', () => {
    const members = [{ hostname: 'host1', note: 'check web fails: refused' }] as unknown as Group['members'];
    const holders = [{ hostname: 'host1' }, { hostname: 'host2' }] as unknown as Group['holders'];
    const said = (broken: Group) => {
      const { noticed } = notice(beginNoticing(0), statusOf({ groups: [broken] }), [], 10_000);
      const [told] = notice(noticed, statusOf({ groups: [broken] }), [], 20_000).notices;
      return [told?.summary, told?.remedy];
    };
    assert.deepEqual(said(group('NO HOLDER', { members })), [
      'nobody holds web (10.0.0.100); host1: check web fails: refused',
      'mend what keeps one of the members from holding; swarm-vip status shows them all',
    ]);
    assert.deepEqual(said(group('TWO HOLDERS', { holders })), [
      'two holders of web (10.0.0.100): host1 and host2 hold at once',
      'let IP protocol 112 (VRRP) pass between the members',
    ]);
  });

  it('is nothing that passes, nor what a coordinator sees before the agents had time to be heard', () => {
    const none = { groups: [group('NO HOLDER')], agents: agent(false), problems: [problem('x')] };
    assert.deepEqual(
      toldOver(60, (now) => [now % 3 === 0 ? {} : none]),
      [],
    );
    let noticed = beginNoticing(0);
    for (let second = 0; second < 10; second++) {
      const step = notice(noticed, statusOf(none), [], second * 1000);
      noticed = step.noticed;
      assert.deepEqual(step.notices, []);
    }
  });

  it('is a take-over with its reason, once, when the former holder had time to say why', () => {
    let noticed = beginNoticing(0);
    const told: Notice[] = [];
    for (let second = 0; second <= 10; second++) {
      const switches = second < 3 ? [] : [moved(3_000, second === 3 ? '?' : 'host1 drained: disk')];
      const step = notice(noticed, statusOf(), switches, second * 1000);
      noticed = step.noticed;
      told.push(...step.notices);
    }
    assert.deepEqual(
      told.map(({ summary, atMs, node }) => [summary, atMs, node]),
      [['web is held by host2, after host1: host1 drained: disk', 3_000, 'host2']],
    );
  });
});

describe('who has been told', () => {
  const about = (key: string, phase: Notice['phase'], atMs: number) => ({ key, phase, atMs }) as Notice;

  it('is read back from the label as it was written, whatever else stands there', () => {
    let told: Told = welcome(new Map(), 'pager', 1_000);
    told = tell(told, 'pager', about('problem x', 'began', 5_000));
    told = tell(told, 'mail', about('holder web 1', 'happened', 6_000));
    const again = readTold([`rubbish,${toldText(told)},-h1,zzzzzzzzzzzz-b1`, '']);
    assert.deepEqual(new Map(again), new Map(told));
    assert.match(toldText(told), /^[0-9a-z,-]+$/);
    assert.ok(knows(again, 'pager', about('problem x', 'began', 5_500)));
    assert.ok(!knows(again, 'pager', about('problem x', 'ended', 9_000)));
    assert.ok(!knows(again, 'mail', about('problem x', 'began', 5_500)));
    assert.ok(knows(again, 'pager', about('holder web 0', 'happened', 999)), 'it was not there yet');
  });

  it('stays short, and what is forgotten is not told again', () => {
    let told: Told = welcome(new Map(), 'pager', 0);
    const all = Array.from({ length: 1_000 }, (_, n) => about(`holder web ${n}`, 'happened', 1_000 + n));
    for (const each of all) told = tell(told, 'pager', each);
    assert.ok(toldText(told).length < 2_000, `${toldText(told).length} characters`);
    for (const each of all) assert.ok(knows(told, 'pager', each), each.key);
    assert.ok(!knows(told, 'pager', about('holder web new', 'happened', 9_000)));
  });
});

describe('over deaths of the active coordinator', () => {
  const act = fc.oneof(
    { weight: 3, arbitrary: fc.constant({ kind: 'switch' as const }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('problem' as const), which: fc.nat(2) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('crash' as const), who: fc.nat(1) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('lead' as const), who: fc.nat(2) }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'receiver' as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'quorum' as const }) },
  );
  const scenario = fc.array(fc.record({ act, waitS: fc.integer({ min: 1, max: 40 }) }), { maxLength: 25 });
  const receiver: Receiver = {
    ...{ name: 'pager', groups: undefined, events: undefined },
    ...{ way: 'webhook', target: { url: 'http://unused' }, signingSecret: undefined },
  };

  async function play(
    acts: readonly { act: { kind: string; who?: number; which?: number }; waitS: number }[],
  ) {
    let nowMs = 1_000_000;
    let leader = 0;
    let up = true;
    let quorum = true;
    let troubled = false;
    const switches: Switch[] = [];
    const problems = new Set<string>();
    const labels = new Map<number, string>();
    const heard: Notice[] = [];
    const make = (self: number) =>
      createNotifier({
        status: () => statusOf({ problems: [...problems].map(problem) }),
        history: () => ({ switches }),
        receivers: () => [receiver],
        isActive: () => leader === self,
        told: () => [...labels.values()],
        async save(text) {
          if (!quorum) throw new Error('no quorum');
          labels.set(self, text);
        },
        delivery: {
          most: () => 1,
          async deliver(_, notices) {
            if (!up) throw new DeliveryError('it answers HTTP 503');
            heard.push(...notices);
          },
        },
        log: pino({ level: 'silent' }),
        now: () => nowMs,
        random: () => 0.5,
      });
    const coordinators = [make(0), make(1), make(2)];
    const pass = async (seconds: number) => {
      for (let second = 0; second < seconds; second++) {
        nowMs += 1_000;
        await Promise.all(coordinators.map((each) => each.look()));
      }
    };
    await pass(15);
    for (const { act: one, waitS } of acts) {
      if (one.kind === 'switch') switches.push(moved(nowMs));
      // The third one lives on, so that somebody remembers what has ended meanwhile.
      // Without a quorum nobody becomes active.
      if (one.kind === 'crash' && quorum) coordinators[one.who ?? 0] = make(one.who ?? 0);
      if (one.kind === 'gap') coordinators.length = 0;
      if (one.kind === 'back') coordinators.push(make(0), make(1), make(2));
      if (one.kind === 'lead') leader = one.who ?? 0;
      if (one.kind === 'receiver') up = !up;
      if (one.kind === 'quorum') quorum = !quorum;
      troubled ||= ['crash', 'lead', 'quorum'].includes(one.kind);
      if (one.kind === 'problem') {
        const name = `p${one.which}`;
        if (!problems.delete(name)) problems.add(name);
      }
      await pass(waitS);
    }
    [up, quorum] = [true, true];
    await pass(100);
    return { heard, switches, problems, troubled };
  }

  it('every take-over is told, the last word on every problem is right, and without a death nothing is told twice', async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async (acts) => {
        const { heard, switches, problems, troubled } = await play(acts);
        for (const { atMs } of switches)
          assert.ok(
            heard.some((each) => each.kind === 'holder' && each.atMs === atMs),
            `switch at ${atMs}`,
          );
        for (const name of ['p0', 'p1', 'p2']) {
          const last = heard.findLast(({ key }) => key.includes(name))?.phase ?? 'ended';
          assert.equal(last, problems.has(name) ? 'began' : 'ended', name);
        }
        const said = heard.map(({ key, phase, atMs }) => `${key} ${phase} ${atMs}`);
        if (!troubled) assert.equal(new Set(said).size, said.length, said.join('\n'));
      }),
      { numRuns: 60, seed: 6 },
    );
  });

  it('what happens while no coordinator runs is told by the first that does, and nothing before it again', async () => {
    const { heard, switches } = await play([
      { act: { kind: 'switch' }, waitS: 20 },
      { act: { kind: 'gap' }, waitS: 1 },
      { act: { kind: 'switch' }, waitS: 600 },
      { act: { kind: 'back' }, waitS: 20 },
    ]);
    assert.deepEqual(
      heard.map(({ atMs }) => atMs),
      switches.map(({ atMs }) => atMs),
    );
  });

  const toggle = (which: number, waitS: number) => ({ act: { kind: 'problem', which }, waitS });
  const told = (heard: readonly Notice[]) =>
    heard.map(({ key, phase }) => `${/p\d/.exec(key)?.[0] ?? 'switch'} ${phase}`);
  const downForMinutes = [
    toggle(0, 10),
    { act: { kind: 'receiver' }, waitS: 1 },
    ...[toggle(0, 10), toggle(1, 10), toggle(2, 20), toggle(2, 300), toggle(3, 20), toggle(3, 10)],
  ];

  it('a receiver that was out of reach hears from the next one what still is, the end of what it knows, and the newest', async () => {
    const { heard } = await play([
      ...downForMinutes,
      { act: { kind: 'crash', who: 0 }, waitS: 1 },
      { act: { kind: 'lead', who: 1 }, waitS: 1 },
    ]);
    assert.deepEqual(told(heard), ['p0 began', 'p0 ended', 'p1 began', 'p3 began', 'p3 ended']);
  });

  it('nothing that waits is lost when the same one is active again', async () => {
    const { heard } = await play([
      ...downForMinutes,
      { act: { kind: 'lead', who: 1 }, waitS: 1 },
      { act: { kind: 'lead', who: 0 }, waitS: 1 },
    ]);
    const all = ['p0 began', 'p0 ended', 'p1 began', 'p2 began', 'p2 ended', 'p3 began', 'p3 ended'];
    assert.deepEqual(told(heard), all);
  });

  it('a change of the active one alone tells nothing twice', async () => {
    const lead = (who: number) => ({ act: { kind: 'lead', who }, waitS: 5 });
    const { heard } = await play([
      { act: { kind: 'problem', which: 0 }, waitS: 20 },
      { act: { kind: 'switch' }, waitS: 10 },
      ...[1, 2, 0, 1].map(lead),
      { act: { kind: 'problem', which: 0 }, waitS: 20 },
      ...[2, 0].map(lead),
    ]);
    assert.deepEqual(
      heard.map(({ kind, phase }) => `${kind} ${phase}`),
      ['problem began', 'holder happened', 'problem ended'],
    );
  });
});
