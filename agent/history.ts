// What happened on this node, and why: kept on the volume, told to every manager. A new active coordinator knows the
// past of all nodes from it.
import * as v from 'valibot';
import type { Log } from '../shared/io/log.ts';
import {
  type History,
  historyLength,
  type Instance,
  StateTransition,
  type VrrpState,
} from '../shared/protocol.ts';
import { transitionFields } from '../shared/transition-words.ts';
import { GroupName } from '../shared/words.ts';
import type { Clue, FoundClue } from './core/clue.ts';
import { type Change, type Circumstances, explain, unseen } from './core/history.ts';
import type { StateStore } from './io/state-store.ts';

const HistoryFile = v.object({ transitions: v.array(StateTransition) });

/** keepalived writes log and FIFO at once, and we may read either first. */
const settleMs = 50;
const saveMs = 1_000;
const maxClues = 20;
/** Adverts come at least this often; an older line explains an older change. */
const clueLifeMs = 5_000;

/** A lower holder that is taken over from was heard until then; another one has fallen silent since. */
const lifeOf = ({ kind }: Clue, intervalMs: number): number =>
  kind === 'lower' ? Math.min(clueLifeMs, 2 * intervalMs) : clueLifeMs;

export interface HistoryKeeper {
  hear(found: FoundClue): void;
  /** keepalived has said so just now. */
  changed(change: Change): void;
  /** A dump shows it; it may be long ago. */
  found(change: Change): void;
  /** keepalived has ended by itself. */
  crashed(groups: ReadonlyMap<string, { state: VrrpState; priority: number }>): void;
  /** All that is known, for a manager that has just welcomed us. */
  resend(): void;
  /** Writes what is not saved yet. */
  flush(): void;
}

export interface HistoryDeps {
  readonly file: string;
  readonly store: StateStore;
  readonly log: Log;
  readonly wallNow: () => number;
  /** Why the agent holds the group back right now, and what it was ordered. */
  readonly circumstances: (group: string) => Omit<Circumstances, 'clues'>;
  /** As keepalived runs it. */
  readonly running: (group: string) => Pick<Instance, 'intervalMs' | 'priority'> | undefined;
  readonly send: (text: string) => void;
}

export function createHistory(deps: HistoryDeps): HistoryKeeper {
  const { store, file, wallNow } = deps;
  let transitions: readonly StateTransition[] = store.read(file, HistoryFile)?.transitions ?? [];
  const clues = new Map<string, { clue: Clue; atMs: number }[]>();
  let saving: NodeJS.Timeout | undefined;

  const send = (news: readonly StateTransition[]) =>
    deps.send(JSON.stringify({ type: 'history', transitions: [...news] } satisfies History));
  const save = () => {
    clearTimeout(saving);
    saving = undefined;
    store.write(file, { transitions });
  };
  const lastOf = (group: string) => transitions.findLast((entry) => entry.group === group);

  const add = ({ group, ...change }: Change, why: Pick<StateTransition, 'cause'>) => {
    const entry: StateTransition = {
      seq: Math.max((transitions.at(-1)?.seq ?? 0) + 1, wallNow()),
      group: v.parse(GroupName, group),
      ...change,
      ...why,
    };
    transitions = [...transitions, entry].slice(-historyLength);
    send([entry]);
    deps.log.info(transitionFields(entry, deps.running(group)?.priority), 'VRRP state');
    saving ??= setTimeout(save, saveMs);
  };

  return {
    hear({ group, clue }) {
      const concerned = group === undefined ? [...clues.keys()] : [group];
      for (const name of concerned) {
        const known = clues.get(name) ?? [];
        clues.set(name, [...known, { clue, atMs: wallNow() }].slice(-maxClues));
      }
    },
    changed(change) {
      // What led to it is being read in these milliseconds; orders and pauses are those of the moment itself.
      const circumstances = deps.circumstances(change.group);
      setTimeout(() => {
        const heard = clues.get(change.group) ?? [];
        const intervalMs = deps.running(change.group)?.intervalMs ?? clueLifeMs;
        const fresh = heard.filter(({ clue, atMs }) => atMs >= change.atMs - lifeOf(clue, intervalMs));
        add(change, explain(change, { clues: fresh.map(({ clue }) => clue), ...circumstances }));
        // What came after it may explain the next change.
        clues.set(
          change.group,
          heard.filter(({ atMs }) => atMs > change.atMs),
        );
      }, settleMs);
    },
    found(change) {
      const news = unseen(change, lastOf(change.group));
      if (!clues.has(change.group)) clues.set(change.group, []);
      if (news) add(news, { cause: 'unseen' });
    },
    crashed(groups) {
      const atMs = wallNow();
      for (const [group, { state, priority }] of groups) {
        add({ group, from: state, to: 'STOP', priority, atMs }, { cause: 'crashed' });
      }
    },
    resend: () => send(transitions),
    flush() {
      if (saving) save();
    },
  };
}
