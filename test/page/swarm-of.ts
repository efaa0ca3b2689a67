// A Swarm of any size for the status page: the coordinator's own code from snapshot to HTTP, fed with the reports that
// agents would send. What needs real keepalived is tested in the lab.
import type { AddressInfo } from 'node:net';
import pino from 'pino';
import { stringify } from 'yaml';
import { type Coordinator, createCoordinator } from '../../coordinator/coordinator.ts';
import type { Snapshot } from '../../coordinator/core/snapshot.ts';
import { overviewRoutes } from '../../coordinator/io/overview-routes.ts';
import { buildPage } from '../../coordinator/page/build.mjs';
import { createRolloutMeter } from '../../coordinator/rollout-meter.ts';
import { createHttpServer, listenTcp, type Routes } from '../../shared/io/http.ts';
import type { RunningInstance, StateTransition } from '../../shared/protocol.ts';
import type { GroupName } from '../../shared/words.ts';
import { config, id, node, report, running, snapshot } from '../coordinator/world.ts';

export interface PageSwarm {
  readonly coordinator: Coordinator;
  readonly url: string;
  /** Every node's agent reports what it was told to run, with `more` for each instance. */
  settle(more?: (n: number, group: string) => Partial<RunningInstance>): Promise<void>;
  /** One node's agent reports. */
  tell(n: number, more?: (group: string) => Partial<RunningInstance>): void;
  /** The history of a node: [ms before now, group, "FROM>TO"]. */
  remember(n: number, ...entries: readonly (readonly [number, string, string])[]): void;
  close(): Promise<void>;
}

export interface PageSwarmOptions {
  nodes: number;
  groups: number;
  groupsYaml?: string;
  change?: (swarm: Snapshot) => Snapshot;
  hostname?: (n: number) => string;
  /** Instead of what the coordinator serves at a path. */
  routes?: Routes;
  pageDirectory: URL;
}

export const groupName = (k: number): string => `group-${k}`;
const vip = (k: number): string => `10.0.9.${k}`;
/** As many as Swarm's largest teams run; world.ts's addresses end at one octet. */
const addressOf = (n: number): string => `10.0.${Math.floor(n / 250)}.${1 + (n % 250)}`;

export async function builtPage(directory: string): Promise<URL> {
  await buildPage(directory);
  return new URL(`file://${directory}/`);
}

export async function pageSwarm(options: PageSwarmOptions): Promise<PageSwarm> {
  const numbers = Array.from({ length: options.nodes }, (_, k) => k + 1);
  const names = Array.from({ length: options.groups }, (_, k) => groupName(k + 1));
  const definition = {
    groups: Object.fromEntries(names.map((name, k) => [name, { addresses: [vip(k + 1)] }])),
  };
  const hostname = options.hostname ?? ((n: number) => `host${n}`);
  const plain = snapshot(
    numbers.map((n) =>
      node(n, { 'swarm-vip.groups': names.join(',') }, { hostname: hostname(n), addresses: [addressOf(n)] }),
    ),
    [{ id: 's', name: 'c', createdAt: '2026-01-01T00:00:00Z', env: {}, tasks: [{ id: 't1', node: id(1) }] }],
    [config(options.groupsYaml ?? stringify(definition))],
  );
  const swarm = options.change ? options.change(plain) : plain;
  const coordinator = createCoordinator({
    ...{ self: id(1), version: '1.2.3', now: Date.now, log: pino({ level: 'silent' }) },
    swarm: {
      snapshot: () => Promise.resolve(swarm),
      tasks: () => Promise.resolve([]),
      setLabel: () => Promise.resolve(7),
    },
    send: () => true,
    connected: () => numbers.map(id),
    disconnect: () => undefined,
    meter: createRolloutMeter(() => undefined),
  });
  await coordinator.look();
  const hardware = (n: number) => ({
    interfaces: [{ name: 'eth0', up: true, addresses: [`${addressOf(n)}/16`] }],
  });
  for (const n of numbers) {
    coordinator.hello({
      ...{ type: 'hello', protocol: 1, node: id(n), hostname: hostname(n) },
      ...{ agentVersion: '1.2.3', keepalivedVersion: '2.2.7' },
    });
    coordinator.report(id(n), report(n, [], hardware(n)));
  }
  const server = createHttpServer({
    ...overviewRoutes(coordinator, options.pageDirectory, Date.now),
    ...options.routes,
  });
  await listenTcp(server, { host: '127.0.0.1', port: 0 });

  const tell: PageSwarm['tell'] = (n, more = () => ({})) => {
    const instances = (coordinator.assignment(id(n)) ?? []).map((assigned) =>
      running(assigned, {
        state: assigned.priority === 250 ? 'MASTER' : 'BACKUP',
        stateSinceMs: 0,
        ...more(assigned.group),
      }),
    );
    coordinator.report(id(n), report(n, instances, hardware(n)));
  };
  return {
    coordinator,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    tell,
    async settle(more = () => ({})) {
      // Each round of reports lets the rollout take its next step.
      for (let round = 0; round < 3; round++) {
        await coordinator.look();
        for (const n of numbers) tell(n, (group) => more(n, group));
      }
      await coordinator.look();
    },
    remember(n, ...entries) {
      coordinator.remember(
        id(n),
        entries.map(([agoMs, group, move]) => {
          const atMs = Date.now() - agoMs;
          const [from, to] = move.split('>') as [StateTransition['from'], StateTransition['to']];
          const cause = to === 'MASTER' ? 'silence' : 'higher-priority';
          return { seq: atMs, atMs, group: group as GroupName, from, to, priority: 100, cause };
        }),
      );
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
