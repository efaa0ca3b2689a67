// `npm run bench -- membership`: every change of memberships (test/membership/), forth and back, so often.
import type { Direction, MembershipVerdict } from '../membership/measure.ts';
import { createMembershipLab, playStep, setUp } from '../membership/play.ts';
import { membershipSteps } from '../membership/steps.ts';
import { header, quantile, row } from './table.ts';

export interface MembershipOptions {
  readonly nodes: number;
  readonly runs: number;
  readonly only?: readonly string[];
}

const confirmed = ['confirmed s: median', 'worst'];
export const membershipHeader = [header, ...confirmed].join('   ');

export async function measureMembership(
  { nodes, runs, only }: MembershipOptions,
  signal: AbortSignal,
  print: (line: string) => void,
): Promise<void> {
  const say = (line: string) => void process.stderr.write(`  ${line}\n`);
  const lab = createMembershipLab(`bench-${process.pid % 10_000}`, nodes, say);
  let stop: () => void = () => undefined;
  try {
    const stage = await setUp(lab, signal);
    stop = stage.status.stop;
    for (const step of membershipSteps(nodes)) {
      if (only && !only.includes(step.name)) continue;
      const verdicts: Record<Direction, MembershipVerdict[]> = { forth: [], back: [] };
      let voids = 0;
      for (let run = 1; run <= runs; run++) {
        for (const { direction, verdict, voids: thrown } of await playStep(stage, nodes, step)) {
          signal.throwIfAborted();
          voids += thrown;
          // Thrice on too noisy a machine: it says nothing.
          if (verdict.void) voids += 1;
          else verdicts[direction].push(verdict);
          if (!verdict.void && !verdict.ok)
            say(`missed: ${step.name}, ${direction}: ${JSON.stringify(verdict)}`);
        }
        say(`${step.name}: ${run} of ${runs}, ${voids} void`);
      }
      for (const direction of ['forth', 'back'] as const) {
        print(figures(`${step.name}, ${direction}`, verdicts[direction], voids));
      }
    }
  } finally {
    stop();
    await lab.down();
  }
}

/** @param voids of both directions together */
function figures(name: string, verdicts: readonly MembershipVerdict[], voids: number): string {
  const missed = verdicts.filter(({ ok }) => !ok).length;
  const seconds = verdicts
    .flatMap(({ confirmedMs }) => (confirmedMs === null ? [] : [confirmedMs / 1000]))
    .sort((a, b) => a - b);
  const cells = [quantile(seconds, 0.5), seconds.at(-1)].map((value, index) =>
    (value?.toFixed(2) ?? '–').padStart((confirmed[index] ?? '').length),
  );
  return [row(name, { verdicts, voids }, missed), ...cells].join('   ');
}
