import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { agreementStep, type MemberRun, type Transition } from '../../coordinator/core/agreement.ts';
import type { NodeId } from '../../shared/words.ts';
import { id } from './world.ts';

const run = (n: number, agreement: string, state: string, paused = false): MemberRun => ({
  node: id(n),
  running: { agreement, state, paused },
  target: 'new',
});
const told = (members: MemberRun[], outOfReach: NodeId[] = []) =>
  Object.fromEntries([...agreementStep(members, outOfReach).transition].map(([node, word]) => [node, word]));

describe('agreementStep (R2)', () => {
  it('has nothing to order when all agree already', () => {
    assert.deepEqual(told([run(1, 'new', 'MASTER'), run(2, 'new', 'BACKUP')]), {});
  });

  it('holds the backups first, the holder keeps what it runs', () => {
    assert.deepEqual(told([run(1, 'old', 'MASTER'), run(2, 'old', 'BACKUP'), run(3, 'new', 'FAULT', true)]), {
      [id(1)]: 'keep',
      [id(2)]: 'hold',
      [id(3)]: 'hold',
    });
  });

  it('lets the holder lead once all others are held', () => {
    assert.deepEqual(told([run(1, 'old', 'MASTER'), run(2, 'new', 'FAULT', true)]), {
      [id(1)]: 'lead',
      [id(2)]: 'hold',
    });
  });

  it('lets the others follow once the holder has changed', () => {
    assert.deepEqual(
      told([run(1, 'new', 'MASTER'), run(2, 'new', 'FAULT', true), run(3, 'old', 'BACKUP')]),
      {},
    );
  });

  it('holds everybody while no holder is known, for one may have been elected a moment ago', () => {
    const members = [run(1, 'old', 'BACKUP'), run(2, 'old', 'FAULT', true), run(3, 'old', 'FAULT')];
    assert.deepEqual(told(members), { [id(1)]: 'hold', [id(2)]: 'hold', [id(3)]: 'hold' });
    assert.deepEqual(told([run(1, 'new', 'FAULT', true), run(2, 'old', 'BACKUP')]), {
      [id(1)]: 'hold',
      [id(2)]: 'hold',
    });
  });

  it('lets everybody join anew once all are held and nobody turned out to hold', () => {
    assert.deepEqual(told([run(1, 'new', 'FAULT', true), run(2, 'new', 'FAULT', true)]), {});
  });

  it('changes nothing while a possibly active member is out of reach, and says for whom it waits', () => {
    const step = agreementStep([run(1, 'old', 'MASTER'), run(2, 'old', 'BACKUP')], [id(3)]);
    assert.deepEqual([...step.transition.values()], ['keep', 'keep']);
    assert.deepEqual(step.waitsFor, [id(3)]);
  });

  it('has whoever runs nothing just now go on with what ran there while the change waits, not before or after', () => {
    const gone: MemberRun = { ...run(3, 'old', 'FAULT'), running: undefined };
    const members = [run(1, 'old', 'MASTER'), gone];
    assert.deepEqual(told(members, [id(4)]), { [id(1)]: 'keep', [id(3)]: 'keep' });
    assert.deepEqual(told(members), { [id(1)]: 'lead' });
    assert.deepEqual(told([run(1, 'new', 'MASTER'), gone], [id(4)]), {});
  });

  it('has such a one go with those that have changed already, where nobody holds', () => {
    const gone: MemberRun = { ...run(3, 'old', 'FAULT'), running: undefined };
    const half = [run(1, 'old', 'MASTER'), run(2, 'new', 'FAULT', true), gone];
    assert.deepEqual(told(half, [id(4)]), { [id(1)]: 'keep', [id(3)]: 'keep' });
    // The holder is quiet.
    assert.deepEqual(told(half, [id(1)]), { [id(1)]: 'keep' });
    assert.deepEqual(told([run(1, 'old', 'BACKUP'), ...half.slice(1)], [id(4)]), { [id(1)]: 'keep' });
  });

  it('never has two sides active with different values, whatever the order in which members act', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        fc.array(fc.nat(), { minLength: 60, maxLength: 60 }),
        (count, picks) => {
          const world = new World(count);
          for (const pick of picks) world.act(pick);
          // Fair scheduling finishes the change.
          for (let round = 0; round < 12; round++) for (let n = 0; n < count; n++) world.act(n);
          assert.ok(
            world.members.every(({ agreement }) => agreement === 'new'),
            'the change did not finish',
          );
          assert.equal(world.masters().length, 1);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('is what keeps them apart: members that change as they like make two masters', () => {
    const world = new World(3, () => undefined);
    assert.throws(() => world.act(1), /two masters/);
  });
});

interface ModelMember {
  node: NodeId;
  agreement: string;
  paused: boolean;
  master: boolean;
}

/** VRRP in one step: among unpaused members of one agreement exactly one is MASTER. Member 0 holds at first. */
class World {
  readonly members: ModelMember[];
  readonly #order: ((node: NodeId) => Transition | undefined) | undefined;

  constructor(count: number, order?: (node: NodeId) => Transition | undefined) {
    this.members = Array.from({ length: count }, (_, n) => ({
      node: id(n + 1),
      agreement: 'old',
      paused: false,
      master: n === 0,
    }));
    this.#order = order;
  }

  masters = () => this.members.filter(({ master }) => master);

  /** One member takes what the coordinator says by the reports of this moment. */
  act(pick: number): void {
    const member = this.members[pick % this.members.length];
    if (!member) return;
    const order = this.#order ?? ((node: NodeId) => this.#step().get(node));
    const word = order(member.node);
    if (word === 'keep') return;
    const changes = member.agreement !== 'new';
    member.agreement = 'new';
    if (word === 'hold') {
      member.paused = true;
      member.master = false;
    } else if (word === 'lead') {
      member.paused = false;
    } else {
      // The ordinary pause: it ends when the holder is heard.
      if (changes && !member.master) member.paused = false;
      else if (member.paused)
        member.paused = !this.members.some((other) => other.master && other.agreement === 'new');
    }
    this.#elect();
  }

  #step(): Map<NodeId, Transition> {
    const members = this.members.map(({ node, agreement, paused, master }) => ({
      node,
      target: 'new',
      running: { agreement, paused, state: master ? 'MASTER' : paused ? 'FAULT' : 'BACKUP' },
    }));
    return agreementStep(members, []).transition;
  }

  #elect(): void {
    for (const agreement of ['old', 'new']) {
      const active = this.members.filter((member) => member.agreement === agreement && !member.paused);
      if (active.some(({ master }) => master)) continue;
      const [first] = active;
      if (first) first.master = true;
    }
    if (this.masters().length > 1) throw new Error('two masters');
  }
}
