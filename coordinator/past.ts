// What agents have told of their past, and the one history made of it. News are told as events, and logged.
import type { Log } from '../shared/io/log.ts';
import type { StateTransition } from '../shared/protocol.ts';
import { transitionFields } from '../shared/transition-words.ts';
import type { NodeId } from '../shared/words.ts';
import type { AgentRecord } from './core/agents.ts';
import { transitionEvent } from './core/events.ts';
import { type HistoryDocument, historyDocument, merged } from './core/history.ts';
import type { Snapshot } from './core/snapshot.ts';
import type { NodeRef } from './core/status.ts';
import type { EventLog } from './event-log.ts';

export interface Past {
  /** Whatever is news is told as an event. */
  remember(node: NodeRef, transitions: readonly StateTransition[]): void;
  forget(node: NodeId): void;
  /** Host names or addresses may have changed. */
  outdate(): void;
  document(snapshot: Snapshot, records: ReadonlyMap<NodeId, AgentRecord>): HistoryDocument;
}

export interface PastDeps {
  events: Pick<EventLog, 'tell'>;
  log: Log;
  /** Every coordinator hears of everything; the active one says it. */
  isActive(): boolean;
  /** As planned, before checks and orders. */
  basePriority(node: NodeId, group: string): number | undefined;
}

export function createPast({ events, log, isActive, basePriority }: PastDeps): Past {
  const past = new Map<NodeId, readonly StateTransition[]>();
  /** Made from `past`, host names and addresses; dropped when one of them may have changed. */
  let told: HistoryDocument | undefined;
  return {
    remember(ref, transitions) {
      const known = past.get(ref.node);
      const heard = new Set(known?.map(({ seq }) => seq));
      past.set(ref.node, merged(known ?? [], transitions));
      told = undefined;
      const level = isActive() ? 'info' : 'debug';
      for (const entry of transitions.filter(({ seq }) => !heard.has(seq))) {
        const recalled = known === undefined;
        events.tell(transitionEvent({ ...entry, ...ref }), recalled);
        const fields = transitionFields(entry, basePriority(ref.node, entry.group));
        if (!recalled) log[level]({ ...fields, node: ref.hostname, id: ref.node }, 'VRRP state');
      }
    },
    forget(node) {
      past.delete(node);
      told = undefined;
    },
    outdate() {
      told = undefined;
    },
    document(snapshot, records) {
      told ??= historyDocument(past, snapshot, records);
      return told;
    },
  };
}
