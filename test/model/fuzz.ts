// Searches for scenarios that break the promise: random acts, and what is found is shrunk to what is needed.
import fc from 'fast-check';
import { actKinds } from './acts.ts';
import { foundScenarios } from './found.ts';
import { opening } from './openings.ts';
import { type Outcome, play, type Scenario } from './scenario.ts';
import { type Shrunk, shrink } from './shrink.ts';

const waits = [0, 5, 30, 100, 300, 600, 1000, 1500, 2500, 8000];

const act = fc.record({
  kind: fc.constantFrom(...actKinds),
  a: fc.nat(11),
  b: fc.nat(11),
  waitMs: fc.constantFrom(...waits),
});

/** About one in two begins with an opening, before its own acts. */
export const scenarios = (mostActs: number): fc.Arbitrary<Scenario> =>
  fc
    .record({
      seed: fc.nat(1_000_000),
      count: fc.integer({ min: 3, max: 5 }),
      begin: fc.option(opening, { freq: 2, nil: [] }),
      acts: fc.array(act, { minLength: Math.min(8, mostActs), maxLength: mostActs, size: 'max' }),
      leaveOff: fc.boolean(),
    })
    .map(({ begin, acts, ...scenario }) => ({ ...scenario, acts: [...begin, ...acts] }));

export interface Search {
  readonly seed: number;
  readonly runs: number;
  readonly mostActs: number;
  /** Begins with what was found before. */
  readonly known?: boolean;
  /** After this, what has been shrunk so far counts. */
  readonly limitMs: number;
}

export interface Found {
  readonly runs: number;
  readonly steps: number;
  readonly acts: number;
  readonly virtualMs: number;
  /** Undefined: nothing was found. */
  readonly counterexample: Shrunk | undefined;
}

export async function search({ seed, runs, mostActs, known, limitMs }: Search): Promise<Found> {
  const sum = { steps: 0, acts: 0, virtualMs: 0, runs: 0 };
  const untilMs = performance.now() + limitMs;
  let found: { scenario: Scenario; outcome: Outcome } | undefined;
  const property = fc.asyncProperty(scenarios(mostActs), async (scenario) => {
    // Past the limit nothing more is tried.
    if (performance.now() > untilMs) return true;
    const outcome = await play(scenario);
    sum.runs += 1;
    sum.steps += outcome.steps;
    sum.acts += outcome.played;
    sum.virtualMs += outcome.virtualMs;
    if (outcome.violations.length > 0) found = { scenario, outcome };
    return outcome.violations.length === 0;
  });
  const examples = known ? foundScenarios.map(({ scenario }): [Scenario] => [scenario]) : [];
  await fc.check(property, { seed, numRuns: runs, endOnFailure: true, examples });
  return { ...sum, counterexample: found && (await shrink(found.scenario, found.outcome, untilMs)) };
}

/** For people: how to play it again, and what it does. */
export async function describeFound({
  scenario,
  violation,
}: NonNullable<Found['counterexample']>): Promise<string> {
  const { story } = await play(scenario);
  return [violation, `scenario: ${JSON.stringify(scenario)}`, 'story:', ...story].join('\n  ');
}
