// Negative controls: one thing that keeps the promise is taken away, and a row of the table must turn red, for the reason
// that is expected. A row that stayed green would prove nothing.
import { setTimeout as delay } from 'node:timers/promises';
import { define } from '../demo/live-steps.ts';
import { plannedSteps, undone } from '../demo/planned-steps.ts';
import { type Stage, settled } from '../demo/stage.ts';
import { observe, type StepResult } from '../demo/steps.ts';
import { judge, type Verdict } from '../lab/judge.ts';
import { restored } from './acts.ts';
import { quick, type Row } from './row.ts';
import { rows } from './rows.ts';
import { deployVariant, replaced, type Variant } from './variant.ts';

export interface Control {
  readonly name: string;
  readonly title: string;
  readonly row: Row;
  readonly variant: Variant;
  /** How long the row may take: with what it needs taken away it does not end by itself. */
  readonly limitMs: number;
  /** The row is red for this reason. */
  readonly expected: (verdict: Verdict, row: Row) => boolean;
}

function rowNamed(name: string): Row {
  const planned = plannedSteps.map((step): Row => ({ ...step, mend: undone }));
  const found = [...rows, ...planned].find((row) => row.name === name);
  if (!found) throw new Error(`no row is named ${name}`);
  return found;
}

/** With an interval of a second: what is missed without a hand-over, the successor's skew, is then more than any noise. */
function slowly(row: Row): Row {
  return {
    ...row,
    prepare: async (stage) => {
      await define(stage, () => ({ interval: '1s' }));
      await row.prepare(stage);
    },
    mend: async (stage) => {
      await (row.mend ?? restored)(stage);
      await define(stage);
    },
  };
}

const twoHold = (verdict: Verdict, { bound }: Row): boolean =>
  verdict.twoHoldersMs > (bound.twoHoldersMs ?? 0) + verdict.controlGapMs;
const unanswered = (verdict: Verdict, { bound }: Row): boolean =>
  verdict.outageMs > bound.outageMs + verdict.controlGapMs ||
  verdict.lostProbes > (bound.lostProbes ?? Number.POSITIVE_INFINITY);

const agent = '/opt/swarm-vip/agent.js';
const init = '/opt/swarm-vip/init.sh';

export const controls: readonly Control[] = [
  {
    name: 'without-leases',
    title: 'leases off: two hold for longer than a lease when container and engine are dead',
    row: rowNamed('container-and-engine'),
    variant: { env: { LEASE: 'off' }, envBefore: { LEASE: '4s' } },
    limitMs: 12_000,
    expected: twoHold,
  },
  {
    name: 'without-restart',
    title: 'PID 1 ends with the Node process: clients notice when that is killed',
    row: rowNamed('node-killed'),
    variant: {
      files: {
        [init]: replaced(
          '  say error "the agent ended with code $code: starts it again',
          '  exit "$code"\n  say error "the agent ended with code $code: starts it again',
        ),
      },
    },
    limitMs: 20_000,
    expected: (verdict, row) => unanswered(verdict, row) || twoHold(verdict, row),
  },
  {
    name: 'without-sweep',
    title: 'sweep off: an address that somebody adds to a backup stays',
    row: rowNamed('address-added'),
    variant: {
      files: {
        [agent]: replaced(
          'async function removeAddresses(addresses) {\n',
          'async function removeAddresses(addresses) {\n  return;\n',
        ),
      },
    },
    limitMs: 6_000,
    expected: twoHold,
  },
  {
    name: 'without-hand-over',
    title: 'hand-over off: clients notice when Swarm drains the holder’s node',
    row: slowly(rowNamed('availability-drain')),
    variant: { env: { TEST_NO_HAND_OVER: '1' } },
    limitMs: 20_000,
    expected: unanswered,
  },
  {
    name: 'without-pause',
    title:
      'start-up pause off: two hold when a node returns with an old assignment, and no coordinator lives',
    row: rowNamed('old-assignment-alone'),
    variant: {
      files: {
        [agent]: replaced(
          'function beginPart(terms, nowMs) {\n  const part = {\n    phase: "joining",',
          'function beginPart(terms, nowMs) {\n  const part = {\n    phase: "active",',
        ),
      },
    },
    limitMs: 60_000,
    expected: twoHold,
  },
];

/** `ok` means that the row is red for the reason that is expected. */
export async function playControl(control: Control, stage: Stage): Promise<StepResult> {
  const { row, variant, limitMs, expected } = control;
  const undo = await deployVariant(stage, variant);
  try {
    await row.prepare(stage);
    const evidence = await observe(stage.lab, () => endedBy(limitMs, stage, row));
    const verdict = judge(evidence, row.bound);
    // A noisy machine is no excuse here: what is expected is more than the noise of the same run.
    const ok = !verdict.ok && expected(verdict, row);
    return { ...verdict, ok, voids: 0, name: control.name, title: control.title };
  } finally {
    await (row.mend ?? restored)(stage);
    await undo();
  }
}

/** Plays the row until its time is up; what it waits for then does not matter. */
async function endedBy(limitMs: number, stage: Stage, row: Row): Promise<void> {
  const limit = AbortSignal.timeout(limitMs);
  const signal = AbortSignal.any([stage.signal, limit]);
  try {
    const limited = { ...stage, signal };
    await row.act(limited, { ...quick, kills: 1 });
    await settled(limited, row.holder);
  } catch (error) {
    stage.signal.throwIfAborted();
    if (!limit.aborted) throw error;
  }
  await delay(500);
}
