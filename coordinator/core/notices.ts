// Status and history → what there is to tell, once each. A machine: what a coordinator has to remember between two looks.
//
//   condition seen ──confirmed──▶ told: began ──not seen──▶ … ──confirmed──▶ told: ended
//
// A state that passes within seconds (an agent that is updated, a coordinator that has just begun to hear agents) is
// nothing to wake anybody for. A take-over is told when its former holder had time to say why.
import type { Problem } from '../../shared/problem.ts';
import { problemKey, problemWords } from '../../shared/problem.ts';
import { fnv1a } from './hash.ts';
import type { Switch } from './history.ts';
import type { NoticeKind } from './notifications.ts';
import { plain } from './plain-address.ts';
import type { Status } from './status.ts';

export type NoticeSeverity = 'critical' | 'error' | 'warning' | 'info';

export interface Notice {
  /** The same whichever coordinator tells it, and however often. */
  id: string;
  /** Of the condition, or of the take-over. */
  key: string;
  kind: NoticeKind;
  phase: 'happened' | 'began' | 'ended';
  severity: NoticeSeverity;
  /** Unix ms. */
  atMs: number;
  /** When it began, of one that has ended. */
  sinceMs: number;
  group: string | null;
  /** Host name. */
  node: string | null;
  /** One line. */
  summary: string;
  remedy: string | null;
}

type Condition = Pick<Notice, 'key' | 'kind' | 'severity' | 'group' | 'node' | 'summary' | 'remedy'> & {
  /** The summary of its end: causes that are gone would read as if they stood. */
  over: string;
};

interface Open {
  condition: Condition;
  firstMs: number;
  /** Since when it is not seen any more. */
  goneMs: number | undefined;
  told: boolean;
}

export interface Noticed {
  readonly beganMs: number;
  readonly open: ReadonlyMap<string, Open>;
  /** Take-overs that are told, and when others were first seen. */
  readonly switches: ReadonlyMap<string, { firstMs: number; told: boolean }>;
}

/** Agents need so long to be heard by a coordinator that has just begun. */
const warmUpMs = 10_000;
/** Switches of the past are no news after that, whatever agents remember. */
export const longestPastMs = 86_400_000;
const settleMs = 2_000;
const confirmMs: Record<Exclude<NoticeKind, 'holder'>, number> = {
  'no-holder': 3_000,
  'two-holders': 1_500,
  problem: 3_000,
  'agent-gone': 15_000,
  drained: 0,
};
const endedMs = 3_000;

export const beginNoticing = (nowMs: number): Noticed => ({
  beganMs: nowMs,
  open: new Map(),
  switches: new Map(),
});

/** @param heard whether somebody was told, by a former coordinator, that the condition with this key began */
export function notice(
  before: Noticed,
  status: Status,
  switches: readonly Switch[],
  nowMs: number,
  heard: (key: string) => boolean = () => false,
): { noticed: Noticed; notices: Notice[] } {
  const notices: Notice[] = [];
  const known = new Map<string, { firstMs: number; told: boolean }>();
  for (const one of switches) {
    if (one.atMs < nowMs - longestPastMs) continue;
    const told = noticeOf(one);
    const seen = before.switches.get(told.key) ?? { firstMs: nowMs, told: false };
    const due = !seen.told && nowMs - Math.min(seen.firstMs, one.atMs) >= settleMs;
    known.set(told.key, { ...seen, told: seen.told || due });
    if (due) notices.push(told);
  }
  const open = new Map<string, Open>();
  const now = new Map(conditionsOf(status).map((condition) => [condition.key, condition]));
  const warm = nowMs - before.beganMs >= warmUpMs;
  for (const condition of now.values()) {
    const was = before.open.get(condition.key);
    const firstMs = was?.firstMs ?? nowMs;
    const known = was?.told === true || heard(condition.key);
    const due = !known && warm && nowMs - firstMs >= confirmMs[condition.kind as keyof typeof confirmMs];
    open.set(condition.key, { condition, firstMs, goneMs: undefined, told: known || due });
    if (due) notices.push(conditionNotice(condition, 'began', firstMs, firstMs));
  }
  for (const [key, was] of before.open) {
    if (now.has(key)) continue;
    const goneMs = was.goneMs ?? nowMs;
    const over = nowMs - goneMs >= endedMs;
    if (was.told && over) notices.push(conditionNotice(was.condition, 'ended', goneMs, was.firstMs));
    else if (was.told) open.set(key, { ...was, goneMs });
  }
  return { noticed: { ...before, open, switches: known }, notices };
}

/** What goes on at present and has been told, as when it began. */
export const standing = ({ open }: Noticed): Notice[] =>
  [...open.values()]
    .filter(({ told, goneMs }) => told && goneMs === undefined)
    .map(({ condition, firstMs }) => conditionNotice(condition, 'began', firstMs, firstMs));

