// A change of state and the clues around it → the entry that history keeps.
import type { StateTransition, TransitionCause, VrrpState } from '../../shared/protocol.ts';
import type { Clue } from './clue.ts';

export interface Change {
  readonly group: string;
  readonly from: VrrpState;
  readonly to: VrrpState;
  readonly priority: number;
  readonly atMs: number;
}

/** What else is known at that moment. */
export interface Circumstances {
  /** Since the instance's last change, oldest first. */
  readonly clues: readonly Clue[];
  /** Why the agent holds the instance back, if it does. */
  readonly pause: string | undefined;
  /** What takes from its priority. */
  readonly weighs: string | undefined;
  readonly order: Order | undefined;
}

export interface Order {
  readonly words: string;
  /** To stand aside; else to lead. */
  readonly aside: boolean;
}

export type Explained = Pick<StateTransition, 'cause' | 'peer' | 'detail' | 'order'>;

export function explain(change: Change, circumstances: Circumstances): Explained {
  const { order } = circumstances;
  const explains = order?.aside ? change.from === 'MASTER' : change.to === 'MASTER';
  return { ...causeOf(change, circumstances), ...(order && explains ? { order: order.words } : {}) };
}

const only = (cause: TransitionCause): Explained => ({ cause });

function causeOf({ from, to }: Change, { clues, pause, weighs }: Circumstances): Explained {
  if (to === 'STOP') return only('stopped');
  if (to === 'MASTER') return riseOf(clues);
  if (to === 'FAULT') return faultOf(from, clues, pause);
  if (from === 'FAULT') return only('resumed');
  if (from === 'INIT') return only('started');
  return from === 'MASTER' ? yieldOf(clues, weighs) : only('unknown');
}

/** The last thing heard before the timer ran out; the time-out itself is logged in each case. */
function riseOf(clues: readonly Clue[]): Explained {
  const heard = clues.findLast(({ kind }) => kind === 'resigned' || kind === 'lower');
  if (heard?.kind === 'resigned') return only('resigned');
  if (heard?.kind === 'lower') return { cause: 'preempted', peer: peerOf(heard) };
  return only(clues.some(({ kind }) => kind === 'silence') ? 'silence' : 'unknown');
}

function yieldOf(clues: readonly Clue[], weighs: string | undefined): Explained {
  const clue = clues.findLast(({ kind }) => kind === 'higher' || kind === 'address-removed');
  if (clue?.kind === 'higher') {
    const detail = weighs === undefined ? {} : { detail: weighs.slice(0, 300) };
    return { cause: 'higher-priority', peer: peerOf(clue), ...detail };
  }
  return clue?.kind === 'address-removed'
    ? { cause: 'address-removed', detail: clue.address }
    : only('unknown');
}

function faultOf(from: VrrpState, clues: readonly Clue[], pause: string | undefined): Explained {
  const clue = clues.findLast(({ kind }) => kind === 'interface-down' || kind === 'track-file');
  if (clue?.kind === 'interface-down') return { cause: 'interface-down', detail: clue.name };
  if (pause !== undefined) return { cause: 'held-back', detail: pause.slice(0, 300) };
  if (clue?.kind === 'track-file') return { cause: 'held-back', detail: `track file ${clue.name}` };
  return only(from === 'INIT' ? 'started' : 'unknown');
}

const peerOf = ({ address, priority }: Extract<Clue, { kind: 'lower' | 'higher' }>) => ({
  address,
  ...(priority === undefined ? {} : { priority }),
});

/** A dump and the FIFO differ by less than this on when one change was. */
const sameMomentMs = 2_000;

/**
 * What a restarted agent finds: nothing new (undefined), or a change that nobody watched.
 * @param last the newest entry of the group
 */
export function unseen(found: Change, last: StateTransition | undefined): Change | undefined {
  if (!last) return found;
  const known = last.to === found.to && Math.abs(found.atMs - last.atMs) < sameMomentMs;
  return known || found.atMs < last.atMs ? undefined : { ...found, from: last.to };
}
