// The table of agents.
import type { Overview, OverviewAgent } from '../core/overview.ts';
import { age } from './ages.ts';
import { byId, drawEach, el, fillRow, headingsOf } from './dom.ts';

const agentRows = byId('agents-rows', HTMLTableSectionElement);
const agentHeadings = headingsOf(agentRows);

export function drawAgents({ agents }: Overview): void {
  drawEach(agentRows, agents, ({ node }) => node, 'tr', drawAgent);
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
