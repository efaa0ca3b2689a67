// Nodes × groups. Large Swarms make thousands of cells: each is touched only when its own member changes.
import type { Overview, OverviewAgent, OverviewMember } from '../core/overview.ts';
import { age } from './ages.ts';
import { localTimes } from './clock.ts';
import { byId, byName, drawEach, el, setText } from './dom.ts';

interface Row {
  node: string;
  /** With the beginning of the node id where two nodes share a host name. */
  name: string;
  /** When its agent was last heard, if that is not now; null: never. */
  seenMs: number | null | undefined;
  /** One for each group; null: no member. */
  cells: (Cell | null)[];
}

/** `held`: what was last known of a node that is out of contact. `contested`: others hold as well. */
type Cell = OverviewMember & { held: boolean; contested: boolean };

const head = byId('grid-head', HTMLTableRowElement);
const body = byId('grid-rows', HTMLTableSectionElement);
const find = byId('nodes-find', HTMLInputElement);
const onlyWrong = byId('nodes-wrong', HTMLInputElement);
const shownCount = byId('nodes-count', HTMLSpanElement);

let groups: string[] = [];
let rows: Row[] = [];

export function drawGrid(overview: Overview): void {
  groups = overview.groups.map(({ name }) => name);
  rows = rowsOf(overview);
  show();
}

for (const control of [find, onlyWrong]) control.addEventListener('input', show);

function show(): void {
  const text = find.value.trim().toLowerCase();
  const shown = rows.filter(
    ({ name, cells, seenMs }) =>
      name.toLowerCase().includes(text) &&
      (!onlyWrong.checked || seenMs !== undefined || cells.some((cell) => cell !== null && isOut(cell))),
  );
  const headings = [{ name: 'Node' }, ...groups.map((name) => ({ name }))];
  drawEach(
    head,
    headings,
    ({ name }) => `${name === 'Node' ? '' : ' '}${name}`,
    'th',
    (cell, { name }) => {
      cell.setAttribute('scope', 'col');
      setText(cell, name);
    },
  );
  drawEach(body, shown, ({ node }) => node, 'tr', drawRow);
  const filtered = shown.length < rows.length;
  setText(shownCount, filtered ? `${shown.length} of ${rows.length} nodes` : '');
}

function drawRow(row: HTMLElement, { name, seenMs, cells }: Row): void {
  row.className = seenMs === undefined ? '' : 'old';
  let title = row.querySelector('th');
  if (!title) {
    title = el('th', '');
    title.scope = 'row';
    row.prepend(title);
  }
  title.replaceChildren(el('b', '', name));
  if (seenMs === null) title.append(el('small', '', 'never heard'));
  else if (seenMs !== undefined) title.append(el('small', '', 'not heard for ', age(seenMs)));
  while (row.children.length > cells.length + 1) row.lastElementChild?.remove();
  for (const [index, member] of cells.entries()) {
    const known = row.children[index + 1] as HTMLElement | undefined;
    const cell = known ?? row.appendChild(el('td', ''));
    const text = JSON.stringify(member);
    if (known && texts.get(cell) === text) continue;
    texts.set(cell, text);
    drawCell(cell, member);
  }
}

const texts = new WeakMap<Element, string>();
const isOut = ({ eligible, drained, reserve, note }: Cell): boolean =>
  drained || reserve ? false : !eligible || note !== null;

function drawCell(cell: HTMLElement, member: Cell | null): void {
  if (!member) {
    cell.className = 'none';
    cell.replaceChildren('–');
    return;
  }
  const { state, priority, effectivePriority, note, leads, drained } = member;
  const fit = fitness(member);
  cell.className = `member ${state}${fit}`;
  cell.replaceChildren(
    el('b', `mark ${state}${fit}`, stateText(member)),
    el(
      'small',
      '',
      effectivePriority === null
        ? `priority set ${priority}`
        : `priority ${effectivePriority} (set ${priority})`,
      member.interface === null ? '' : ` · ${member.interface}`,
      leads ? ' · leads by switchover' : '',
    ),
  );
  // Of a reserve the legend says why.
  if (note !== null && !member.reserve)
    cell.append(el('small', 'note', localTimes(drained ? note.replace(/^drained: /, '') : note)));
}

/** What its colour and mark say besides the state. */
function fitness({ state, eligible, drained, reserve, contested }: Cell): string {
  if (contested) return ' two';
  if (state === 'MASTER' || state === 'UNKNOWN') return '';
  if (drained) return ' drained';
  if (reserve) return ' reserve';
  return eligible ? '' : ' out';
}

/** VRRP's own word; where that is not the whole truth, what it comes to. */
function stateText({ state, eligible, drained, reserve, held, contested }: Cell): string {
  if (state === 'UNKNOWN') return held ? 'UNKNOWN, last known to hold' : 'UNKNOWN';
  if (contested) return `${state}, and not alone`;
  if (drained && state !== 'MASTER') return 'DRAINED';
  if (reserve && state !== 'MASTER') return 'IN RESERVE';
  if (state === 'NONE') return 'NOT RUNNING';
  return state === 'BACKUP' && !eligible ? 'BACKUP, HELD' : state;
}

function rowsOf({ groups: all, agents }: Overview): Row[] {
  const heard = new Map<string, OverviewAgent>(agents.map((agent) => [agent.node, agent]));
  const hostnames = new Map<string, string>(agents.map(({ node, hostname }) => [node, hostname]));
  const cells = new Map<string, (Cell | null)[]>();
  for (const [index, { members, holders }] of all.entries()) {
    for (const member of members) {
      hostnames.set(member.node, member.hostname);
      const line = cells.get(member.node) ?? all.map(() => null);
      const holder = holders.find(({ node }) => node === member.node);
      line[index] = {
        ...member,
        held: holder?.heard === false,
        contested: holder !== undefined && holders.length > 1,
      };
      cells.set(member.node, line);
    }
  }
  const uses = new Map<string, number>();
  for (const hostname of hostnames.values()) uses.set(hostname, (uses.get(hostname) ?? 0) + 1);
  return [...hostnames]
    .map(([node, hostname]): Row => {
      const agent = heard.get(node);
      return {
        node,
        name: (uses.get(hostname) ?? 0) > 1 ? `${hostname} (${node.slice(0, 8)})` : hostname,
        seenMs: agent ? (agent.connected ? undefined : agent.seenMs) : null,
        cells: cells.get(node) ?? all.map(() => null),
      };
    })
    .sort((a, b) => byName.compare(a.name, b.name));
}
