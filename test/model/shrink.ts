// A scenario that breaks the promise → less that still breaks it. Acts hardly depend on each other, so whole runs of them
// are left out first (delta debugging, Zeller and Hildebrandt 2002), and what is left keeps its time: tens of plays where
// fast-check's shrinking of a list needs hundreds.
import type { Act } from './acts.ts';
import { type Outcome, play, type Scenario } from './scenario.ts';

export interface Shrunk {
  readonly scenario: Scenario;
  readonly violation: string;
}

/** @param untilMs of performance.now(): what has been reached by then counts */
export async function shrink(first: Scenario, outcome: Outcome, untilMs: number): Promise<Shrunk> {
  let scenario = { ...first, acts: first.acts.slice(0, outcome.played) };
  let violation = outcome.violations[0] ?? '';

  const breaks = async (candidate: Scenario): Promise<boolean> => {
    if (performance.now() > untilMs) return false;
    const { violations, played } = await play(candidate);
    const [found] = violations;
    if (found === undefined) return false;
    scenario = { ...candidate, acts: candidate.acts.slice(0, played) };
    violation = found;
    return true;
  };

  const leaveOut = async (): Promise<boolean> => {
    let shorter = false;
    for (let length = Math.ceil(scenario.acts.length / 2); length >= 1; length = Math.floor(length / 2)) {
      // From the end: what comes late often only lengthens the story.
      for (let at = scenario.acts.length - length; at > -length; at -= length) {
        const from = Math.max(0, at);
        const kept = (await breaks({ ...scenario, acts: without(scenario.acts, from, length, true) }))
          ? true
          : await breaks({ ...scenario, acts: without(scenario.acts, from, length, false) });
        if (kept) shorter = true;
      }
    }
    return shorter;
  };

  const simplify = async (): Promise<boolean> => {
    for (let count = 3; count < scenario.count; count += 1) {
      if (await breaks({ ...scenario, count })) return true;
    }
    return (scenario.leaveOff ?? false) && breaks({ ...scenario, leaveOff: false });
  };

  while ((await leaveOut()) || (await simplify()));
  return { scenario, violation };
}

/** @param keepsTime what comes after them happens when it did before */
function without(acts: readonly Act[], at: number, length: number, keepsTime: boolean): Act[] {
  const gapMs = keepsTime ? acts.slice(at, at + length).reduce((sum, { waitMs }) => sum + waitMs, 0) : 0;
  const [next, ...later] = acts.slice(at + length);
  return [...acts.slice(0, at), ...(next ? [{ ...next, waitMs: next.waitMs + gapMs }, ...later] : [])];
}
