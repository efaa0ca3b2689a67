// Check that a task of a Swarm service runs on this node. The engine of the node knows first and best, so it is asked
// where its socket is mounted; else, and while it does not answer, the word of the coordinator counts, which reads the
// task list of Swarm. No answer is not "no task": then the check stands as it is.
import type { CheckOf } from '../../../shared/checks.ts';
import { freshMs, wordResult } from '../../core/task-word.ts';
import type { TaskWords } from '../../task-words.ts';
import { inState, listContainers, watchContainers } from './engine.ts';
import type { Outcome, Probe } from './outcome.ts';

export interface ServicePlace {
  /** Of the local Docker Engine, if it is mounted. */
  readonly engineSocket: string;
  readonly tasks: TaskWords;
  /** Monotonic ms. */
  readonly now: () => number;
  readonly wallNow: () => number;
}

type ServiceCheck = CheckOf<'service'>;

export function createServiceProbe(check: ServiceCheck, place: ServicePlace): Probe {
  const { tasks, now, wallNow } = place;
  const beganMs = now();
  return async () =>
    (await byEngine(check, place.engineSocket)) ??
    wordResult(tasks.word(check.service), now() - beganMs, wallNow());
}

/** Undefined when the engine cannot be asked. */
async function byEngine(
  { service, timeoutMs }: ServiceCheck,
  socketPath: string,
): Promise<Outcome | undefined> {
  // The label that Swarm gives to the containers of a service.
  const label = `com.docker.swarm.service.name=${service}`;
  const { containers } = await listContainers(socketPath, { label: [label] }, timeoutMs);
  if (!containers) return undefined;
  const { good, words } = inState(containers);
  if (good) return { passed: true, output: words(good) };
  // The newest comes first; the others are tasks of the past.
  const [newest] = containers;
  return { passed: false, output: `no task of ${service} runs here${newest ? `; ${words(newest)}` : ''}` };
}

/** What may change the result before its time. */
export function watchService({ service }: ServiceCheck, place: ServicePlace, look: () => void): () => void {
  const ends = [watchContainers(place.engineSocket, look), place.tasks.watch(service, look)];
  // From then on a kept word counts, and the next run may be far.
  const waited = setTimeout(look, freshMs + 1);
  return () => {
    clearTimeout(waited);
    for (const end of ends) end();
  };
}
