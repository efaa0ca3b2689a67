// What the agent serves over HTTP, read-only: metrics and health.
import { json, type Routes } from '../shared/io/http.ts';
import type { Problem } from '../shared/problem.ts';
import type { Report } from '../shared/protocol.ts';
import type { LinkStatus } from './io/coordinator-link.ts';
import type { Dump } from './io/dump.ts';
import { type MetricsInput, renderMetrics } from './io/metrics.ts';

/** Scrapes within this time share one dump: a dump is a signal to keepalived. */
const dumpAgeMs = 5000;

export interface PagesDeps {
  readonly report: () => Report;
  readonly isUp: () => boolean;
  readonly dump: () => Promise<Dump | undefined>;
  readonly links: () => ReadonlyMap<string, LinkStatus>;
  readonly fifo: () => { readonly unknownLines: number; readonly lowerMasters: number };
  readonly holding: () => MetricsInput['holding'];
  readonly leases: () => MetricsInput['leases'];
  readonly foreign: () => boolean;
  readonly agentVersion: string;
  readonly keepalivedVersion: string;
  readonly now: () => number;
}

export function createPages(deps: PagesDeps): Routes {
  const dumps = createDumpCache(deps.dump, deps.now);
  return {
    '/metrics': async () => ({
      status: 200,
      type: 'text/plain; version=0.0.4; charset=utf-8',
      body: await renderMetrics({
        report: deps.report(),
        up: deps.isUp(),
        dump: deps.isUp() ? await dumps() : undefined,
        links: deps.links(),
        fifo: deps.fifo(),
        holding: deps.holding(),
        leases: deps.leases(),
        foreign: deps.foreign(),
        agentVersion: deps.agentVersion,
        keepalivedVersion: deps.keepalivedVersion,
      }),
    }),
    // That it answers at all says that the loop runs.
    '/healthz': () => {
      const { keepalived, applied, instances, problems } = deps.report();
      const healthy = keepalived.phase !== 'backing-off';
      const reason = problems.find((problem) => problem.code === 'keepalived-down')?.message;
      const groups = instances.map(({ group, state, held, pause }) => ({ group, state, held, pause }));
      return json(healthy ? 200 : 503, { healthy, keepalived: keepalived.phase, reason, applied, groups });
    },
  };
}

function createDumpCache(dump: () => Promise<Dump | undefined>, now: () => number) {
  let cached: Dump | undefined;
  let takenMs = Number.NEGATIVE_INFINITY;
  return async () => {
    if (now() - takenMs >= dumpAgeMs) {
      takenMs = now();
      cached = (await dump()) ?? cached;
    }
    return cached;
  };
}

/** The port is taken: a problem, and no reason to stop serving addresses. */
export function notServed(error: unknown): Problem {
  return {
    code: 'metrics-not-served',
    severity: 'warning',
    where: 'METRICS_LISTEN',
    message: `expected to listen, found ${String(error)}`,
    instead: 'no metrics and no health page; the addresses are served as ever',
    remedy: 'free the port or set METRICS_LISTEN to another one',
  };
}
