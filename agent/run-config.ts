// A configuration on its way to keepalived, and the record of it for the next life of the agent.
import * as v from 'valibot';
import { AssignedInstance, Generation } from '../shared/protocol.ts';
import { masterDownMs } from '../shared/timers.ts';
import type { Paths } from './config.ts';
import { type StateStore, writeWhole } from './io/state-store.ts';

/** A configuration that keepalived has tested and accepted. */
export interface RunConfig {
  readonly generation: Generation;
  readonly instances: readonly AssignedInstance[];
  readonly text: string;
  /** Equal keys: nothing to reload. */
  readonly key: string;
  readonly reunionMs: number;
}

/** @param nonce counts the reloads of one text that something outside it asked for. */
export function createRunConfig(
  generation: Generation,
  instances: readonly AssignedInstance[],
  text: string,
  nonce: number,
): RunConfig {
  // After a crash: by then a live peer has taken over, whatever its priority.
  const reunions = instances
    .filter((instance) => instance.peers.length > 0)
    .map((instance) => masterDownMs(instance.version, instance.intervalMs, 1));
  const { epoch, counter } = generation;
  return {
    generation: { epoch, counter },
    instances,
    text,
    key: `${nonce}:${text}`,
    reunionMs: Math.max(0, ...reunions),
  };
}

const LastRun = v.object({
  generation: Generation,
  instances: v.array(AssignedInstance),
  text: v.string(),
  settled: v.boolean(),
});

/** What the last life of the agent gave to keepalived. An unsettled one may not have arrived: it is sent again. */
export function readLastRun(file: string, store: StateStore): RunConfig | undefined {
  const last = store.read(file, LastRun);
  if (!last) return undefined;
  const config = createRunConfig(last.generation, last.instances, last.text, 0);
  return last.settled ? config : { ...config, key: 'unsettled' };
}

/** @param settled keepalived has confirmed that it runs it */
export function recordRun(paths: Paths, { generation, instances, text }: RunConfig, settled: boolean): void {
  writeWhole(paths.applied, JSON.stringify({ generation, instances, text, settled }));
}
