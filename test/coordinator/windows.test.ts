// Maintenance windows: when they are, by any clock, and whom they drain.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { nextTimeMs, offsetMs } from '../../coordinator/core/cron-times.ts';
import type { Agents } from '../../coordinator/core/plan.ts';
import type { SwarmNode } from '../../coordinator/core/snapshot.ts';
import { leadMs, readWindow, windowLabel } from '../../coordinator/core/window.ts';
import type { RunningInstance } from '../../shared/protocol.ts';
import { connected, id, member, plan, report, running, snapshot } from './world.ts';

const at = (text: string) => Date.parse(text);
const next = (cron: string, zone: string, from: string) => {
  const ms = nextTimeMs(cron, zone, at(from));
  return ms === undefined ? undefined : new Date(ms).toISOString().replace(':00.000Z', 'Z');
};

describe('the next time of a cron expression', () => {
  it('is in the zone that is named', () => {
    assert.equal(next('0 3 * * 6', 'UTC', '2026-11-21T03:00Z'), '2026-11-21T03:00Z');
    assert.equal(next('0 3 * * 6', 'UTC', '2026-11-21T03:00:01Z'), '2026-11-28T03:00Z');
    assert.equal(next('0 3 * * 6', 'Europe/Berlin', '2026-11-20T12:00Z'), '2026-11-21T02:00Z');
    assert.equal(next('0 3 * * 6', 'America/New_York', '2026-11-20T12:00Z'), '2026-11-21T08:00Z');
    assert.equal(next('30 0 * * *', 'Pacific/Kiritimati', '2026-11-20T12:00Z'), '2026-11-21T10:30Z');
    assert.equal(next('30 0 * * *', 'Asia/Kolkata', '2026-11-20T19:00:00Z'), '2026-11-20T19:00Z');
  });

  it('follows summer time: what the clock skips is due after it, what comes twice the first time', () => {
    assert.equal(next('30 2 * * *', 'Europe/Berlin', '2026-03-28T12:00Z'), '2026-03-29T01:30Z');
    assert.equal(next('30 2 * * *', 'Europe/Berlin', '2026-03-29T02:00Z'), '2026-03-30T00:30Z');
    assert.equal(next('30 2 * * *', 'Europe/Berlin', '2026-10-24T12:00Z'), '2026-10-25T00:30Z');
    assert.equal(next('30 2 * * *', 'Europe/Berlin', '2026-10-25T00:31Z'), '2026-10-26T01:30Z');
  });

  it('knows steps, lists, seconds, leap days, and that either day is enough when both are named', () => {
    assert.equal(next('*/15 8-10,20 * * *', 'UTC', '2026-01-01T10:46Z'), '2026-01-01T20:00Z');
    assert.equal(next('0 0 29 2 *', 'UTC', '2096-03-01T00:00Z'), '2104-02-29T00:00Z');
    assert.equal(next('0 0 13 * 5', 'UTC', '2026-01-03T00:00Z'), '2026-01-09T00:00Z');
    assert.equal(next('0 0 13 * 5', 'UTC', '2026-01-10T00:00Z'), '2026-01-13T00:00Z');
    assert.equal(next('0 0 1 1 0', 'UTC', '2026-01-10T00:00Z'), '2026-01-11T00:00Z');
    assert.equal(next('30 5 4 * * *', 'UTC', '2026-01-01T04:05:31Z')?.slice(0, 10), '2026-01-02');
    assert.equal(next('0 0 * * 7', 'UTC', '2026-01-01T00:00Z'), '2026-01-04T00:00Z');
    assert.equal(next('0 0 30 2 *', 'UTC', '2026-01-01T00:00Z'), undefined);
  });

  it('is the first one, never before the time asked for: compared with looking at every minute', () => {
    const zones = ['UTC', 'Europe/Berlin', 'America/St_Johns', 'Australia/Lord_Howe', 'Asia/Kathmandu'];
    const minute = fc.integer({ min: 0, max: 59 });
    const hour = fc.integer({ min: 0, max: 23 });
    fc.assert(
      fc.property(
        ...[fc.constantFrom(...zones), minute, hour],
        fc.integer({ min: at('2026-01-01T00:00Z'), max: at('2027-12-31T00:00Z') }),
        (zone, wantedMinute, wantedHour, from) => {
          const found = nextTimeMs(`${wantedMinute} ${wantedHour} * * *`, zone, from);
          assert.ok(found !== undefined && found >= from && found - from <= 25.5 * 3_600_000);
          const local = new Date(found + offsetMs(zone, found));
          const shows = local.getUTCHours() * 60 + local.getUTCMinutes() - (wantedHour * 60 + wantedMinute);
          // Skipped by a clock change: as much later as the clock was set.
          if (shows !== 0) assert.notEqual(offsetMs(zone, found), offsetMs(zone, found - 3 * 3_600_000));
          for (let ms = Math.ceil(from / 60_000) * 60_000; ms < found; ms += 60_000) {
            const clock = new Date(ms + offsetMs(zone, ms));
            const due = clock.getUTCHours() === wantedHour && clock.getUTCMinutes() === wantedMinute;
            // The second time that a set-back clock shows it.
            if (due) assert.equal(offsetMs(zone, ms - 3 * 3_600_000) - offsetMs(zone, ms) > 0, true);
          }
        },
      ),
      { numRuns: 40 },
    );
  });
});

