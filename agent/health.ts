// Everything that runs scripts and asks services: health checks and notifications, from one place on disk.
import type { Log } from '../shared/io/log.ts';
import type { AssignedInstance } from '../shared/protocol.ts';
import { type Checks, type ChecksDeps, createChecks } from './checks.ts';
import type { AgentConfig } from './config.ts';
import { killLeftOvers } from './io/checks/process-group.ts';
import type { Problems } from './io/problems.ts';
import { createNotifier, type Notifier } from './notify.ts';
import type { TaskWords } from './task-words.ts';

export interface HealthDeps
  extends Pick<ChecksDeps, 'now' | 'wallNow' | 'random' | 'stateOf' | 'onVerdict' | 'onChange'> {
  readonly config: AgentConfig;
  readonly log: Log;
  readonly problems: Problems;
  /** What the coordinator says of services. */
  readonly tasks: TaskWords;
  /** What keepalived runs or is about to; undefined when it stops. */
  readonly instances: () => readonly AssignedInstance[] | undefined;
}

export function createHealth(deps: HealthDeps): { readonly checks: Checks; readonly notifier: Notifier } {
  const { config, instances, tasks, now, wallNow } = deps;
  const place = {
    directory: config.checksDir,
    searchPath: config.searchPath,
    engineSocket: config.engineSocket,
    ...{ tasks, now, wallNow },
  };
  const common = { ...deps, place, node: config.hostname };
  killLeftOvers();
  // The last change, to STOP, comes when nothing is to run any more.
  let last: readonly AssignedInstance[] = [];
  const scriptOf = (group: string) => {
    last = instances() ?? last;
    return last.find((instance) => instance.group === group)?.notify;
  };
  return { checks: createChecks(common), notifier: createNotifier({ ...common, scriptOf }) };
}
