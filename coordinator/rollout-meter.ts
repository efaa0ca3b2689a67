// Counts what the coordinator's loop does: steps of rollouts as they are sent, and how long a change by an operator takes
// until every agent runs it. Read by the metrics.
import type { AssignedInstance } from '../shared/protocol.ts';

/** `withdraw`: the node is to run nothing of the group any more. */
export type StepKind = 'assign' | 'stand-aside' | 'keep' | 'hold' | 'lead' | 'observe' | 'withdraw';

export interface RolloutMeter {
  /** An assignment goes out in the place of the last one that this coordinator sent to the node. */
  sent(before: readonly AssignedInstance[], after: readonly AssignedInstance[]): void;
  /** An operator has changed something, at this time. */
  changed(atMs: number): void;
  /** Something was changed and is not settled yet. */
  awaits(): boolean;
  /** Every agent in reach runs what it should, and nothing waits. */
  settled(nowMs: number): void;
  /** Somebody else is active: what this one had begun is not its own any more. */
  reset(): void;
  /** By group, then by kind. */
  steps(): ReadonlyMap<string, ReadonlyMap<StepKind, number>>;
}

export function createRolloutMeter(observe: (seconds: number) => void): RolloutMeter {
  const steps = new Map<string, Map<StepKind, number>>();
  let pending: { sinceMs: number; sent: boolean } | undefined;

  const count = (group: string, kind: StepKind) => {
    const kinds = steps.get(group) ?? new Map<StepKind, number>();
    steps.set(group, kinds.set(kind, (kinds.get(kind) ?? 0) + 1));
  };

  return {
    sent(before, after) {
      const known = new Map(before.map((instance) => [instance.group, JSON.stringify(instance)]));
      for (const instance of after) {
        if (known.get(instance.group) !== JSON.stringify(instance)) count(instance.group, kindOf(instance));
        known.delete(instance.group);
      }
      for (const group of known.keys()) count(group, 'withdraw');
      if (pending) pending.sent = true;
    },
    changed(atMs) {
      // Changes that overlap count as one, from the first of them.
      pending ??= { sinceMs: atMs, sent: false };
    },
    awaits: () => pending !== undefined,
    settled(nowMs) {
      // What concerns no assignment (a label of somebody else) took no time worth telling.
      if (pending?.sent) observe((nowMs - pending.sinceMs) / 1000);
      pending = undefined;
    },
    reset() {
      pending = undefined;
    },
    steps: () => steps,
  };
}

function kindOf({ observe, standAside, transition }: AssignedInstance): StepKind {
  if (observe) return 'observe';
  return transition ?? (standAside === undefined ? 'assign' : 'stand-aside');
}