const saturday = at('2026-11-21T03:00Z');
const two = '0 3 * * 6;2h;patches';
const windowed = (n: number, text: string): SwarmNode =>
  member(n, String(130 - n * 10), { [windowLabel]: text });
const read = (text: string, nowMs: number) =>
  readWindow(snapshot([windowed(1, text)]), windowed(1, text), nowMs);

describe('the label swarm-vip.window', () => {
  it('is open from a little before its time to its end, then names the next', () => {
    const opens = [saturday - leadMs - 1, saturday - leadMs, saturday + 7_199_999, saturday + 7_200_000].map(
      (nowMs) => {
        const { window } = read(two, nowMs);
        return [window?.open, window && new Date(window.fromMs).toISOString().slice(0, 10)];
      },
    );
    assert.deepEqual(opens, [
      ...[
        [false, '2026-11-21'],
        [true, '2026-11-21'],
      ],
      ...[
        [true, '2026-11-21'],
        [false, '2026-11-28'],
      ],
    ]);
    const { window } = read('0 3 * * 6; 2h; tz=Europe/Berlin; new disk', saturday);
    assert.deepEqual(
      [window?.zone, window?.reason, window?.open, window?.untilMs],
      ['Europe/Berlin', 'new disk', true, saturday + 3_600_000],
    );
  });

  it('that cannot be read is a problem, and drains nobody', () => {
    const bad = ['', 'yes', '0 3 * * 6', '0 3 * * 6;', '0 3 * * 6;8d', '0 3 * * 6;10s', '0 3 * *;2h'];
    for (const text of [
      ...bad,
      '0 3 * * 6;2h;tz=Mars/Base',
      '0 0 30 2 *;2h',
      '0 3 * * 6;2h;tz=../../etc/x',
    ]) {
      const { window, problem } = read(text, saturday);
      assert.deepEqual([window, problem?.code], [undefined, 'window-invalid'], text);
    }
  });
});

/** Nodes 1 to 3 of one group as they report themselves; node 1 holds unless said otherwise. */
function reporting(nodes: SwarmNode[], more: Record<number, Partial<RunningInstance> | 'gone'> = {}): Agents {
  const { assignments } = plan(snapshot(nodes), connected({ 1: report(1), 2: report(2), 3: report(3) }));
  return new Map(
    [1, 2, 3].map((n) => {
      const state = more[n];
      const instances = (assignments.get(id(n)) ?? []).map((each) =>
        running(each, { state: n === 1 ? 'MASTER' : 'BACKUP', ...(state === 'gone' ? {} : state) }),
      );
      return [id(n), { connected: state !== 'gone', report: report(n, instances) }];
    }),
  );
}
const aside = { state: 'FAULT', pause: { reason: 'standing-aside', detail: '', sinceMs: 0 } } as const;

function drained(nodes: SwarmNode[], agents: Agents, nowMs: number) {
  const made = plan(snapshot(nodes), agents, nowMs);
  const refused = made.problems.flatMap(({ code, node }) => (code === 'window-refused' ? [node] : []));
  const who = made.groups[0]?.members.filter(({ drain }) => drain).map(({ node }) => node);
  return { ...made, who, refused };
}

