// What can be read over HTTP: health, status, history, metrics, the status page.
import { type Answer, json, type Routes } from '../shared/io/http.ts';
import type { Coordinator } from './coordinator.ts';
import { createMetrics } from './io/metrics.ts';
import { overviewRoutes } from './io/overview-routes.ts';

type Page = () => Answer | Promise<Answer>;

export function createPages(
  coordinator: () => Pick<Coordinator, 'status' | 'history'>,
  version: string,
): Routes & { '/healthz': Page } {
  const metrics = createMetrics(version);
  const unread = () => json(503, { error: 'Swarm has not been read yet' });
  const lazily = {
    status: () => coordinator().status(),
    history: () => coordinator().history(),
  };
  return {
    ...overviewRoutes(lazily, new URL('./page/', import.meta.url), Date.now),
    '/healthz': () => {
      const status = coordinator().status();
      return status
        ? json(200, { ok: true, role: status.coordinator.role, snapshot: status.snapshot })
        : unread();
    },
    '/api/v1/status': () => {
      const status = coordinator().status();
      return status ? json(200, status) : unread();
    },
    '/api/v1/history': () => {
      const history = coordinator().history();
      return history ? json(200, history) : unread();
    },
    '/metrics': async () => {
      const status = coordinator().status();
      if (!status) return unread();
      const body = await metrics.render(status);
      return { status: 200, type: 'text/plain; version=0.0.4; charset=utf-8' as const, body };
    },
  };
}
