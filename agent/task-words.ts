// Keeps what the active coordinator says of the services that checks of this node ask for. The last word stands: through
// the loss of every coordinator, and on the volume through the loss of this process.
import * as v from 'valibot';
import { type Tasks, TaskWord } from '../shared/protocol.ts';
import type { AgentConfig } from './config.ts';
import type { HeardWord } from './core/task-word.ts';
import type { StateStore } from './io/state-store.ts';

export interface TaskWords {
  /** From a coordinator. False: refused, because an active one of a later epoch has spoken. */
  receive(tasks: Tasks): boolean;
  word(service: string): HeardWord | undefined;
  /** Calls back when the word for this service is another one. Returns how to end it. */
  watch(service: string, onNews: () => void): () => void;
}

export interface TaskWordsDeps {
  readonly config: Pick<AgentConfig, 'nodeId'> & { readonly paths: Pick<AgentConfig['paths'], 'tasks'> };
  readonly store: StateStore;
  readonly now: () => number;
  readonly wallNow: () => number;
}

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const TasksFile = v.object({
  /** Another node id means another cluster. */
  node: v.string(),
  epoch: count,
  words: v.array(v.object({ ...TaskWord.entries, atMs: count })),
});

interface Kept extends TaskWord {
  readonly atMs: number;
  /** Monotonic; undefined: read from the file. */
  readonly heardMs: number | undefined;
}

export function createTaskWords({ config, store, now, wallNow }: TaskWordsDeps): TaskWords {
  const { nodeId, paths } = config;
  const file = store.read(paths.tasks, TasksFile);
  const found = file?.node === nodeId ? file : undefined;
  let epoch = found?.epoch ?? 0;
  let words = new Map<string, Kept>(
    (found?.words ?? []).map((word) => [word.service, { ...word, heardMs: undefined }]),
  );
  const watchers = new Map<string, Set<() => void>>();
  const written = () =>
    JSON.stringify([epoch, [...words.values()].map(({ service, running }) => [service, running])]);
  let saved = written();

  /** Only when something else would be read back: the ages of words that stand are not worth a write each second. */
  const save = () => {
    const next = written();
    if (next === saved) return;
    const kept = [...words.values()].map(({ heardMs: _, ...word }) => word);
    if (store.write(paths.tasks, { node: nodeId, epoch, words: kept })) saved = next;
  };

  return {
    receive(tasks) {
      if (tasks.epoch < epoch) return false;
      ({ epoch } = tasks);
      const before = words;
      // Of a service that is not named nothing is known just now: its last word stands while somebody asks for it.
      const asked = [...before].filter(([service]) => watchers.has(service));
      const heard = { atMs: wallNow(), heardMs: now() };
      words = new Map([
        ...asked,
        ...tasks.words.map((word): [string, Kept] => [word.service, { ...word, ...heard }]),
      ]);
      save();
      for (const { service, running } of tasks.words) {
        const old = before.get(service);
        if (old?.heardMs !== undefined && old.running === running) continue;
        for (const onNews of watchers.get(service) ?? []) onNews();
      }
      return true;
    },
    word(service) {
      const kept = words.get(service);
      if (!kept) return undefined;
      const { heardMs, ...word } = kept;
      return { ...word, ageMs: heardMs === undefined ? undefined : now() - heardMs };
    },
    watch(service, onNews) {
      const each = watchers.get(service) ?? new Set();
      watchers.set(service, each.add(onNews));
      return () => {
        each.delete(onNews);
        if (each.size === 0 && watchers.get(service) === each) watchers.delete(service);
      };
    },
  };
}
