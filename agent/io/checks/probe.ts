// A check as assigned → the thing that runs it once, and what may make it run before its time.
import type { Check } from '../../../shared/checks.ts';
import { createContainerProbe, createEngineProbe, watchContainers } from './engine.ts';
import { createHttpProbe } from './http.ts';
import { errorWords, failed, type Probe } from './outcome.ts';
import { createScriptProbe, type ScriptPlace } from './script.ts';
import { createServiceProbe, type ServicePlace, watchService } from './service.ts';
import { createTcpProbe } from './tcp.ts';

export type ProbePlace = ScriptPlace & ServicePlace;

/**
 * What a check cannot cope with makes it fail; it must not end the agent.
 * @param env what a script is told, asked for each run
 */
export function createProbe(check: Check, place: ProbePlace, env: () => Record<string, string>): Probe {
  const probe = probeOf(check, place, env);
  return async () => {
    try {
      return await probe();
    } catch (error) {
      return failed(`cannot be run: ${errorWords(error)}`);
    }
  };
}

function probeOf(check: Check, place: ProbePlace, env: () => Record<string, string>): Probe {
  switch (check.kind) {
    case 'http':
      return createHttpProbe(check, place.directory);
    case 'tcp':
      return createTcpProbe(check);
    case 'script':
      return createScriptProbe(check.script, place, check.timeoutMs, env);
    case 'engine':
      return createEngineProbe(check, place.engineSocket);
    case 'container':
      return createContainerProbe(check, place.engineSocket);
    case 'service':
      return createServiceProbe(check, place);
  }
}

/** Returns how to end it. */
export function watchOccasions(check: Check, place: ProbePlace, look: () => void): () => void {
  if (check.kind === 'container') return watchContainers(place.engineSocket, look);
  return check.kind === 'service' ? watchService(check, place, look) : () => undefined;
}