export function noticeOf({ group, atMs, from, to, reason, cause }: Switch): Notice {
  const key = `holder ${group} ${to.node} ${atMs}`;
  const whence = from && from.node !== to.node ? `, after ${from.hostname}` : '';
  return {
    ...{ id: `holder-${hash(key)}-${atMs}`, key, kind: 'holder', phase: 'happened' },
    severity: cause === 'drained' || cause === 'ordered' || cause === 'first' ? 'info' : 'warning',
    ...{ atMs, sinceMs: atMs, group, node: to.hostname },
    summary: `${group} is held by ${to.hostname}${whence}: ${reason}`,
    remedy: null,
  };
}

/**
 * Two coordinators see a condition begin within a second of each other, so that they mostly agree on its id; the same
 * condition begins again, and is told, after `endedMs` at the earliest, so that never has the id of before.
 */
function conditionNotice(
  { over, ...condition }: Condition,
  phase: 'began' | 'ended',
  atMs: number,
  sinceMs: number,
): Notice {
  const id = `${condition.kind}-${hash(condition.key)}-${phase}-${Math.floor(atMs / endedMs)}`;
  return { ...condition, ...(phase === 'ended' ? { summary: over } : {}), id, phase, atMs, sinceMs };
}

export const hash = (text: string): string => fnv1a(text).toString(36);

/** Told as conditions of their own. */
const toldOtherwise = new Set(['two-holders', 'agent-unreachable']);

function conditionsOf({ groups, agents, problems }: Status): Condition[] {
  const found: Condition[] = [];
  for (const { name, verdict, addresses, holders, members } of groups) {
    // Whoever is woken may know the address and not the group.
    const what = `${name} (${addresses.map(plain).join(', ')})`;
    const cause = problems.find(({ code, group }) => code === 'two-holders' && group === name);
    if (verdict === 'NO HOLDER') {
      const notes = members.map(({ hostname, note }) => `${hostname}: ${note ?? 'ready'}`);
      found.push({
        ...{ key: `no-holder ${name}`, kind: 'no-holder', severity: 'critical', group: name, node: null },
        summary: `nobody holds ${what}${notes.length > 0 ? `; ${notes.join('; ')}` : ''}`,
        remedy:
          notes.length > 0
            ? 'mend what keeps one of the members from holding; swarm-vip status shows them all'
            : 'make nodes members of the group: it has none',
        over: `nobody held ${what}`,
      });
    }
    if (verdict === 'TWO HOLDERS') {
      found.push({
        ...{ key: `two-holders ${name}`, kind: 'two-holders', severity: 'critical', group: name, node: null },
        summary: `two holders of ${what}: ${cause?.message ?? `${holders.map(({ hostname }) => hostname).join(' and ')} hold at once`}`,
        remedy: cause?.remedy ?? 'let IP protocol 112 (VRRP) pass between the members',
        over: `two nodes held ${what}`,
      });
    }
    for (const { node, hostname, drain } of members) {
      if (!drain) continue;
      const why = drain.reason === '' ? '' : `: ${drain.reason}`;
      const until = drain.until === null ? '' : `, until ${drain.until}`;
      found.push({
        ...{ key: `drained ${name} ${node}`, kind: 'drained', severity: 'info', group: name, node: hostname },
        summary: `${hostname} is drained${why}${until}: ${name} goes elsewhere`,
        over: `${hostname} was drained${why}: it may hold ${name} again`,
        remedy: null,
      });
    }
  }
  const gone = new Map(
    agents.filter(({ connected }) => !connected).map((each) => [each.node, each.hostname]),
  );
  for (const [node, hostname] of gone) {
    found.push({
      ...{ key: `agent-gone ${node}`, kind: 'agent-gone', severity: 'warning', group: null, node: hostname },
      summary: `the agent of ${hostname} is out of contact; its keepalived may go on by itself`,
      over: `the agent of ${hostname} was out of contact`,
      remedy:
        problems.find((each) => each.code === 'agent-unreachable' && each.node === node)?.remedy ?? null,
    });
  }
  for (const problem of problems) {
    const name = agents.find(({ node }) => node === problem.node)?.hostname ?? problem.node;
    if (!toldOtherwise.has(problem.code)) found.push(ofProblem(problem, name));
  }
  return found;
}

function ofProblem(problem: Problem, node: string | undefined): Condition {
  const { severity, group, remedy } = problem;
  const summary = problemWords(problem);
  return {
    ...{ key: `problem ${problemKey(problem)}`, kind: 'problem', severity, remedy },
    ...{ group: group ?? null, node: node ?? null, summary, over: summary },
  };
}