describe('a window', () => {
  const nodes = [windowed(1, two), member(2, '110'), member(3, '100')];

  it('hands over like a drain and takes back by itself, whichever coordinator plans', () => {
    const agents = reporting(nodes);
    assert.deepEqual(drained(nodes, agents, saturday - leadMs - 1).who, []);
    const { who, assignments, windows } = drained(nodes, agents, saturday - leadMs);
    assert.deepEqual(who, [id(1)]);
    const [first] = assignments.get(id(1)) ?? [];
    assert.deepEqual([first?.standAside, first?.order], ['relieved', 'drained: window: patches']);
    assert.deepEqual(
      windows?.map(({ node, open, refused }) => [node, open, refused]),
      [[id(1), true, []]],
    );
    const later = reporting(nodes, { 1: aside, 2: { state: 'MASTER' } });
    assert.deepEqual(drained(nodes, later, saturday + 7_199_999).who, [id(1)]);
    assert.deepEqual(drained(nodes, later, saturday + 7_200_000).who, []);
  });

  it('wakes the coordinator when it begins and when it ends', () => {
    const agents = reporting(nodes);
    assert.equal(plan(snapshot(nodes), agents, saturday - 3_600_000).againMs, saturday - leadMs);
    assert.equal(plan(snapshot(nodes), agents, saturday).againMs, saturday + 7_200_000);
  });

  it('never takes the last that can hold: the later one is refused aloud, and carried out once another can', () => {
    const both = [windowed(1, two), windowed(2, '30 3 * * 6;2h'), member(3, '100')];
    const onlyTwo = { 3: 'gone' } as const;
    const before = drained(both, reporting(both, onlyTwo), saturday + 60_000);
    assert.deepEqual([before.who, before.refused], [[id(1)], []]);
    const overlap = reporting(both, { ...onlyTwo, 1: aside, 2: { state: 'MASTER' } });
    const during = drained(both, overlap, saturday + 1_860_000);
    assert.deepEqual([during.who, during.refused], [[id(1)], [id(2)]]);
    assert.deepEqual(during.windows?.find(({ node }) => node === id(2))?.refused, ['web']);
    const back = reporting(both, { 1: aside, 2: { state: 'MASTER' } });
    const after = drained(both, back, saturday + 1_860_000);
    assert.deepEqual([after.who?.sort(), after.refused], [[id(1), id(2)], []]);
  });

  it('of two that begin at once takes one, always the same', () => {
    const both = [windowed(1, two), windowed(2, two), member(3, '100')];
    const agents = reporting(both, { 3: 'gone' });
    const { who, refused } = drained(both, agents, saturday);
    assert.deepEqual([who, refused], [[id(1)], [id(2)]]);
    const reversed = drained([...both].reverse(), new Map([...agents].reverse()), saturday);
    assert.deepEqual([reversed.who, reversed.refused], [[id(1)], [id(2)]]);
  });

  it('goes on for who stands aside already, even when the others fail meanwhile', () => {
    const agents = reporting(nodes, { 1: aside, 2: 'gone', 3: 'gone' });
    const { who, refused } = drained(nodes, agents, saturday + 60_000);
    assert.deepEqual([who, refused], [[id(1)], []]);
  });

  it('counts nobody as another who is held back, in fault, drained, or only looks on', () => {
    for (const other of [aside, { ...aside, state: 'BACKUP' }, { state: 'FAULT' }, 'gone'] as const) {
      const { refused } = drained(nodes, reporting(nodes, { 2: other, 3: other }), saturday);
      assert.deepEqual(refused, [id(1)], JSON.stringify(other));
    }
    for (const label of ['swarm-vip.drain', 'swarm-vip.observe']) {
      const labelled = [windowed(1, two), ...[2, 3].map((n) => member(n, '100', { [label]: 'yes' }))];
      assert.deepEqual(drained(labelled, reporting(nodes), saturday).refused, [id(1)], label);
    }
  });

  it('does not keep out the only one that is about to join, nor complain of one that nobody hears', () => {
    const joining = { state: 'FAULT', pause: { reason: 'joining', detail: '', sinceMs: 0 } } as const;
    const cold = drained(nodes, reporting(nodes, { 1: joining, 2: 'gone', 3: 'gone' }), saturday);
    assert.deepEqual([cold.who, cold.refused], [[], [id(1)]]);
    const ill = { state: 'FAULT', pause: { reason: 'check', detail: '', sinceMs: 0 } } as const;
    for (const state of [ill, 'gone'] as const) {
      const { who, refused } = drained(nodes, reporting(nodes, { 1: state, 2: 'gone', 3: 'gone' }), saturday);
      assert.deepEqual([who, refused], [[id(1)], []]);
    }
  });

  it('stands still in a pause: none begins, none ends', () => {
    const iso = (ms: number) => new Date(ms).toISOString();
    const paused = (sinceMs: number) => {
      const label = `x;until=${iso(saturday + 1e8)};since=${iso(sinceMs)}`;
      return [windowed(1, two), member(2, '110', { 'swarm-vip.pause': label }), member(3, '100')];
    };
    assert.deepEqual(drained(paused(saturday - 60_000), reporting(nodes), saturday + 60_000).who, []);
    assert.deepEqual(drained(paused(saturday), reporting(nodes), saturday + 7_300_000).who, [id(1)]);
  });
});
