// What agents see of a keepalived run by hand, against the plan → notes and problems that name each difference. Nothing
// is ordered because of them.
import type { Problem } from '../../shared/problem.ts';
import type { ObservedInstance } from '../../shared/protocol.ts';
import type { NodeId } from '../../shared/words.ts';
import type { AgentRecord } from './agents.ts';
import type { Group } from './groups.ts';
import type { Agents, PlannedMember } from './plan.ts';
import { nodeName, type Snapshot } from './snapshot.ts';

interface Watched {
  group: Group;
  vrid: number;
  members: readonly PlannedMember[];
}

/** Only whoever holds shows what he is configured with. */
export const sentPriority = (seen: ObservedInstance | undefined): number | null =>
  seen?.advert?.sentHere ? seen.advert.priority : null;

/** Why a keepalived run by hand could not take over, in words. */
export function observedObstacle(
  record: AgentRecord | undefined,
  seen: ObservedInstance | undefined,
): string | null {
  if (!record?.connected) return 'observed; agent not connected';
  if (!seen) return record.report ? 'observed: nothing reported yet' : 'agent has not reported yet';
  return seen.keepalived
    ? null
    : `observed: no keepalived runs here${seen.held.length > 0 ? ', yet it has the address' : ''}`;
}

export function observedNote(seen: ObservedInstance | undefined): string {
  if (!seen?.advert) return 'observed: hears no adverts of the group';
  const { sentHere, source, vrid, priority, intervalMs, version } = seen.advert;
  const values = `VRID ${vrid}, version ${version}, priority ${priority}, ${intervalMs} ms`;
  const stays = seen.inherits ? '; its addresses stay on the node when it ends' : '';
  return `observed: ${sentHere ? 'sends' : `hears ${source}:`} ${values}${stays}`;
}

export function observedProblems(snapshot: Snapshot, watched: Watched, agents: Agents): Problem[] {
  const seen = watched.members.flatMap((member) => {
    const { connected, report } = agents.get(member.node) ?? {};
    const found = report?.observed?.find(({ group }) => group === watched.group.name);
    return member.observe && connected && found ? [{ member, found }] : [];
  });
  const holder = seen.filter(({ found }) => found.state === 'MASTER');
  const [best] = [...seen].sort((a, b) => b.member.wantedPriority - a.member.wantedPriority);
  const [only] = holder;
  const misplaced =
    only && best && holder.length === 1 && only.member.wantedPriority < best.member.wantedPriority
      ? [
          difference(
            snapshot,
            watched,
            only.member.node,
            `${nodeName(snapshot, only.member.node)} holds, planned is ${nodeName(snapshot, best.member.node)} with the priority ${best.member.wantedPriority}`,
          ),
        ]
      : [];
  return [
    ...misplaced,
    ...seen.flatMap(({ member, found }) =>
      differences(watched, member, found).map((text) => difference(snapshot, watched, member.node, text)),
    ),
  ];
}

/** Of what a holder sends; backups are silent. */
function differences({ group, vrid }: Watched, member: PlannedMember, found: ObservedInstance): string[] {
  const words: string[] = [];
  const { advert, held } = found;
  if (held.length > 0 && held.length < group.addresses.length) {
    const missing = group.addresses.filter((address) => !held.includes(address));
    words.push(`it holds ${held.join(' ')}, and not ${missing.join(' ')}`);
  }
  if (held.length > 0 && !found.keepalived) words.push('it has the address, and no keepalived runs there');
  if (!advert?.sentHere) return words;
  const compare = (what: string, is: unknown, planned: unknown) => {
    if (is !== planned) words.push(`${what} is ${is}, planned is ${planned}`);
  };
  compare('the VRID', advert.vrid, vrid);
  compare('the VRRP version', advert.version, group.version);
  compare('the interval', `${advert.intervalMs} ms`, `${group.intervalMs} ms`);
  compare('the priority', advert.priority, member.wantedPriority);
  compare('the interface', advert.interface, member.attachment?.interface);
  const plain = group.addresses.map((address) => address.replace(/\/.*/, ''));
  const others = advert.addresses.filter((address) => !plain.includes(address));
  if (others.length > 0) words.push(`it advertises ${others.join(' ')}, which the group has not`);
  return words;
}

function difference(snapshot: Snapshot, { group }: Watched, node: NodeId, message: string): Problem {
  return {
    code: 'observed-differs',
    severity: 'warning',
    where: `node ${nodeName(snapshot, node)}, keepalived run by hand`,
    group: group.name,
    node,
    message,
    instead: 'nothing: the agent looks on only',
    remedy: 'adapt the group or the labels if that is to stay so, before the label swarm-vip.observe goes',
  };
}
