// The last day of each group: a strip of who held it, and the same in words below it, for those who do not see strips.
import type { Stretch } from '../core/holdings.ts';
import type { Overview, OverviewGroup } from '../core/overview.ts';
import { moment } from './ages.ts';
import { clockText, nowMs } from './clock.ts';
import { byId, drawEach, el, setText } from './dom.ts';
import { moveText } from './groups.ts';

const axis = byId('day-axis', HTMLDivElement);
const list = byId('day-groups', HTMLDivElement);
const title = byId('day-title', HTMLHeadingElement);

const hourMs = 3_600_000;
/** A strip of a day shows nothing of a Swarm that is ten minutes old. */
const windows = [hourMs / 12, hourMs / 4, hourMs, 3 * hourMs, 6 * hourMs, 12 * hourMs, 24 * hourMs] as const;
const words = new Map<number, string>([
  [hourMs / 12, '5 minutes'],
  [hourMs / 4, '15 minutes'],
  [hourMs, 'hour'],
  [24 * hourMs, 'day'],
]);
const ticks = 4;
/** Share of the strip. */
const leastForText = 0.06;

let groups: OverviewGroup[] = [];
let windowMs: number = 24 * hourMs;
const open = new Set<string>();

export function drawDay(overview: Overview): void {
  groups = overview.groups;
  refreshDay();
}

/** The strips move on with the clock. */
export function refreshDay(): void {
  const now = nowMs();
  const firstMs = Math.min(now, ...groups.flatMap(({ past }) => past[0]?.fromMs ?? []));
  windowMs = windows.find((each) => now - firstMs <= each) ?? 24 * hourMs;
  setText(title, `Who held what in the last ${words.get(windowMs) ?? `${windowMs / hourMs} hours`}`);
  const marks = Array.from({ length: ticks + 1 }, (_, k) => now - windowMs + (windowMs * k) / ticks);
  axis.replaceChildren(
    ...marks.map((ms, k) => el('span', '', k === ticks ? 'now' : clockText(ms).replace(/:\d\d$/, ''))),
  );
  const items = groups.map(({ name, past, switches, olderSwitches }) => ({
    ...{ name, past, switches, olderSwitches },
    // To the pixel of a wide screen: finer steps would only draw the same again.
    step: Math.floor(now / (windowMs / 2_000)),
  }));
  drawEach(list, items, ({ name }) => name, 'div', drawGroupDay);
}

type Day = Pick<OverviewGroup, 'name' | 'past' | 'switches' | 'olderSwitches'>;

function drawGroupDay(row: HTMLElement, { name, past, switches, olderSwitches }: Day): void {
  row.className = 'day';
  const strip = el('div', 'strip', ...unknown(past[0]?.fromMs), ...past.flatMap(stretch));
  strip.setAttribute('aria-hidden', 'true');
  const count = switches.length + olderSwitches;
  const switched = count === 0 ? 'no switch' : count === 1 ? '1 switch' : `${count} switches`;
  const summary = el(
    'summary',
    '',
    `${name}: ${switched} in the last day${count > 1 ? ', newest first' : ''}`,
  );
  const details = el('details', '', summary, el('ul', '', ...switches.map(switchLine)));
  if (olderSwitches > 0)
    details.append(el('p', '', `${olderSwitches} more: swarm-vip history ${name} --since 1d`));
  details.open = open.has(name);
  details.addEventListener('toggle', () => (details.open ? open.add(name) : open.delete(name)));
  const focused = row.querySelector('summary') === document.activeElement;
  row.replaceChildren(el('h3', '', name), strip, details);
  if (focused) summary.focus();
}

const switchLine = (each: Day['switches'][number]): HTMLElement =>
  el('li', '', moment(each.atMs), ' ', el('b', '', moveText(each)), ' ', each.reason);

/** Positions go through the CSS object model: the page's policy knows no inline styles. */
function stretch({ fromMs, toMs, holders }: Stretch): HTMLElement[] {
  const now = nowMs();
  const startMs = now - windowMs;
  const from = Math.max(0, (fromMs - startMs) / windowMs);
  const to = ((toMs ?? now) - startMs) / windowMs;
  if (to <= 0) return [];
  const name = holders.length === 0 ? 'nobody' : holders.join(' AND ');
  const kind = holders.length === 0 ? 'nobody' : holders.length > 1 ? 'two' : `one tone${toneOf(name)}`;
  // Half a letter reads as a defect; the words are below.
  const part = el('span', kind, to - from < leastForText ? '' : name);
  part.title = `${name}: ${clockText(fromMs)} to ${toMs === null ? 'now' : clockText(toMs)}`;
  place(part, from, to);
  return [part];
}

/** What lies before anybody's memory: an empty strip would read as if nobody had held it. */
function unknown(untilMs: number | undefined): HTMLElement[] {
  const to = untilMs === undefined ? 1 : 1 - (nowMs() - untilMs) / windowMs;
  if (to <= 0) return [];
  const part = el('span', 'unknown', to < leastForText ? '' : 'not known');
  place(part, 0, to);
  return [part];
}

function place(part: HTMLElement, from: number, to: number): void {
  part.style.left = `${(from * 100).toFixed(3)}%`;
  part.style.width = `${((to - from) * 100).toFixed(3)}%`;
}

/** The same node looks the same in all strips. */
function toneOf(name: string): number {
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + letter.charCodeAt(0)) % 9973;
  return sum % 4;
}
