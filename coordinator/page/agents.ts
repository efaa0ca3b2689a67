// The tables of agents and of drained nodes.
import type { Overview, OverviewAgent, OverviewDrain } from '../core/overview.ts';
import { age, clockText } from './ages.ts';
import { byId, drawEach, el, fillRow, headingsOf, setText } from './dom.ts';

const agentRows = byId('agents-rows', HTMLTableSectionElement);
const agentHeadings = headingsOf(agentRows);
const drainRows = byId('drains-rows', HTMLTableSectionElement);
const drainHeadings = headingsOf(drainRows);
const noDrains = byId('drains-none', HTMLParagraphElement);

export function drawAgents({ agents, drains }: Overview): void {
  drawEach(agentRows, agents, ({ node }) => node, 'tr', drawAgent);
  drawEach(drainRows, drains, ({ node }) => node, 'tr', drawDrain);
  const table = drainRows.closest('table');
  if (table) table.hidden = drains.length === 0;
  noDrains.hidden = drains.length > 0;
  setText(byId('drains-count', HTMLSpanElement), drains.length === 0 ? '' : `(${drains.length})`);
}

function drawAgent(row: HTMLElement, agent: OverviewAgent): void {
  const { hostname, connected, seenMs, inSync, keepalived, generation, version, keepalivedVersion } = agent;
  row.className = connected ? '' : 'old';
  const restarts = keepalived && keepalived.restarts > 0 ? `, restarted ${keepalived.restarts} times` : '';
  fillRow(row, agentHeadings, [
    [el('b', '', hostname)],
    [
      connected
        ? 'now'
        : el('b', '', 'out of contact', ...(seenMs === null ? [] : [' for ', age(seenMs)]), ': old data'),
    ],
    [!connected ? 'not known' : inSync ? 'yes' : el('b', '', 'not yet')],
    [keepalived ? `${keepalived.phase}${restarts}` : 'not reported'],
    [version, el('small', '', `keepalived ${keepalivedVersion}`)],
    [generation ? `${generation.epoch}.${generation.counter}` : 'none'],
  ]);
}

function drawDrain(row: HTMLElement, { hostname, groups, reason, until, holds }: OverviewDrain): void {
  const still = holds.length === 0 ? [] : [el('small', '', `still holds ${holds.join(', ')}`)];
  fillRow(row, drainHeadings, [
    [el('b', '', hostname)],
    [groups.join(', '), ...still],
    [reason === '' ? 'no reason given' : reason],
    [until === null ? `until swarm-vip undrain ${hostname}` : clockText(Date.parse(until))],
  ]);
}
