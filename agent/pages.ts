// What the agent serves over HTTP, read-only: metrics and health.
import { json, type Routes } from '../shared/io/http.ts';
import type { Problem } from '../shared/problem.ts';
import type { Report } from '../shared/protocol.ts';
import { type MetricsInput, renderMetrics } from './io/metrics.ts';

/** Everything is at hand: a scrape asks nothing of keepalived. */
export function createPages(report: () => Report, metrics: () => MetricsInput): Routes {
  return {
    '/metrics': async () => ({
      status: 200,
      type: 'text/plain; version=0.0.4; charset=utf-8',
      body: await renderMetrics(metrics()),
    }),
    // That it answers at all says that the loop runs.
    '/healthz': () => {
      const { keepalived, applied, instances, problems } = report();
      const healthy = keepalived.phase !== 'backing-off';
      const reason = problems.find((problem) => problem.code === 'keepalived-down')?.message;
      const groups = instances.map(({ group, state, held, pause }) => ({ group, state, held, pause }));
      return json(healthy ? 200 : 503, { healthy, keepalived: keepalived.phase, reason, applied, groups });
    },
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
