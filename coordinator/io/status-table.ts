// Status → text for people: columns without frames, so that grep and awk work on them too.
import Table from 'cli-table3';
import { problemText } from '../../shared/problem.ts';
import { causeWords, type NodeTransition, type Switch } from '../core/history.ts';
import type { GroupStatus, Status } from '../core/status.ts';

export function statusTable(status: Status): string {
  const { coordinator, groups, agents, problems, snapshot } = status;
  const active = coordinator.active ? `active on ${coordinator.active.hostname}` : 'none active';
  const parts = [
    `${status.verdict}   coordinator ${active}, Swarm read ${seconds(snapshot.ageMs)} ago, ` +
      `${agents.filter(({ connected }) => connected).length}/${agents.length} agents connected`,
  ];
  if (status.pause) parts.unshift(pauseText(status.pause));
  for (const group of groups) {
    const holders = group.holders.map(({ hostname }) => hostname).join(' AND ') || 'NOBODY';
    parts.push(
      `${group.name}   ${group.verdict}   held by ${holders}   VRID ${group.vrid}, ` +
        `failover within ${seconds(group.failoverBoundMs)}\n${group.addresses.join(' ')}\n\n${table(
          ['NODE', 'STATE', 'PRIORITY', 'EFFECTIVE', 'INTERFACE', 'SOURCE', 'NOTE'],
          group.members.map((member) => [
            member.hostname,
            member.observed ? `${member.state} (observed)` : member.state,
            `${member.priority} (${member.priorityFrom})${member.leads ? ', leads' : ''}`,
            String(member.effectivePriority ?? '-'),
            member.interface ?? '-',
            member.source ?? '-',
            member.note ?? '',
          ]),
        )}${waitingText(group, status)}`,
    );
  }
  if (status.windows.length > 0) parts.push(windowsText(status.windows));
  if (groups.length === 0) parts.push('No group is defined.');
  if (problems.length > 0) {
    parts.push(
      ['Problems:', ...problems.map((p) => `  ${p.severity.toUpperCase()} ${problemText(p)}`)].join('\n'),
    );
  }
  return `${parts.join('\n\n')}\n`;
}

const mostWindows = 10;

function windowsText(windows: Status['windows']): string {
  const lines = windows
    .slice(0, mostWindows)
    .map(({ hostname, reason, from, until, open, refused, ...rest }) => {
      const why = reason === '' ? '' : `: ${reason}`;
      const not = refused.length === 0 ? '' : `, REFUSED for ${refused.join(', ')}`;
      const when = open ? `open until ${until}` : `next from ${from} to ${until}`;
      return `window  ${hostname}  ${when}${not}  (${rest.schedule}, ${rest.timeZone})${why}`;
    });
  const more = windows.length - mostWindows;
  return [...lines, ...(more > 0 ? [`and ${more} later ones`] : [])].join('\n');
}

function pauseText({ reason, until, waiting }: NonNullable<Status['pause']>): string {
  const why = reason === '' ? '' : ` (${reason})`;
  const names = waiting.map(({ hostname }) => hostname).join(', ');
  const held = names === '' ? 'nothing waits' : `changes wait for ${names}`;
  return `PAUSED until ${until}${why}: no assignment changes; ${held}`;
}

function waitingText({ waiting }: GroupStatus, { agents }: Status): string {
  const lines = waiting.map((step) => {
    const silent = step.for.filter(
      ({ node }) => !agents.some((agent) => agent.node === node && agent.connected),
    );
    const remedy = silent.map(
      ({ hostname }) => `; if it is off for certain: swarm-vip confirm-down ${hostname}`,
    );
    const names = step.for.map(({ hostname }) => hostname).join(', ');
    return `\nwaits: ${step.hostname} for ${names}: ${step.why}${remedy.join('')}`;
  });
  return lines.join('');
}

export function groupsTable({ groups }: Status): string {
  const rows = groups.map((group) => [
    group.name,
    group.verdict,
    group.holders.map(({ hostname }) => hostname).join(' AND ') || 'NOBODY',
    `${group.members.filter(({ eligible }) => eligible).length}/${group.members.length}`,
    String(group.vrid),
    `v${group.version} ${group.intervalMs} ms`,
    group.addresses.join(' '),
  ]);
  return `${table(['GROUP', 'VERDICT', 'HOLDER', 'ELIGIBLE', 'VRID', 'VRRP', 'ADDRESSES'], rows)}\n`;
}

export function nodesTable({ agents, groups }: Status): string {
  const rows = agents.map((agent) => {
    const memberships = groups.flatMap(({ name, members }) =>
      members.filter(({ node }) => node === agent.node).map((member) => ({ name, ...member })),
    );
    return [
      agent.hostname,
      agent.connected ? 'connected' : `gone for ${seconds(agent.seenAgeMs)}`,
      agent.version,
      agent.keepalived?.phase ?? '-',
      agent.inSync ? 'yes' : 'no',
      memberships.map(({ name, state }) => `${name}:${state}`).join(' ') || '-',
      [...new Set(memberships.flatMap(({ drain, note }) => (drain && note ? [note] : [])))].join('; '),
    ];
  });
  return `${table(['NODE', 'AGENT', 'VERSION', 'KEEPALIVED', 'IN SYNC', 'GROUPS', 'NOTE'], rows)}\n`;
}

export function historyTable(switches: readonly Switch[]): string {
  const rows = switches.map(({ atMs, group, from, to, reason }) => [
    new Date(atMs).toISOString(),
    group,
    from?.hostname ?? '-',
    to.hostname,
    reason,
  ]);
  return `${table(['TIME', 'GROUP', 'FROM', 'TO', 'REASON'], rows)}\n`;
}

export function transitionsTable(transitions: readonly NodeTransition[]): string {
  const rows = transitions.map((entry) => [
    new Date(entry.atMs).toISOString(),
    entry.group,
    entry.hostname,
    entry.from,
    entry.to,
    String(entry.priority),
    [causeWords(entry), entry.order].filter(Boolean).join('; '),
  ]);
  return `${table(['TIME', 'GROUP', 'NODE', 'FROM', 'TO', 'PRIORITY', 'WHY'], rows)}\n`;
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 0)} s`;

const frameParts =
  'top top-mid top-left top-right bottom bottom-mid bottom-left bottom-right left left-mid mid mid-mid right right-mid';
const bare = Object.fromEntries(frameParts.split(' ').map((part) => [part, '']));

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const made = new Table({
    head: [...head],
    chars: { ...bare, middle: '  ' },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  made.push(...rows.map((row) => [...row]));
  return made
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}
