// Whether a member that joins would hear whoever may take over. It would not hear one that does not list it as its peer, nor
// one that runs other values of what all must agree on (agreement.ts), for keepalived refuses what it does not understand.
// Then an advert proves nothing to it, and one silent moment may be that of an election. Read off the reports.
import type { Peer, RunningInstance } from '../../shared/protocol.ts';
import { masterDownMs } from '../../shared/timers.ts';
import type { NodeId, Vrid } from '../../shared/words.ts';
import { agreementMark } from './agreement.ts';
import type { Group } from './groups.ts';
import { runningInstance } from './plan.ts';
import type { RolloutInput } from './rollout.ts';

/** All that members must agree on, and the member's own identity, whose change on the holder needs the same care. */
export const markOf = (group: Group, vrid: Vrid, attachment: { interface: string; source: string }): string =>
  agreementMark([
    vrid,
    group.version,
    // Backups of version 3 learn the interval from the adverts; those of version 2 reject another one.
    group.version === 2 ? group.intervalMs : null,
    group.password ?? null,
    attachment.interface,
    attachment.source,
    ...(group.transport === undefined ? [] : [group.transport]),
  ]);

/** What adverts show of an instance; a password they carry too, but nobody reports it. */
export const spoken = ({ vrid, version, transport, intervalMs }: RunningInstance): string =>
  JSON.stringify([vrid, version, transport ?? 'unicast', version === 2 ? intervalMs : null]);

/** What a member is to run: what all are to agree on in the end, or for now what it runs already. */
export type Speaking = 'target' | 'unknown' | RunningInstance;

/** Who runs the group, in reach or not, and would not be understood by one that speaks like this, nor understand it. */
export function strangersTo(mine: Speaking, input: RolloutInput, peers: readonly Peer[]): NodeId[] {
  return peers
    .map(({ node }) => node)
    .filter((node) => {
      const theirs = runningInstance(input.agents, node, input.group.name);
      return theirs && !understand(mine, theirs, input);
    });
}

function understand(mine: Speaking, theirs: RunningInstance, { group, vrid }: RolloutInput): boolean {
  const changed = (running: RunningInstance) =>
    running.agreement === undefined || running.agreement === markOf(group, vrid, running);
  if (mine === 'unknown') return false;
  if (mine === 'target' || changed(mine)) return changed(theirs);
  // Of two old passwords nothing is known.
  return !changed(theirs) && mine.version === 3 && spoken(mine) === spoken(theirs);
}

/** Proof by silence alone, for longer than the slowest election takes among those that run the group. */
export function silenceOf({ group, agents }: RolloutInput, peers: readonly Peer[]) {
  const elections = peers.flatMap(({ node }) => {
    const running = runningInstance(agents, node, group.name);
    return running ? [Math.ceil(masterDownMs(running.version, running.intervalMs, 1))] : [];
  });
  const outlastMs = Math.max(...elections);
  const ownMs = masterDownMs(group.version, group.intervalMs, 1);
  return { silenceOnly: true as const, ...(outlastMs > Math.ceil(ownMs) ? { outlastMs } : {}) };
}

/** A member by label that was never heard, and that nobody lists, may run the group all the same, and be about to take over. */
export function elsewhere({ group, members, agents, known }: RolloutInput, self: NodeId) {
  const unheard = members.some(
    ({ node, priority }) =>
      node !== self && priority !== undefined && known.includes(node) && !agents.get(node)?.report,
  );
  return unheard ? { outlastMs: Math.ceil(masterDownMs(group.version, group.intervalMs, 1)) } : {};
}
