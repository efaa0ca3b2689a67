// The table of groups: who holds what, who comes next, what happened last.
import type { Overview, OverviewGroup } from '../core/overview.ts';
import { plain } from '../core/plain-address.ts';
import { age } from './ages.ts';
import { byId, drawEach, el, fillRow, headingsOf } from './dom.ts';
import { spares } from './headline.ts';

const rows = byId('groups-rows', HTMLTableSectionElement);
const headings = headingsOf(rows);

export function drawGroups({ groups }: Overview): void {
  drawEach(rows, groups, ({ name }) => name, 'tr', drawGroup);
}

/** The members and the past of a group have places of their own. */
function drawGroup(row: HTMLElement, group: OverviewGroup): void {
  const { name, verdict, addresses, vrid, holders, runnerUp, eligible, members, lastSwitch } = group;
  row.className = `verdict ${verdict.toLowerCase().replace(' ', '-')}`;
  const spare = spares(group);
  const seconds = (group.failoverBoundMs / 1000).toFixed(2);
  // A promise that nobody could keep at present is none.
  const bound = `VRID ${vrid}${runnerUp === null ? '' : `, failover within ${seconds} s`}`;
  fillRow(row, headings, [
    [el('b', '', name), el('small', '', bound)],
    [el('b', 'badge', verdict)],
    addresses.map((address) => el('span', 'line address', plain(address))),
    holders.length === 0 ? nobodyLines(group) : holders.map(holderLine),
    [runnerUp ?? el('b', 'nobody', 'nobody')],
    [
      `${eligible} of ${members.length - spare}`,
      ...(spare === 0 ? [] : [el('small', '', `${spare} in reserve`)]),
    ],
    lastSwitch
      ? [
          el('span', 'line', age(lastSwitch.atMs), ' ago: ', moveText(lastSwitch)),
          el('small', '', lastSwitch.reason),
        ]
      : ['none known'],
  ]);
}

function nobodyLines({ past }: OverviewGroup): HTMLElement[] {
  const [before, last] = past.slice(-2);
  const since = last?.holders.length === 0 ? el('small', '', 'for ', age(last.fromMs)) : undefined;
  const held = since && before ? el('small', '', `last held by ${before.holders.join(' and ')}`) : undefined;
  return [el('b', 'nobody', 'NOBODY'), since, held].filter((line) => line !== undefined);
}

function holderLine({ hostname, sinceMs, heard }: OverviewGroup['holders'][number]): HTMLElement {
  const since = heard
    ? el('small', '', 'for ', age(sinceMs))
    : el('small', 'old', 'out of contact: last known');
  return el('span', heard ? 'line' : 'line old', el('b', 'holder', hostname), since);
}

export const moveText = ({ from, to }: NonNullable<OverviewGroup['lastSwitch']>): string =>
  from && from.node !== to.node ? `${from.hostname} → ${to.hostname}` : `to ${to.hostname}`;
