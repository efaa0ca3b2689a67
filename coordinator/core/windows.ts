// Maintenance windows that are open → who is drained by them. A window never takes the last member that could hold: it
// is refused aloud, group by group, and carried out as soon as another one can. Read off the reports: who stands aside
// already goes on, whatever becomes of the others, for somebody may have opened the machine.
import type { Problem } from '../../shared/problem.ts';
import type { NodeId } from '../../shared/words.ts';
import type { Member } from './members.ts';
import { inReach } from './peers.ts';
import type { Agents } from './plan.ts';
import { nodeName, type Snapshot } from './snapshot.ts';
import { leadMs, type MaintenanceWindow, readWindow, windowLabel } from './window.ts';

export interface PlannedWindow extends MaintenanceWindow {
  /** Groups for which it is not carried out though it is open. */
  refused: string[];
}

export interface Windows {
  windows: PlannedWindow[];
  problems: Problem[];
  /** When the next one begins or ends: Unix ms. */
  againMs: number[];
}

/** Drains members by their nodes' windows, in place. */
export function applyWindows(
  snapshot: Snapshot,
  byGroup: ReadonlyMap<string, Member[]>,
  agents: Agents,
  nowMs: number,
): Windows {
  const result: Windows = { windows: [], problems: [], againMs: [] };
  // A plan for no moment in particular: a file is checked.
  if (nowMs === 0) return result;
  for (const node of snapshot.nodes) {
    const { window, problem } = readWindow(snapshot, node, nowMs);
    if (problem) result.problems.push(problem);
    if (!window) continue;
    result.windows.push({ ...window, refused: [] });
    result.againMs.push(window.open ? window.untilMs : window.fromMs - leadMs);
  }
  result.windows.sort((a, b) => a.fromMs - b.fromMs || a.node.localeCompare(b.node));
  const open = result.windows.filter((window) => window.open);
  for (const [group, members] of byGroup) {
    const inGroup = open.flatMap((window) => {
      const member = members.find(({ node, drain }) => node === window.node && !drain);
      return member ? [{ window, member }] : [];
    });
    for (const { window, member } of inGroup) {
      const others = members.filter((each) => each !== member && canHold(agents, each, group));
      if (others.length === 0 && isNeeded(agents, member, group)) {
        window.refused.push(group);
        result.problems.push(refusal(snapshot, window, group));
        continue;
      }
      const reason = window.reason === '' ? 'window' : `window: ${window.reason}`;
      member.drain = { reason, untilMs: window.untilMs, force: false };
    }
  }
  return result;
}

const runningOn = (agents: Agents, node: NodeId, group: string) =>
  inReach(agents, node)
    ? agents.get(node)?.report?.instances.find((instance) => instance.group === group)
    : undefined;

function canHold(agents: Agents, { node, drain, observe, attachment }: Member, group: string): boolean {
  const running = runningOn(agents, node, group);
  if (drain || observe || !attachment || !running || running.pause) return false;
  return running.state === 'MASTER' || running.state === 'BACKUP';
}

/** Whether it holds, could hold, or is about to join. Out of reach it is told nothing before it is heard again. */
function isNeeded(agents: Agents, { node }: Member, group: string): boolean {
  if (!inReach(agents, node)) return false;
  const running = runningOn(agents, node, group);
  if (running?.pause) return !['standing-aside', 'check'].includes(running.pause.reason);
  return running?.state !== 'FAULT';
}

function refusal(snapshot: Snapshot, { node, fromMs, untilMs }: MaintenanceWindow, group: string): Problem {
  const [from, until] = [fromMs, untilMs].map((ms) => new Date(ms).toISOString());
  return {
    code: 'window-refused',
    severity: 'error',
    where: `node ${nodeName(snapshot, node)}, label ${windowLabel}`,
    group,
    node,
    message: `no other member could hold the addresses during its maintenance window from ${from} to ${until}`,
    instead: 'the window is not carried out for this group: the node goes on holding',
    remedy:
      'bring another member back, and it is; or move one of the windows that overlap; ' +
      'swarm-vip drain --force gives the addresses up all the same',
  };
}
