// Label swarm-vip.window → when a node is to hold nothing, again and again: its maintenance window. Whether it is one
// now follows from the label and the clock alone, so every coordinator knows it at any time.
//   swarm-vip.window=CRON;DURATION[;tz=ZONE][;REASON]     0 3 * * 6;2h;tz=Europe/Berlin;patches
import { cronFault } from '../../shared/cron.ts';
import type { Problem } from '../../shared/problem.ts';
import type { NodeId } from '../../shared/words.ts';
import { isTimeZone, nextTimeMs } from './cron-times.ts';
import { parseDurationMs } from './duration.ts';
import { readReason, splitIntent } from './intent-text.ts';
import { readable } from './readable.ts';
import { nodeName, type Snapshot, type SwarmNode } from './snapshot.ts';

export const windowLabel = 'swarm-vip.window';

/** The addresses leave so long before the window begins, so that they have left when it does. */
export const leadMs = 30_000;
const shortestMs = 60_000;
const longestMs = 7 * 86_400_000;

/** A window that is open, or else the next one. Unix ms. */
export interface MaintenanceWindow {
  node: NodeId;
  schedule: string;
  zone: string;
  reason: string;
  fromMs: number;
  untilMs: number;
  /** Its time has come: the addresses are to be elsewhere. */
  open: boolean;
}

export function readWindow(
  snapshot: Snapshot,
  node: SwarmNode,
  nowMs: number,
): { window?: MaintenanceWindow; problem?: Problem } {
  const text = node.labels[windowLabel];
  if (text === undefined) return {};
  const [schedule = '', duration = '', ...more] = splitIntent(text);
  const durationMs = parseDurationMs(duration) ?? Number.NaN;
  const zone =
    more
      .find((part) => part.startsWith('tz='))
      ?.slice(3)
      .trim() ?? 'UTC';
  const reason = more.filter((part) => part !== '' && !part.startsWith('tz=')).join(' ');
  const fault = faultOf(schedule, durationMs, zone);
  // The first that has not ended; it may not have begun.
  const fromMs = fault === undefined ? nextTimeMs(schedule, zone, nowMs - durationMs + 1) : undefined;
  if (fault !== undefined || fromMs === undefined) {
    return {
      problem: invalid(snapshot, node, text, fault ?? 'expected a time that comes, such as 0 3 * * 6'),
    };
  }
  const shown = readReason(reason);
  return {
    window: {
      node: node.id,
      schedule,
      zone,
      reason: shown,
      fromMs,
      untilMs: fromMs + durationMs,
      open: fromMs - leadMs <= nowMs,
    },
  };
}

function faultOf(schedule: string, durationMs: number, zone: string): string | undefined {
  const cron = cronFault(schedule);
  if (cron !== undefined) return `the time: ${cron}`;
  if (!(durationMs >= shortestMs && durationMs <= longestMs))
    return 'the second part: expected a duration from 1m to 7d, such as 2h';
  return isTimeZone(zone) ? undefined : 'expected a time zone such as tz=Europe/Berlin';
}

function invalid(snapshot: Snapshot, node: SwarmNode, text: string, message: string): Problem {
  return {
    code: 'window-invalid',
    severity: 'error',
    where: `node ${nodeName(snapshot, node.id)}, label ${windowLabel}`,
    node: node.id,
    value: readable(text),
    message,
    instead: 'the node has no maintenance window',
    remedy: `docker node update --label-add "${windowLabel}=0 3 * * 6;2h;tz=Europe/Berlin;patches" ${node.hostname}`,
  };
}
