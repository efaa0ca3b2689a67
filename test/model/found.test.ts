// Scenarios that once broke the promise in the model, shrunk. Each fails without the guard that was built for it.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { play, type Scenario } from './scenario.ts';

const holds = async (scenario: Scenario) => {
  const { violations, story } = await play(scenario);
  assert.deepEqual(violations, [], story.join('\n'));
};

describe('what the search has found', () => {
  it('a new member does not take part while a member cut off from the managers alone does not know of it', () =>
    holds({
      seed: 1,
      count: 4,
      leaveOff: true,
      acts: [
        { kind: 'leave', a: 3, b: 0, waitMs: 1000 },
        { kind: 'cutOff', a: 1, b: 0, waitMs: 3000 },
        { kind: 'join', a: 3, b: 0, waitMs: 12000 },
        { kind: 'powerOff', a: 2, b: 0, waitMs: 5000 },
        { kind: 'healControl', a: 0, b: 0, waitMs: 5000 },
      ],
    }));

  it('a new member takes the place of a dead one that was alone and did not know it', () =>
    holds({
      seed: 0,
      count: 4,
      leaveOff: true,
      acts: [
        { kind: 'powerOff', a: 3, b: 0, waitMs: 0 },
        { kind: 'move', a: 0, b: 0, waitMs: 0 },
      ],
    }));

  it('a coordinator that was replaced for a moment, and has not seen it, is listened to again', () =>
    holds({
      seed: 1,
      count: 4,
      acts: [
        { kind: 'losesQuorum', a: 0, b: 0, waitMs: 1000 },
        { kind: 'gainsQuorum', a: 0, b: 0, waitMs: 9000 },
        { kind: 'moveLeader', a: 0, b: 0, waitMs: 0 },
        { kind: 'leave', a: 2, b: 0, waitMs: 6000 },
      ],
    }));

  it('a holder that stays alone changes its router id only when the member that leaves has stopped', () =>
    holds({
      seed: 1,
      count: 4,
      acts: [
        { kind: 'join', a: 0, b: 1, waitMs: 1000 },
        { kind: 'priority', a: 0, b: 2, waitMs: 3000 },
        { kind: 'leave', a: 3, b: 1, waitMs: 5000 },
        { kind: 'routerId', a: 1, b: 1, waitMs: 0 },
      ],
    }));

  it('a new member waits for every member to list it, also for one that is just being cut off from the managers', () =>
    holds({
      seed: 0,
      count: 4,
      acts: [
        { kind: 'move', a: 0, b: 0, waitMs: 0 },
        { kind: 'cutOff', a: 11, b: 0, waitMs: 1000 },
        { kind: 'move', a: 5, b: 0, waitMs: 0 },
        { kind: 'switchover', a: 10, b: 1, waitMs: 8000 },
      ],
    }));

  it('whoever stood aside for a holder it did not know takes part once its keepalived heeds that holder', () =>
    holds({
      seed: 1,
      count: 4,
      acts: [
        { kind: 'cutOff', a: 11, b: 0, waitMs: 1000 },
        { kind: 'move', a: 10, b: 0, waitMs: 4000 },
        { kind: 'cutLan', a: 2, b: 11, waitMs: 2000 },
        { kind: 'healLan', a: 9, b: 0, waitMs: 7700 },
        { kind: 'healControl', a: 9, b: 0, waitMs: 30 },
      ],
    }));
});
