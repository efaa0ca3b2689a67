import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { assignPriorities, highestPriority, stepPriorities } from '../../coordinator/core/priority.ts';
import type { NodeId } from '../../shared/words.ts';
import { id } from './world.ts';

const wanted = fc.array(fc.integer({ min: 1, max: 254 }), { minLength: 1, maxLength: 16 });
const ranked = (values: number[]) => values.map((value, index) => ({ node: id(index + 1), wanted: value }));

describe('assignPriorities', () => {
  it('shifts a group up so that the highest is 250 and every difference with a meaning stays', () => {
    assert.deepEqual([...assignPriorities(ranked([110, 100, 90]), true).values()], [250, 240, 230]);
  });

  it('widens the steps between neighbours to 24, so that two backups do not take over at once', () => {
    assert.deepEqual([...assignPriorities(ranked([110, 100, 90])).values()], [250, 226, 202]);
    assert.deepEqual([...assignPriorities(ranked([200, 100, 90])).values()], [250, 150, 126]);
  });

  it('shifts a group down when its highest is above 250, so that hand-overs keep 251 to 254', () => {
    assert.deepEqual([...assignPriorities(ranked([254, 100])).values()], [250, 96]);
  });

  it('decides ties by node id', () => {
    const assigned = assignPriorities(ranked([100, 100, 100]));
    assert.deepEqual([assigned.get(id(1)), assigned.get(id(2)), assigned.get(id(3))], [250, 226, 202]);
  });

  it('always gives distinct priorities from 1 to 250 in the order that was asked for', () => {
    fc.assert(
      fc.property(wanted, fc.boolean(), (values, exact) => {
        const members = ranked(values);
        const assigned = assignPriorities(members, exact);
        const got = [...assigned.values()];
        assert.equal(new Set(got).size, values.length);
        const steps = got
          .sort((a, b) => b - a)
          .flatMap((each, i, all) => (i > 0 ? [(all[i - 1] ?? 0) - each] : []));
        // Sixteen still fit 16 apart.
        assert.ok(exact || steps.every((step) => step >= 16));
        assert.ok(Math.max(...got) === highestPriority && Math.min(...got) >= 1);
        for (const a of members) {
          for (const b of members) {
            if (a.wanted > b.wanted) assert.ok((assigned.get(a.node) ?? 0) > (assigned.get(b.node) ?? 0));
          }
        }
      }),
    );
  });

  it('gives the same result whatever the order of its input', () => {
    fc.assert(
      fc.property(wanted, fc.nat(), (values, turn) => {
        const members = ranked(values);
        const rotated = members.map(
          (_, i) => members[(i + turn) % members.length] ?? { node: id(0), wanted: 1 },
        );
        const assigned = assignPriorities(members);
        for (const [node, priority] of assignPriorities(rotated)) assert.equal(assigned.get(node), priority);
      }),
    );
  });
});

describe('stepPriorities', () => {
  /** Lets agents apply what they are told in the order given by `picks`; returns every state passed through. */
  function roll(
    from: Map<NodeId, number>,
    target: Map<NodeId, number>,
    picks: number[],
  ): Map<NodeId, number>[] {
    const states = [new Map(from)];
    let now = new Map(from);
    for (let round = 0; round < 200; round++) {
      const told = stepPriorities(target, now);
      const open = [...now.keys()].filter((node) => told.get(node) !== now.get(node));
      if (open.length === 0) return states;
      const chosen = open[(picks[round % picks.length] ?? 0) % open.length];
      if (chosen === undefined) return states;
      now = new Map(now).set(chosen, told.get(chosen) ?? 0);
      states.push(now);
    }
    return assert.fail('never reached the target');
  }

  it('inverts no pair on the way when all are shifted together', () => {
    fc.assert(
      fc.property(
        wanted,
        fc.integer({ min: -100, max: 100 }),
        fc.array(fc.nat(), { minLength: 1 }),
        (values, shift, picks) => {
          const from = assignPriorities(ranked(values));
          const target = new Map([...from].map(([node, priority]) => [node, priority + shift] as const));
          const states = roll(from, target, picks);
          assert.deepEqual(states.at(-1), target);
          for (const state of states) {
            for (const [a, before] of from) {
              for (const [b, other] of from) {
                if (before > other)
                  assert.ok((state.get(a) ?? 0) >= (state.get(b) ?? 0), 'a lower member overtook');
              }
            }
          }
        },
      ),
    );
  });

  it('reaches any target from any start', () => {
    const two = fc.tuple(wanted, wanted, fc.array(fc.nat(), { minLength: 1 }));
    fc.assert(
      fc.property(two, ([before, after, picks]) => {
        const length = Math.min(before.length, after.length);
        const target = assignPriorities(ranked(after.slice(0, length)));
        assert.deepEqual(
          roll(assignPriorities(ranked(before.slice(0, length))), target, picks).at(-1),
          target,
        );
      }),
    );
  });

  it('lets the lower member go first when the whole group sinks', () => {
    const from = new Map([
      [id(1), 250],
      [id(2), 245],
    ]);
    const target = new Map([
      [id(1), 240],
      [id(2), 235],
    ]);
    assert.deepEqual(
      stepPriorities(target, from),
      new Map([
        [id(1), 250],
        [id(2), 235],
      ]),
    );
  });
});
