// The overview → the one word and the one sentence that are read across the room. Pure.
import type { Overview, OverviewGroup } from '../core/overview.ts';
import { plain } from '../core/plain-address.ts';
import { clockText } from './clock.ts';

export interface Headline {
  word: string;
  tone: 'good' | 'warn' | 'bad' | 'unknown';
  sentence: string;
}

export type Contact = 'kept' | 'lost' | 'starting';

export function headline(overview: Overview | undefined, contact: Contact): Headline {
  if (contact === 'starting')
    return {
      word: 'STARTING',
      tone: 'unknown',
      sentence: 'The coordinator has not read Swarm yet. VRRP goes on without it.',
    };
  if (!overview && contact === 'kept')
    return { word: 'CONNECTING', tone: 'unknown', sentence: 'Asking the coordinator.' };
  if (contact === 'lost')
    return {
      word: 'NO CONTACT',
      tone: 'unknown',
      sentence: overview
        ? `The coordinator does not answer this page. What follows is old: it was ${overview.verdict} then. VRRP goes on without it.`
        : 'The coordinator does not answer this page. VRRP goes on without it.',
    };
  return overview ? ofOverview(overview) : headline(undefined, 'lost');
}

function ofOverview({ verdict, groups, problems, pause }: Overview): Headline {
  if (groups.length === 0)
    return { word: 'NO GROUPS', tone: 'unknown', sentence: `No group is defined.${problemsText(problems)}` };
  switch (verdict) {
    case 'TWO HOLDERS':
    case 'NO HOLDER':
      return { word: verdict, tone: 'bad', sentence: `${brokenText(groups)}.${pausedText(pause)}` };
    case 'DEGRADED':
      return {
        word: verdict,
        tone: 'warn',
        sentence: `${degradedText(groups, problems)}${pausedText(pause)}`,
      };
    case 'OK':
      return { word: 'OK', tone: 'good', sentence: `${okText(groups)}${pausedText(pause)}` };
  }
}

function pausedText(pause: Overview['pause']): string {
  if (!pause) return '';
  const why = pause.reason === '' ? '' : ` (${pause.reason})`;
  return ` Paused until ${clockText(Date.parse(pause.until))}${why}: labels and files change nothing.`;
}

const mostNamed = 3;

/** Members that are not needed. */
export const spares = ({ members }: OverviewGroup): number => members.filter(({ reserve }) => reserve).length;

/** "a, b, c and 4 more" */
export function named(names: readonly string[]): string {
  const rest = names.length - mostNamed;
  return rest > 0 ? `${names.slice(0, mostNamed).join(', ')} and ${rest} more` : names.join(', ');
}

function brokenText(groups: readonly OverviewGroup[]): string {
  const two = groups.filter(({ holders }) => holders.length > 1);
  const none = groups.filter(({ holders }) => holders.length === 0);
  const what = ({ name, addresses }: OverviewGroup) => `${name} (${named(addresses.map(plain))})`;
  const both = ({ holders }: OverviewGroup) => holders.map(({ hostname }) => hostname).join(' AND ');
  const parts = [
    two.length > 0 && named(two.map((group) => `${what(group)} is held by ${both(group)}`)),
    none.length > 0 && `Nobody holds ${named(none.map(what))}`,
  ];
  return parts.filter((part) => part !== false).join('. ');
}

function degradedText(groups: readonly OverviewGroup[], problems: Overview['problems']): string {
  const unheard = groups.filter(({ holders }) => holders.some(({ heard }) => !heard));
  if (unheard.length > 0)
    return `The last known holder of ${named(unheard.map(({ name }) => name))} is out of contact.${problemsText(problems)}`;
  const thin = groups.filter((group) => group.verdict !== 'OK' && group.runnerUp !== null);
  const fit =
    thin.length > mostNamed
      ? ` ${thin.length} of ${groups.length} groups have members that cannot take over.`
      : thin.length > 0 &&
        ` ${named(thin.map((group) => `${group.name} has ${group.eligible} of ${group.members.length - spares(group)} members fit to hold`))}.`;
  return `Every address is held by exactly one node.${aloneText(groups)}${fit || ''}${problemsText(problems)}`;
}

function okText(groups: readonly OverviewGroup[]): string {
  const [only] = groups;
  const held =
    only && groups.length === 1
      ? `${only.holders[0]?.hostname} holds ${only.name}.${only.runnerUp === null ? '' : ` Next in line: ${only.runnerUp}.`}`
      : `All ${groups.length} groups have exactly one holder.`;
  return `${held}${aloneText(groups)}${drainedText(groups)}`;
}

function aloneText(groups: readonly OverviewGroup[]): string {
  const alone = groups.filter(({ runnerUp }) => runnerUp === null);
  return alone.length === 0 ? '' : ` Nobody could take over ${named(alone.map(({ name }) => name))}.`;
}

/** Counted as they are listed: what several groups complain of in the same words is one. */
function problemsText(problems: Overview['problems']): string {
  const found = problems.filter(({ severity }) => severity === 'error');
  const errors = new Set(found.map(({ where, message, value }) => [where, message, value].join('\n'))).size;
  if (errors === 0) return '';
  return errors === 1 ? ' 1 error is listed below.' : ` ${errors} errors are listed below.`;
}

function drainedText(groups: readonly OverviewGroup[]): string {
  const drained = new Set(
    groups.flatMap(({ members }) => members.filter((m) => m.drained).map((m) => m.hostname)),
  );
  return drained.size === 0 ? '' : ` Drained: ${named([...drained])}.`;
}
