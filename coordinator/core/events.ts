// What happens, one value each, as `swarm-vip events` shows it: changes of state, orders, problems, who is active.
import type { Problem } from '../../shared/problem.ts';
import { problemKey, problemText } from '../../shared/problem.ts';
import type { AssignedInstance } from '../../shared/protocol.ts';
import { reasonWords } from '../../shared/transition-words.ts';
import type { NodeTransition } from './history.ts';
import type { NodeRef } from './status.ts';

interface Common {
  /** The same event has the same key, from whichever coordinator and however often. */
  key: string;
  /** Unix ms: of a transition by the clock of its node, of all others by that of the coordinator. */
  atMs: number;
}

export interface TransitionEvent extends Common, NodeRef {
  type: 'transition';
  group: string;
  from: string;
  to: string;
  priority: number;
  why: string;
}

/** An assignment was sent to a node. */
export interface OrderEvent extends Common, NodeRef {
  type: 'order';
  epoch: number;
  counter: number;
  groups: {
    group: string;
    priority: number;
    standAside?: 'relieved' | 'now';
    transition?: 'keep' | 'hold' | 'lead';
    order?: string;
  }[];
}

export interface ProblemEvent extends Common {
  type: 'problem' | 'solved';
  problem: Problem;
}

/** A coordinator begins, or ceases, to be the active one. */
export interface RoleEvent extends Common, NodeRef {
  type: 'active' | 'standby';
}

export type LiveEvent = TransitionEvent | OrderEvent | ProblemEvent | RoleEvent;

export function transitionEvent(entry: NodeTransition): TransitionEvent {
  const { node, hostname, group, from, to, priority, atMs, seq } = entry;
  const key = `transition ${node} ${seq}`;
  const why = reasonWords(entry);
  return { type: 'transition', key, atMs, node, hostname, group, from, to, priority, why };
}

/** Never with a password or a check: what is said here is read on the network. */
export function orderEvent(
  to: NodeRef,
  { epoch, counter }: { epoch: number; counter: number },
  instances: readonly AssignedInstance[],
  atMs: number,
): OrderEvent {
  return {
    type: 'order',
    key: `order ${epoch} ${counter}`,
    atMs,
    ...to,
    epoch,
    counter,
    groups: instances.map(({ group, priority, standAside, transition, order }) => ({
      group,
      priority,
      ...(standAside ? { standAside } : {}),
      ...(transition ? { transition } : {}),
      ...(order === undefined ? {} : { order }),
    })),
  };
}

export const problemEvent = (type: ProblemEvent['type'], problem: Problem, atMs: number): ProblemEvent => ({
  type,
  key: problemKey(problem),
  atMs,
  problem,
});

export const roleEvent = (type: RoleEvent['type'], self: NodeRef, atMs: number): RoleEvent => ({
  type,
  key: `${type} ${self.node} ${atMs}`,
  atMs,
  ...self,
});

/** Whether the event speaks of the group; what speaks of no group speaks of all. */
export function concerns(event: LiveEvent, group: string): boolean {
  if (event.type === 'transition') return event.group === group;
  if (event.type === 'order') return event.groups.some((each) => each.group === group);
  if ('problem' in event) return event.problem.group === undefined || event.problem.group === group;
  return true;
}

/** How single words are to look. */
interface Words {
  state(text: string): string;
  severity(text: string): string;
}
const plain: Words = { state: String, severity: String };

/** One line for people. */
export function eventText(event: LiveEvent, words: Words = plain): string {
  const time = new Date(event.atMs).toISOString();
  switch (event.type) {
    case 'transition':
      return `${time}  ${event.group}  ${event.hostname}  ${words.state(event.from)} → ${words.state(event.to)}  ${event.why}`;
    case 'order': {
      const groups = event.groups.map(({ group, priority, standAside, transition, order }) =>
        [
          `${group} with priority ${priority}`,
          ...(standAside ? ['stands aside'] : []),
          ...(transition ? [transition] : []),
          ...(order === undefined ? [] : [order]),
        ].join(', '),
      );
      return `${time}  order ${event.epoch}.${event.counter}  ${event.hostname}  ${groups.join('; ') || 'nothing'}`;
    }
    case 'problem':
      return `${time}  ${words.severity(event.problem.severity)}  ${problemText(event.problem)}`;
    case 'solved':
      return `${time}  ${words.severity('solved')}  ${event.problem.where}: ${event.problem.message}`;
    default:
      return `${time}  coordinator  ${event.hostname}  ${event.type}`;
  }
}

/** First line of a stream: who speaks, and which problems there are now. */
export interface StreamHead {
  type: 'stream';
  apiVersion: 'swarm-vip/v1';
  role: 'active' | 'standby';
  coordinator: NodeRef;
  /** Where the active one serves its events, if that is another one. */
  active: string | null;
  problems: { key: string; problem: Problem }[];
}

/** After what had happened before, and every few seconds, so that silence means a broken connection. */
export type StreamLine = StreamHead | LiveEvent | { type: 'live' } | { type: 'beat' };

/** What a follower has shown, over all the coordinators it has heard. */
export interface Shown {
  /** Of events that happen once. */
  readonly keys: readonly string[];
  /** By key: problems that were told, and not yet told as solved. */
  readonly open: ReadonlyMap<string, Problem>;
  /** The head of the stream that is read now. */
  readonly head: StreamHead | undefined;
  /** Whether that has come to what happens now, and whether one before it had. */
  readonly live: boolean;
  readonly again: boolean;
}

export const nothingShown: Shown = { keys: [], open: new Map(), head: undefined, live: false, again: false };
const mostKeys = 2_000;

/**
 * A line → what is to be shown of it. After a break the next coordinator tells again what has been shown, and it may
 * not know of a problem that was solved meanwhile: then the problems that there are now count, not its memory.
 */
export function follow(shown: Shown, line: StreamLine, nowMs: number): { shown: Shown; events: LiveEvent[] } {
  switch (line.type) {
    case 'beat':
      return { shown, events: [] };
    case 'stream': {
      const next = { ...shown, head: line, live: false };
      if (!shown.again) return { shown: next, events: [] };
      const now = new Map(line.problems.map(({ key, problem }) => [key, problem]));
      const gone = [...shown.open].filter(([key]) => !now.has(key));
      const come = [...now].filter(([key]) => !shown.open.has(key));
      const events = [
        ...gone.map(([, problem]) => problemEvent('solved', problem, nowMs)),
        ...come.map(([, problem]) => problemEvent('problem', problem, nowMs)),
      ];
      return { shown: { ...next, open: now }, events };
    }
    case 'live': {
      const open = new Map(shown.head?.problems.map(({ key, problem }) => [key, problem]));
      return { shown: { ...shown, open, live: true, again: true }, events: [] };
    }
    case 'problem':
    case 'solved': {
      if (shown.again && !shown.live) return { shown, events: [] };
      const open = new Map(shown.open);
      if (line.type === 'problem') open.set(line.key, line.problem);
      else open.delete(line.key);
      return { shown: { ...shown, open }, events: [line] };
    }
    default: {
      if (shown.keys.includes(line.key)) return { shown, events: [] };
      const keys = [...shown.keys.slice(1 - mostKeys), line.key];
      return { shown: { ...shown, keys }, events: [line] };
    }
  }
}
