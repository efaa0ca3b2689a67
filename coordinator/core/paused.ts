// Label swarm-vip.pause → the operator's wish that no assignment changes, for maintenance of Swarm itself. Written on
// every manager, so that it outlives any of them; one in force on any node is enough. It always has an end.
//   swarm-vip.pause=REASON;until=RFC3339[;since=RFC3339]
import type { Problem } from '../../shared/problem.ts';
import { readReason, readTimeMs, splitIntent, writeReason } from './intent-text.ts';
import { readable } from './readable.ts';
import { nodeName, type Snapshot, type SwarmNode } from './snapshot.ts';

export const pauseLabel = 'swarm-vip.pause';

export interface Paused {
  /** For people; may be empty. */
  reason: string;
  /** Unix ms. Intents that time alone changes stand as they stood then. */
  sinceMs: number;
  /** Unix ms after which the label counts no more. */
  untilMs: number;
}

/** @returns the pause in force, if any (of several the one that ends last), and what is wrong with labels */
export function readPause(snapshot: Snapshot, nowMs: number): { pause?: Paused; problems: Problem[] } {
  const labelled = snapshot.nodes.filter(({ labels }) => labels[pauseLabel] !== undefined);
  const read = labelled.map((node) => ({ node, pause: parse(node.labels[pauseLabel] ?? '', nowMs) }));
  const problems = read.flatMap(({ node, pause }) => (pause ? [] : [invalid(snapshot, node)]));
  const inForce = read.filter(({ pause }) => pause !== undefined && pause.untilMs > nowMs);
  const [last] = inForce
    .flatMap(({ pause }) => pause ?? [])
    .sort((a, b) => b.untilMs - a.untilMs || a.sinceMs - b.sinceMs || a.reason.localeCompare(b.reason));
  if (!last) return { problems };
  const sinceMs = Math.min(...inForce.map(({ pause }) => pause?.sinceMs ?? nowMs));
  const pause = { ...last, sinceMs };
  const where = inForce.map(({ node }) => nodeName(snapshot, node.id)).join(', ');
  return { pause, problems: [...problems, inForceProblem(pause, where)] };
}

function parse(text: string, nowMs: number): Paused | undefined {
  const [reason = '', ...options] = splitIntent(text);
  const times = new Map<string, number>();
  for (const option of options.filter((part) => part !== '')) {
    const [, key = '', value = ''] = /^(until|since)=(.*)$/.exec(option) ?? [];
    const ms = readTimeMs(value);
    if (ms === undefined) return undefined;
    times.set(key, ms);
  }
  const untilMs = times.get('until');
  if (untilMs === undefined) return undefined;
  const sinceMs = Math.min(times.get('since') ?? nowMs, nowMs);
  return { reason: readReason(reason), sinceMs, untilMs };
}

/** The label's text. */
export function pauseText({ reason, sinceMs, untilMs }: Paused): string {
  return `${writeReason(reason)};until=${new Date(untilMs).toISOString()};since=${new Date(sinceMs).toISOString()}`;
}

/** Nodes with the label, whether it counts or not. */
export const nodesWithPause = ({ nodes }: Snapshot): SwarmNode[] =>
  nodes.filter(({ labels }) => labels[pauseLabel] !== undefined);

function invalid(snapshot: Snapshot, node: SwarmNode): Problem {
  return {
    code: 'pause-invalid',
    severity: 'error',
    where: `node ${nodeName(snapshot, node.id)}, label ${pauseLabel}`,
    node: node.id,
    value: readable(node.labels[pauseLabel] ?? ''),
    message: 'expected REASON;until=2026-01-31T12:00:00Z: a pause must have an end',
    instead: 'the label is ignored',
    remedy: 'swarm-vip resume takes it away; swarm-vip pause --for 2h writes a good one',
  };
}

function inForceProblem({ reason, untilMs }: Paused, where: string): Problem {
  const why = reason === '' ? '' : `: ${reason}`;
  return {
    code: 'paused',
    severity: 'warning',
    where: `label ${pauseLabel} on ${where}`,
    message: `the plan is paused until ${new Date(untilMs).toISOString()}${why}`,
    instead:
      'no assignment changes; VRRP, health checks, hand-overs of stopping agents and step-downs of second holders go on',
    remedy: 'swarm-vip resume, or wait',
  };
}
