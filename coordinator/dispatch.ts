// Plan → assignments on their way to agents: whoever is to run something else than he was told last is told, once.
import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '../shared/io/log.ts';
import type { AssignedInstance, CoordinatorFrame } from '../shared/protocol.ts';
import type { NodeId } from '../shared/words.ts';
import type { AgentRecord } from './core/agents.ts';
import { orderEvent } from './core/events.ts';
import type { Plan } from './core/plan.ts';
import { nodeName, type Snapshot } from './core/snapshot.ts';
import type { NodeRef } from './core/status.ts';
import type { EventLog } from './event-log.ts';
import type { RolloutMeter } from './rollout-meter.ts';

/** Shorter than the shortest hold (`holdLimitMs`). */
export const holdRepeatMs = 1_500;

export interface Dispatch {
  /** A new epoch: nobody has been told anything, and orders are counted anew. */
  begin(): void;
  /** Has connected again, so is told again. */
  forget(node: NodeId): void;
  hasTold(node: NodeId): boolean;
  send(plan: Plan, epoch: number, snapshot: Snapshot): void;
  /** Tells all agents to run nothing; resolves when they have said so, or after a while. */
  release(epoch: number, records: ReadonlyMap<NodeId, AgentRecord>, patienceMs: number): Promise<void>;
}

export interface DispatchDeps {
  send: (node: NodeId, frame: CoordinatorFrame) => boolean;
  connected: () => NodeId[];
  refOf: (node: NodeId) => NodeRef;
  meter: RolloutMeter;
  events: EventLog;
  log: Log;
  now: () => number;
}

export function createDispatch(deps: DispatchDeps): Dispatch {
  const { connected, refOf, meter, events, log, now } = deps;
  let sent = new Map<NodeId, { content: string; instances: readonly AssignedInstance[]; ms: number }>();
  let counter = 0;
  /** Nodes that got orders in spite of a pause: they are also told when those end. */
  let toldInPause = new Set<NodeId>();

  /** What may be sent now: everything, or in a pause what cannot wait. */
  function outgoing({ assignments, frozen }: Plan): [NodeId, AssignedInstance[]][] {
    if (!frozen) toldInPause = new Set();
    if (!frozen) return [...assignments];
    for (const node of frozen.urgent) toldInPause.add(node);
    return [...frozen.assignments].filter(([node]) => toldInPause.has(node));
  }

  return {
    begin() {
      counter = 0;
      sent = new Map();
    },
    forget: (node) => void sent.delete(node),
    hasTold: (node) => sent.has(node),
    send(plan, epoch, snapshot) {
      for (const [node, instances] of outgoing(plan)) {
        const content = JSON.stringify(instances);
        const last = sent.get(node);
        // A hold ends by itself on the agent; while the change still waits for others, it is said again.
        const holds = instances.some(({ transition }) => transition === 'hold');
        if (last?.content === content && !(holds && now() - last.ms >= holdRepeatMs)) continue;
        counter += 1;
        if (!deps.send(node, { type: 'assignment', epoch, counter, instances })) continue;
        meter.sent(last?.instances ?? [], instances);
        sent.set(node, { content, instances, ms: now() });
        if (last?.content !== content)
          events.tell(orderEvent(refOf(node), { epoch, counter }, instances, now()));
        const groups = instances.map(({ group }) => group);
        log.info(
          { event: 'assigned', node: nodeName(snapshot, node), epoch, counter, groups },
          'assignment sent',
        );
      }
    },
    async release(epoch, records, patienceMs) {
      const untilMs = now() + patienceMs;
      for (const node of connected()) {
        counter += 1;
        deps.send(node, { type: 'assignment', epoch, counter, instances: [] });
      }
      const busy = () => connected().some((node) => (records.get(node)?.report?.instances.length ?? 0) > 0);
      while (busy() && now() < untilMs) await delay(50);
    },
  };
}
