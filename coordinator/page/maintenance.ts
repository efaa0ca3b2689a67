// What operators have asked for: a pause, drained nodes, maintenance windows; who, why, until when. Wanted, so no alarm.
import type { Overview, OverviewDrain, OverviewWindow } from '../core/overview.ts';
import { clockText } from './clock.ts';
import { byId, drawEach, el, fillRow, headingsOf, setText } from './dom.ts';

interface Entry {
  key: string;
  what: string;
  where: string;
  details: string[];
  why: string;
  when: string;
}

const rows = byId('maintenance-rows', HTMLTableSectionElement);
const headings = headingsOf(rows);
const nothing = byId('maintenance-none', HTMLParagraphElement);

export function drawMaintenance({ pause, drains, windows }: Overview): void {
  const entries = [...(pause ? [ofPause(pause)] : []), ...drains.map(ofDrain), ...windows.map(ofWindow)];
  drawEach(rows, entries, ({ key }) => key, 'tr', drawEntry);
  const table = rows.closest('table');
  if (table) table.hidden = entries.length === 0;
  nothing.hidden = entries.length > 0;
  setText(byId('maintenance-count', HTMLSpanElement), entries.length === 0 ? '' : `(${entries.length})`);
}

function ofPause({ reason, until, waiting }: NonNullable<Overview['pause']>): Entry {
  return {
    ...{ key: 'pause', what: 'Paused', where: 'all nodes', why: reason, when: untilText(until) },
    details: [
      'labels and files change nothing; VRRP and checks go on',
      waiting.length === 0 ? 'nothing waits' : `changes wait for ${waiting.join(', ')}`,
      'swarm-vip resume ends it sooner',
    ],
  };
}

function ofDrain({ node, hostname, groups, reason, until, window, holds }: OverviewDrain): Entry {
  return {
    ...{ key: `drain ${node}`, what: window ? 'Window, open' : 'Drained', where: hostname },
    details: [
      `holds nothing of ${groups.join(', ')}`,
      ...(holds.length > 0 ? [`still holds ${holds.join(', ')}`] : []),
    ],
    why: reason.replace(/^window(: |$)/, ''),
    when: until === null ? `until swarm-vip undrain ${hostname}` : untilText(until),
  };
}

function ofWindow({ node, hostname, reason, from, until, open, refused }: OverviewWindow): Entry {
  const when = open ? untilText(until) : `${clockText(Date.parse(from))} to ${clockText(Date.parse(until))}`;
  return {
    ...{ key: `window ${node}`, what: open ? 'Window, refused' : 'Window, to come', where: hostname, when },
    details: refused.length > 0 ? [`not carried out for ${refused.join(', ')}: nobody else could hold`] : [],
    why: reason,
  };
}

const untilText = (until: string): string => `until ${clockText(Date.parse(until))}`;

function drawEntry(row: HTMLElement, { what, where, details, why, when }: Entry): void {
  fillRow(row, headings, [
    [el('b', '', what)],
    [where, ...details.map((each) => el('small', '', each))],
    [why === '' ? 'no reason given' : why],
    [when],
  ]);
}
