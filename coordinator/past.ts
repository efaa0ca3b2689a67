// What agents have told of their past, and the one history made of it.
import type { StateTransition } from '../shared/protocol.ts';
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

export function createPast(events: Pick<EventLog, 'tell'>): Past {
  const past = new Map<NodeId, readonly StateTransition[]>();
  /** Made from `past`, host names and addresses; dropped when one of them may have changed. */
  let told: HistoryDocument | undefined;
  return {
    remember(ref, transitions) {
      const known = past.get(ref.node);
      const heard = new Set(known?.map(({ seq }) => seq));
      past.set(ref.node, merged(known ?? [], transitions));
      told = undefined;
      for (const entry of transitions.filter(({ seq }) => !heard.has(seq)))
        events.tell(transitionEvent({ ...entry, ...ref }), known === undefined);
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
