// What can be read over HTTP: health, status, history, metrics.
import { type Answer, json } from '../shared/io/http.ts';
import type { Coordinator } from './coordinator.ts';
import { createMetrics } from './io/metrics.ts';

type Page = () => Answer | Promise<Answer>;
type Path = '/healthz' | '/api/v1/status' | '/api/v1/history' | '/metrics';

export function createPages(
  coordinator: () => Pick<Coordinator, 'status' | 'history'>,
  version: string,
): Record<Path, Page> {
  const metrics = createMetrics(version);
  const unread = () => json(503, { error: 'Swarm has not been read yet' });
  return {
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
