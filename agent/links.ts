// A connection to every manager we know of: those in the environment and those the coordinators tell us about.
import type { Log } from '../shared/io/log.ts';
import type { Assignment, Hello, Tasks, Welcome } from '../shared/protocol.ts';
import type { AgentConfig } from './config.ts';
import { type Endpoint, endpointText } from './core/endpoints.ts';
import { unproven, unprovenCode } from './core/unproven.ts';
import { type CoordinatorLink, createCoordinatorLink, type LinkStatus } from './io/coordinator-link.ts';
import type { Problems } from './io/problems.ts';
import { ManagersFile, type StateStore } from './io/state-store.ts';

export interface Links {
  /** To every manager that has welcomed us. */
  send(text: string): void;
  status(): ReadonlyMap<string, LinkStatus>;
  close(): void;
}

export interface LinksDeps {
  readonly config: AgentConfig;
  readonly log: Log;
  readonly store: StateStore;
  readonly problems: Pick<Problems, 'set' | 'clear'>;
  readonly hello: () => Hello;
  readonly random: () => number;
  /** False: refused as older than what is known. */
  readonly onAssignment: (assignment: Assignment) => boolean;
  readonly onTasks: (tasks: Tasks) => boolean;
  /** A manager that knows nothing of us yet. */
  readonly onWelcome: () => void;
  readonly onChange: () => void;
}

export function createLinks(deps: LinksDeps): Links {
  const { config, log, store, problems } = deps;
  const links = new Map<string, CoordinatorLink>();
  const refusing = new Set<string>();
  let managers: readonly string[] = store.read(config.paths.managers, ManagersFile)?.managers ?? [];

  const wanted = () => {
    const told = managers.map((host): Endpoint => ({ host, port: config.port }));
    return new Map([...config.coordinators, ...told].map((endpoint) => [endpointText(endpoint), endpoint]));
  };

  const reconcile = () => {
    const now = wanted();
    for (const [name, link] of links) {
      if (now.has(name)) continue;
      log.info({ event: 'coordinator-forgotten', endpoint: name }, 'is no manager any more');
      link.close();
      links.delete(name);
      problems.clear(unprovenCode, name);
    }
    for (const [name, endpoint] of now) if (!links.has(name)) links.set(name, open(name, endpoint));
  };

  const open = (name: string, endpoint: Endpoint): CoordinatorLink =>
    createCoordinatorLink(endpoint, {
      log,
      key: config.key,
      coordinatorKey: config.coordinatorKey,
      hello: deps.hello,
      random: deps.random,
      onChange: deps.onChange,
      onImpostor: (present) => (present ? problems.set(unproven(name)) : problems.clear(unprovenCode, name)),
      onWelcome: (welcome) => welcomed(name, welcome),
      // One that was active before goes on until it notices: its words are no fault of anybody.
      onTasks: deps.onTasks,
      isTaken: (manager) => [...links.values()].some((link) => link.status().welcome?.node === manager),
      onAssignment(assignment) {
        if (deps.onAssignment(assignment)) {
          refusing.delete(name);
          return;
        }
        if (refusing.has(name)) return;
        refusing.add(name);
        const { epoch, counter } = assignment;
        log.warn(
          { event: 'assignment-older', endpoint: name, epoch, counter },
          'refused: a newer one is known',
        );
      },
    });

  const welcomed = (name: string, welcome: Welcome) => {
    for (const [other, link] of links) {
      // One manager under two names: it closes the older connection as replaced, so the newer one stays.
      if (other !== name && link.status().welcome?.node === welcome.node) link.yieldToOther();
    }
    deps.onWelcome();
    const next = [...welcome.managers].sort();
    if (next.join(' ') === managers.join(' ')) return;
    managers = next;
    store.write(config.paths.managers, { managers });
    reconcile();
  };

  reconcile();
  if (links.size === 0) {
    log.error(
      { event: 'no-coordinators' },
      'COORDINATORS is empty and no list is kept: write addresses of managers',
    );
  }
  return {
    send(text) {
      for (const link of links.values()) link.send(text);
    },
    status: () => new Map([...links].map(([name, link]) => [name, link.status()])),
    close() {
      for (const link of links.values()) link.close();
    },
  };
}
