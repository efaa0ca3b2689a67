// One change under the eyes of probes and of the kernels, for every address concerned, and the time until every agent has
// confirmed it. The verdict is the worst of all addresses.
import { plannedBound } from '../demo/planned-steps.ts';
import { observeAll } from '../demo/steps.ts';
import type { HolderReport } from '../lab/holding.ts';
import { judge, type Verdict } from '../lab/judge.ts';
import type { Lab } from '../lab/lab.ts';
import {
  addressOf,
  isConfirmed,
  type MembershipStage,
  type Places,
  ranked,
  relabel,
  rested,
} from './stage.ts';
import type { MembershipStep } from './steps.ts';

export type Direction = 'forth' | 'back';

export interface MembershipVerdict extends Verdict {
  /** From the first command until every agent runs what it should, and the right node holds; null: nobody to say so. */
  readonly confirmedMs: number | null;
  /** Who held each address, in milliseconds since the first command: "192.0.2.1: node2 -540..1200, node1 1200..1710". */
  readonly held: string;
}

/** Puts the Swarm where a step begins, with everybody ready. */
export async function arrange(stage: MembershipStage, places: Places, newest: string): Promise<void> {
  await relabel(stage, places, newest);
  await confirmed(stage, places, newest);
}

const confirmed = (stage: MembershipStage, places: Places, newest: string): Promise<number> =>
  stage.status.seen(`${JSON.stringify(places)} to be confirmed`, (word) => isConfirmed(word, places, newest));

export async function measure(
  stage: MembershipStage,
  step: MembershipStep,
  direction: Direction,
  newest: string,
): Promise<MembershipVerdict> {
  const [act, from, to] =
    direction === 'forth' ? [step.act, step.from, step.to] : [step.back, step.to, step.from];
  await rested(stage, from);
  let confirmedMs: number | null = null;
  let beganAt = 0;
  const concerned = addressesOf(stage.lab, from, to);
  const evidence = await observeAll(stage.lab, [...concerned.keys()], async () => {
    beganAt = Date.now();
    const began = performance.now();
    await act(stage);
    if (step.unconfirmed && direction === 'forth') {
      await stage.status.seen('nobody to be active', (word) => word === null);
    } else confirmedMs = (await confirmed(stage, to, newest)) - began;
  });
  const verdicts = [...evidence].map(([address, seen]) => {
    const verdict = judge(seen, plannedBound);
    const holder = ranked(concerned.get(address) ?? [], newest)[0];
    return { ...verdict, ok: verdict.ok && verdict.holderAfter === holder };
  });
  const held = [...evidence].map(([address, { holders }]) => `${address}: ${heldWords(holders, beganAt)}`);
  return { ...worstOf(verdicts), confirmedMs, held: held.join('; ') };
}

function heldWords({ byNode }: HolderReport, beganAt: number): string {
  const times = Object.entries(byNode).flatMap(([node, intervals]) =>
    intervals.map(({ fromMs, toMs }) => ({ node, from: fromMs - beganAt, to: toMs - beganAt })),
  );
  const inOrder = times.sort((a, b) => a.from - b.from);
  return inOrder.map(({ node, from, to }) => `${node} ${Math.round(from)}..${Math.round(to)}`).join(', ');
}

/** Addresses that are served before and after, with those who may hold them afterwards. */
function addressesOf(lab: Lab, from: Places, to: Places): Map<string, readonly string[]> {
  const served = (places: Places) => Object.entries(places).filter(([, nodes]) => nodes.length > 0);
  const before = new Set(served(from).map(([group]) => addressOf(lab, group)));
  const after = served(to).map(([group, nodes]) => [addressOf(lab, group), nodes] as const);
  return new Map(after.filter(([address]) => before.has(address)));
}

function worstOf(verdicts: readonly Verdict[]): Verdict {
  const [first] = verdicts;
  if (!first) throw new Error('expected an address that is served before and after');
  const most = (pick: (verdict: Verdict) => number) => Math.max(...verdicts.map(pick));
  const joined = (pick: (verdict: Verdict) => string) => verdicts.map(pick).join(' ');
  return {
    ...first,
    ok: verdicts.every(({ ok }) => ok),
    // What one address has shown to be wrong is not excused by the noise at another.
    void: verdicts.every((verdict) => verdict.ok || verdict.void) && verdicts.some((verdict) => verdict.void),
    lostProbes: most(({ lostProbes }) => lostProbes),
    outageMs: most(({ outageMs }) => outageMs),
    twoHoldersMs: most(({ twoHoldersMs }) => twoHoldersMs),
    noHolderMs: most(({ noHolderMs }) => noHolderMs),
    holderBefore: joined(({ holderBefore }) => holderBefore),
    holderAfter: joined(({ holderAfter }) => holderAfter),
    controlGapMs: most(({ controlGapMs }) => controlGapMs),
  };
}
