// Reads the tasks of the services that agents ask for, and tells each agent about its own node (core/service-tasks.ts).
// Level-triggered: the same words again with every good read, and none at all after a bad one.
import type { Log } from '../shared/io/log.ts';
import type { AssignedInstance, CoordinatorFrame } from '../shared/protocol.ts';
import type { NodeId } from '../shared/words.ts';
import { serviceIds, type TaskStaleness, taskWords, wantedServices } from './core/service-tasks.ts';
import type { Snapshot } from './core/snapshot.ts';
import type { Swarm } from './io/swarm.ts';

export interface TaskReader {
  /** @param stand as it is at the moment; undefined while this coordinator is not the one to speak. Never rejects. */
  look(stand: () => Stand | undefined): Promise<void>;
  /** Undefined unless the tasks that somebody asks for cannot be read for a while. */
  staleness(): TaskStaleness | undefined;
}

export interface Stand {
  readonly snapshot: Snapshot;
  /** Why it could not be read the last time: then it says which services there were, not which there are. */
  readonly snapshotError: string | undefined;
  readonly epoch: number;
  readonly assignments: ReadonlyMap<NodeId, readonly AssignedInstance[]>;
}

export interface TaskReaderDeps {
  readonly swarm: Pick<Swarm, 'tasks'>;
  readonly send: (node: NodeId, frame: CoordinatorFrame) => boolean;
  readonly log: Log;
  readonly now: () => number;
}

/** A service that has just been removed, or a manager that is busy, makes one read fail; that is no news. */
const patienceMs = 5_000;

export function createTaskReader({ swarm, send, log, now }: TaskReaderDeps): TaskReader {
  /** Since when reads fail; undefined: the last one was good, or nobody asks. */
  let failing: { readonly sinceMs: number; readonly error: string; readonly said: boolean } | undefined;

  const good = () => {
    if (failing?.said) log.info({ event: 'tasks-readable' }, 'the task list can be read again');
    failing = undefined;
  };
  const bad = (error: string) => {
    const { sinceMs = now(), said = false } = failing ?? {};
    const say = !said && now() - sinceMs >= patienceMs;
    if (say)
      log.warn(
        { event: 'tasks-unreadable', error },
        'the task list cannot be read; checks of services stand',
      );
    failing = { sinceMs, error, said: said || say };
  };

  return {
    async look(stand) {
      const before = stand();
      const asked = [...(before?.assignments.values() ?? [])].flatMap(wantedServices);
      if (!before || asked.length === 0) return good();
      if (before.snapshotError !== undefined) return bad(before.snapshotError);
      try {
        const ids = serviceIds(before.snapshot, asked);
        // Without a filter Swarm would list the tasks of all services.
        const tasks = ids.length === 0 ? [] : await swarm.tasks(ids);
        const reading = new Map(ids.map((id) => [id, tasks.filter(({ service }) => service === id)]));
        good();
        // Nodes, roles and wishes as they are by now.
        const after = stand();
        if (!after || after.snapshotError !== undefined) return;
        const { snapshot, epoch, assignments } = after;
        for (const [node, instances] of assignments) {
          const names = wantedServices(instances);
          if (names.length > 0)
            send(node, { type: 'tasks', epoch, words: taskWords(snapshot, reading, node, names) });
        }
      } catch (error) {
        bad(error instanceof Error ? error.message : String(error));
      }
    },
    staleness() {
      const ageMs = failing ? now() - failing.sinceMs : 0;
      return failing && ageMs >= patienceMs ? { ageMs, error: failing.error } : undefined;
    },
  };
}
