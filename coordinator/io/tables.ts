// Parts of the status, and history → columns for people.
import { reasonWords } from '../../shared/transition-words.ts';
import type { NodeTransition, Switch } from '../core/history.ts';
import type { GroupStatus, MemberStatus, Status } from '../core/status.ts';
import { columns, seconds } from './columns.ts';
import { type Look, type Paint, plainLook } from './paint.ts';

export function groupsTable({ groups }: Status, { wide, paint }: Look = plainLook): string {
  const rows = groups.map((group) => [
    group.name,
    paint.verdict(group.verdict),
    holdersText(group) || paint.verdict('NOBODY'),
    `${group.members.filter(({ eligible }) => eligible).length}/${group.members.length}`,
    String(group.vrid),
    `v${group.version} ${group.intervalMs} ms`,
    group.addresses.join(' '),
    ...(wide
      ? [
          group.holders.map(({ sinceMs }) => moment(sinceMs)).join(' ') || '-',
          runnerUp(group) ?? paint.bad('nobody'),
          group.preferred?.hostname ?? '-',
          runnerUp(group) === undefined ? '-' : seconds(group.failoverBoundMs),
          group.source,
        ]
      : []),
  ]);
  const more = wide ? ['SINCE', 'RUNNER-UP', 'PREFERRED', 'BOUND', 'DEFINED BY'] : [];
  return `${columns(['GROUP', 'VERDICT', 'HOLDER', 'ELIGIBLE', 'VRID', 'VRRP', 'ADDRESSES', ...more], rows)}\n`;
}

export const holdersText = ({ holders }: GroupStatus): string =>
  holders.map(({ hostname }) => hostname).join(' AND ');

/** VRRP's own word, but that of a drained member would read as a fault, and nobody looks for one that is not needed. */
export function stateText({ state, drain, reserve, observed }: MemberStatus, paint: Paint): string {
  if (drain && ['FAULT', 'BACKUP', 'INIT'].includes(state)) return paint.faint('DRAINED');
  if (reserve && state === 'NONE') return paint.faint('RESERVE');
  return `${paint.state(state)}${observed ? ' (observed)' : ''}`;
}

/** Who takes over when the holder dies. Members come in the order of their effective priorities. */
export const runnerUp = ({ holders, members }: GroupStatus): string | undefined =>
  members.find((each) => each.eligible && !holders.some(({ node }) => node === each.node))?.hostname;

export function nodesTable({ agents, groups }: Status, { wide, paint }: Look = plainLook): string {
  const rows = agents.map((agent) => {
    const memberships = groups.flatMap(({ name, members }) =>
      members.filter(({ node }) => node === agent.node).map((member) => ({ name, ...member })),
    );
    return [
      agent.hostname,
      agent.connected ? 'connected' : paint.bad(`gone for ${seconds(agent.seenAgeMs)}`),
      agent.version,
      agent.keepalived?.phase ?? '-',
      agent.inSync ? 'yes' : 'no',
      memberships.map((member) => `${member.name}:${stateText(member, paint)}`).join(' ') || '-',
      ...(wide
        ? [
            agent.node,
            agent.keepalivedVersion,
            String(agent.keepalived?.restarts ?? '-'),
            agent.applied ? `${agent.applied.epoch}.${agent.applied.counter}` : '-',
            moment(agent.seenAtMs),
          ]
        : []),
      [...new Set(memberships.flatMap(({ drain, note }) => (drain && note ? [note] : [])))].join('; '),
    ];
  });
  const more = wide ? ['ID', 'KEEPALIVED VERSION', 'RESTARTS', 'GENERATION', 'SEEN'] : [];
  const head = ['NODE', 'AGENT', 'VERSION', 'KEEPALIVED', 'IN SYNC', 'GROUPS', ...more, 'NOTE'];
  return `${columns(head, rows)}\n`;
}

export function historyTable(switches: readonly Switch[]): string {
  const rows = switches.map(({ atMs, group, from, to, reason }) => [
    moment(atMs),
    group,
    from?.hostname ?? '-',
    to.hostname,
    reason,
  ]);
  return `${columns(['TIME', 'GROUP', 'FROM', 'TO', 'REASON'], rows)}\n`;
}

export function transitionsTable(
  transitions: readonly NodeTransition[],
  { paint }: Look = plainLook,
): string {
  const rows = transitions.map((entry) => [
    moment(entry.atMs),
    entry.group,
    entry.hostname,
    paint.state(entry.from),
    paint.state(entry.to),
    String(entry.priority),
    reasonWords(entry, peerNames(entry)),
  ]);
  return `${columns(['TIME', 'GROUP', 'NODE', 'FROM', 'TO', 'PRIORITY', 'WHY'], rows)}\n`;
}

const peerNames = ({ peer, peerHostname }: NodeTransition): ReadonlyMap<string, string> =>
  new Map(peer && peerHostname !== undefined ? [[peer.address, peerHostname]] : []);

const moment = (ms: number): string => new Date(ms).toISOString();
