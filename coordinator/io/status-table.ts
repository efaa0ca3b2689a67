// Status → text for people.
import type { CheckResult } from '../../shared/checks.ts';
import { type Problem, problemText } from '../../shared/problem.ts';
import type { GroupStatus, MemberStatus, Status } from '../core/status.ts';
import { columns, seconds } from './columns.ts';
import { type Look, plainLook } from './paint.ts';
import { holdersText, runnerUp, stateText } from './tables.ts';

export function statusTable(status: Status, look: Look = plainLook): string {
  const { coordinator, groups, agents, problems, snapshot } = status;
  const { paint } = look;
  const active = coordinator.active ? `active on ${coordinator.active.hostname}` : 'none active';
  const parts = [
    `${paint.verdict(status.verdict)}   coordinator ${active}, Swarm read ${seconds(snapshot.ageMs)} ago, ` +
      `${agents.filter(({ connected }) => connected).length}/${agents.length} agents connected`,
  ];
  if (status.pause) parts.unshift(pauseText(status.pause));
  for (const group of groups) parts.push(groupText(group, status, look));
  if (status.windows.length > 0) parts.push(windowsText(status.windows));
  if (groups.length === 0) parts.push('No group is defined.');
  if (problems.length > 0) {
    parts.push(
      [
        'Problems:',
        ...[...problems]
          .sort(errorsFirst)
          .map((p) => `  ${paint.severity(p.severity.toUpperCase())} ${problemText(p)}`),
      ].join('\n'),
    );
  }
  return `${parts.join('\n\n')}\n`;
}

const errorsFirst = (a: Problem, b: Problem): number => a.severity.localeCompare(b.severity);

function groupText(group: GroupStatus, status: Status, { wide, paint }: Look): string {
  const holders = holdersText(group) || paint.verdict('NOBODY');
  const since = wide ? group.holders.map(({ sinceMs }) => ` since ${new Date(sinceMs).toISOString()}`) : [];
  const rows = group.members.map((member) => [
    member.hostname,
    stateText(member, paint),
    `${member.priority} (${member.priorityFrom})${member.leads ? ', leads' : ''}`,
    String(member.effectivePriority ?? '-'),
    member.interface ?? '-',
    member.source ?? '-',
    ...(wide
      ? [member.checks.map(checkText).join(' ') || '-', member.provenance.member, agentOf(member, status)]
      : []),
    member.note ?? '',
  ]);
  // A promise that nobody could keep at present is none.
  const bound =
    runnerUp(group) === undefined
      ? paint.bad('nobody could take over')
      : `failover within ${seconds(group.failoverBoundMs)}`;
  const more = wide ? ['CHECKS', 'MEMBER BY', 'AGENT'] : [];
  const head = ['NODE', 'STATE', 'PRIORITY', 'EFFECTIVE', 'INTERFACE', 'SOURCE', ...more, 'NOTE'];
  return (
    `${group.name}   ${paint.verdict(group.verdict)}   held by ${holders}${since.join(' and')}   VRID ${group.vrid}, ` +
    `${bound}\n${group.addresses.join(' ')}` +
    `${wide ? `   defined by ${group.source}` : ''}\n\n${columns(head, rows)}${waitingText(group, status)}`
  );
}

const checkText = ({ name, up }: CheckResult): string =>
  `${name}:${up === null ? 'pending' : up ? 'passes' : 'FAILS'}`;

function agentOf({ node }: MemberStatus, { agents }: Status): string {
  const agent = agents.find((each) => each.node === node);
  return agent ? `${agent.version}${agent.inSync ? '' : ' (not in sync)'}` : '-';
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
