// The overview → everything that is wrong, worst first, each with what can be done about it. The list is pure, drawing
// it is not.
import type { Overview, OverviewGroup } from '../core/overview.ts';
import { plain } from '../core/plain-address.ts';
import { localTimes } from './clock.ts';
import { byId, drawEach, el, setText } from './dom.ts';
import { named } from './headline.ts';

export interface Trouble {
  level: 'NO HOLDER' | 'TWO HOLDERS' | 'ERROR' | 'OUT' | 'WAITS' | 'WARNING';
  what: string;
  /** What the software does meanwhile. */
  instead?: string;
  remedy?: string;
  /** Which group complains, where several may in the same words. */
  group?: string | undefined;
}

/** A list that nobody reads to its end helps nobody. */
const most = 60;

export function troubles(overview: Overview): Trouble[] {
  const { groups, problems } = overview;
  const told = (severity: 'error' | 'warning', level: Trouble['level']) =>
    problems
      .filter((problem) => problem.severity === severity)
      // A pause is no trouble: the banner and the table of maintenance tell it.
      .filter(({ code }) => code !== 'paused')
      .map(({ where, message, value, instead, remedy, group }) => ({
        level,
        what: `${where}: ${message}${value === undefined ? '' : ` (found “${value}”)`}`,
        ...{ instead, remedy, group },
      }));
  return counted([
    ...groups.flatMap(broken),
    ...told('error', 'ERROR'),
    ...unfit(overview),
    ...groups.flatMap(waits),
    ...told('warning', 'WARNING'),
  ]);
}

/** What several groups complain of in the same words is read once. */
function counted(all: readonly Trouble[]): Trouble[] {
  const same = new Map<string, Trouble[]>();
  for (const trouble of all) {
    const known = same.get(trouble.what);
    if (known) known.push(trouble);
    else same.set(trouble.what, [trouble]);
  }
  return [...same.values()].flatMap((each) => {
    const [first] = each;
    if (!first || each.length === 1) return each;
    const groups = [...new Set(each.flatMap(({ group }) => group ?? []))];
    const whose = groups.length > 1 ? `concerns ${named(groups)}` : `${each.length} times`;
    return [{ ...first, what: `${first.what} (${whose})` }];
  });
}

function broken({ name, addresses, holders, members }: OverviewGroup): Trouble[] {
  if (holders.length > 1) {
    const what = `${name}: ${holders.map(({ hostname }) => hostname).join(' AND ')} hold ${named(addresses.map(plain))}`;
    return [{ level: 'TWO HOLDERS', what, remedy: 'let VRRP (IP protocol 112) pass between them' }];
  }
  if (holders.length === 0) {
    const what = `${name}: nobody holds ${named(addresses.map(plain))}`;
    const remedy =
      members.length === 0
        ? 'make nodes members of the group'
        : 'mend one member: what keeps each from holding stands below';
    return [{ level: 'NO HOLDER', what, remedy }];
  }
  return [];
}

/** Members that cannot take over: one line for a node and reason, however many groups it concerns. */
function unfit({ groups, problems }: Overview): Trouble[] {
  const missed = new Set(problems.filter(({ code }) => code === 'agent-unreachable').map(({ node }) => node));
  const lines = new Map<string, { hostname: string; note: string; groups: string[]; fit: boolean }>();
  for (const { name, members } of groups) {
    for (const { node, hostname, state, eligible, drained, observed, reserve, note } of members) {
      // That nobody hears the node is a problem of its own, with a remedy.
      if (
        note === null ||
        drained ||
        reserve ||
        (observed && eligible) ||
        (state === 'UNKNOWN' && missed.has(node))
      )
        continue;
      const key = `${node} ${note} ${eligible}`;
      const line = lines.get(key) ?? { hostname, note, groups: [], fit: eligible };
      line.groups.push(name);
      lines.set(key, line);
    }
  }
  return [...lines.values()]
    .sort((a, b) => Number(a.fit) - Number(b.fit))
    .map(({ hostname, note, groups, fit }) => ({
      level: fit ? 'WARNING' : 'OUT',
      what: `${hostname} ${fit ? 'has lost priority in' : 'cannot take over'} ${named(groups)}: ${note}`,
    }));
}

function waits({ name, waiting }: OverviewGroup): Trouble[] {
  return waiting.map(({ hostname, for: others, why, outOfContact }) => ({
    level: 'WAITS',
    what: `${name}: a change on ${hostname} waits for ${named(others)}: ${why}`,
    ...(outOfContact.length === 0
      ? {}
      : { remedy: `if it is off for certain: swarm-vip confirm-down ${outOfContact.join(' ')}` }),
  }));
}

const list = byId('wrong-list', HTMLUListElement);
const nothing = byId('wrong-none', HTMLParagraphElement);

export function drawTroubles(overview: Overview): void {
  const all = troubles(overview);
  drawEach(list, all.slice(0, most), ({ what }) => what, 'li', drawTrouble);
  list.hidden = all.length === 0;
  nothing.hidden = all.length > 0 && all.length <= most;
  setText(
    nothing,
    all.length === 0
      ? 'Nothing.'
      : `And ${all.length - most} more: swarm-vip status on a manager shows them all.`,
  );
  setText(byId('wrong-count', HTMLSpanElement), all.length === 0 ? '' : `(${all.length})`);
}

function drawTrouble(item: HTMLElement, { level, what, instead, remedy }: Trouble): void {
  item.className = `trouble ${level.toLowerCase().replace(' ', '-')}`;
  item.replaceChildren(el('b', 'level', level), el('span', 'what', localTimes(what)));
  if (remedy !== undefined) item.append(el('span', 'remedy', el('b', '', 'Do: '), localTimes(remedy)));
  if (instead !== undefined)
    item.append(el('span', 'instead', el('b', '', 'Meanwhile: '), localTimes(instead)));
}
