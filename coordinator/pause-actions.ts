// `swarm-vip pause` and `resume` as the local socket takes them: the label on every manager, and what is refused while
// it counts.
import * as v from 'valibot';
import type { Answer } from '../shared/io/http.ts';
import { json } from '../shared/io/http.ts';
import type { Log } from '../shared/io/log.ts';
import { nodesWithPause, pauseLabel, pauseText, readPause } from './core/paused.ts';
import type { Snapshot } from './core/snapshot.ts';
import type { NodeRef, Status } from './core/status.ts';
import type { Swarm } from './io/swarm.ts';

/** A pause that is forgotten must end before the next one who wonders has given up. */
const longestPauseMs = 7 * 86_400_000;

export const PauseRequest = v.object({
  forMs: v.pipe(
    v.number(),
    v.integer(),
    v.minValue(1_000, 'expected at least 1s'),
    v.maxValue(longestPauseMs, 'expected at most 7d: a pause must not be forgotten'),
  ),
  reason: v.optional(v.pipe(v.string(), v.maxLength(200)), ''),
  dryRun: v.optional(v.boolean(), false),
});
export const ResumeRequest = v.object({ dryRun: v.optional(v.boolean(), false) });

export interface PauseAnswer {
  /** What counts now, or would; null: no pause. */
  pause: { reason: string; since: string; until: string } | null;
  /** Whether the plan was paused before. */
  before: boolean;
  /** Nodes whose label is written or taken away. */
  nodes: NodeRef[];
  written: boolean;
}

export interface PauseDeps {
  swarm: Pick<Swarm, 'setLabel'>;
  log: Log;
  now(): number;
  look(): Promise<{ snapshot: Snapshot; status: Status } | undefined>;
  write(answer: object, labels: () => Promise<void>): Promise<Answer>;
  unreadable: Answer;
}

const named = ({ id, hostname }: Snapshot['nodes'][number]): NodeRef => ({ node: id, hostname });

export async function pause(
  { forMs, reason, dryRun }: v.InferOutput<typeof PauseRequest>,
  { swarm, log, now, look, write, unreadable }: PauseDeps,
): Promise<Answer> {
  const seen = await look();
  if (!seen) return unreadable;
  const nowMs = now();
  const { pause: before } = readPause(seen.snapshot, nowMs);
  const managers = seen.snapshot.nodes.filter(({ role }) => role === 'manager');
  // Time stands still since the first one, however often it is prolonged.
  const wanted = { reason, sinceMs: before?.sinceMs ?? nowMs, untilMs: nowMs + forMs };
  const text = pauseText(wanted);
  // What a former pause left on a node that is no manager any more must not outlast this one.
  const others = nodesWithPause(seen.snapshot).filter(({ role }) => role !== 'manager');
  const { pause: after } = readPause(
    { ...seen.snapshot, nodes: managers.map((each) => ({ ...each, labels: { [pauseLabel]: text } })) },
    nowMs,
  );
  const answer: PauseAnswer = {
    pause: after ? times(after) : null,
    before: before !== undefined,
    nodes: managers.map(named),
    written: false,
  };
  if (dryRun) return json(200, answer);
  return write(answer, async () => {
    for (const { id } of managers) await swarm.setLabel(id, pauseLabel, text);
    for (const { id } of others) await swarm.setLabel(id, pauseLabel, undefined);
    log.warn({ event: 'pause-requested', ...answer.pause }, 'the plan is to stand still');
  });
}

export async function resume(
  { dryRun }: v.InferOutput<typeof ResumeRequest>,
  { swarm, log, now, look, write, unreadable }: PauseDeps,
): Promise<Answer> {
  const seen = await look();
  if (!seen) return unreadable;
  const labelled = nodesWithPause(seen.snapshot);
  const before = readPause(seen.snapshot, now()).pause !== undefined;
  const answer: PauseAnswer = { pause: null, before, nodes: labelled.map(named), written: false };
  if (dryRun || labelled.length === 0) return json(200, answer);
  return write(answer, async () => {
    for (const { id } of labelled) await swarm.setLabel(id, pauseLabel, undefined);
    log.warn({ event: 'resume-requested' }, 'the plan goes on');
  });
}

const times = ({ reason, sinceMs, untilMs }: { reason: string; sinceMs: number; untilMs: number }) => ({
  reason,
  since: new Date(sinceMs).toISOString(),
  until: new Date(untilMs).toISOString(),
});

/**
 * The answer to whatever would change the plan while it stands still: nothing is to pile up and then move all at once
 * when the pause ends. A dry run is harmless.
 */
export function refusedByPause({ pause: inForce }: Status, dryRun: boolean): Answer | undefined {
  if (!inForce || dryRun) return undefined;
  const why = inForce.reason === '' ? '' : ` (${inForce.reason})`;
  const remedy =
    'swarm-vip resume first; a node that must go down now hands over by itself when its agent is stopped';
  return json(409, { error: `the plan is paused until ${inForce.until}${why}: ${remedy}` });
}
