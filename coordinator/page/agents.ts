// The table of agents.
import type { Overview, OverviewAgent } from '../core/overview.ts';
import { age } from './ages.ts';
import { byId, byName, drawEach, el, fillRow, headingsOf } from './dom.ts';

const agentRows = byId('agents-rows', HTMLTableSectionElement);
const agentHeadings = headingsOf(agentRows);

export function drawAgents({ agents }: Overview): void {
  drawEach(agentRows, [...agents].sort(worstFirst), ({ node }) => node, 'tr', drawAgent);
}

const trouble = ({ connected, inSync }: OverviewAgent): number => (connected ? (inSync ? 0 : 1) : 2);
/** Of hundreds of agents the few in trouble are looked for. */
const worstFirst = (a: OverviewAgent, b: OverviewAgent): number =>
  trouble(b) - trouble(a) || byName.compare(a.hostname, b.hostname);

function drawAgent(row: HTMLElement, agent: OverviewAgent): void {
  const { hostname, connected, seenMs, inSync, keepalived, generation, version, keepalivedVersion } = agent;
  row.className = connected ? '' : 'old';
  const restarts = keepalived && keepalived.restarts > 0 ? `, restarted ${keepalived.restarts} times` : '';
  fillRow(row, agentHeadings, [
    [el('b', '', hostname)],
    [
      connected
        ? 'connected'
        : el('b', '', 'out of contact', ...(seenMs === null ? [] : [' for ', age(seenMs)]), ': old data'),
    ],
    [!connected ? 'not known' : inSync ? 'yes' : el('b', '', 'not yet')],
    [keepalived ? `${keepalived.phase}${restarts}` : 'not reported'],
    [version, el('small', '', `keepalived ${keepalivedVersion}`)],
    [generation ? `${generation.epoch}.${generation.counter}` : 'none'],
  ]);
}
