// What can be read over HTTP: health, status, history, events, metrics, the status page.
import { type Answer, json, type Routes } from '../shared/io/http.ts';
import type { Coordinator } from './coordinator.ts';
import type { RefusalKind } from './core/refusal.ts';
import { createEventStream } from './io/event-stream.ts';
import { overviewRoutes } from './io/overview-routes.ts';

type Page = () => Answer | Promise<Answer>;

export interface PagesDeps {
  readonly coordinator: Pick<Coordinator, 'status' | 'history' | 'snapshot' | 'events' | 'doctor'>;
  /** Metrics, and where to find them (scraping.ts). */
  readonly scraping: Routes;
  readonly refused: () => ReadonlyMap<RefusalKind, number>;
  readonly httpPort: number;
  readonly now: () => number;
}

export function createPages({ coordinator, scraping, refused, httpPort, now }: PagesDeps): Routes & {
  '/healthz': Page;
} {
  const unread = () => json(503, { error: 'Swarm has not been read yet' });
  return {
    ...overviewRoutes(coordinator, new URL('./page/', import.meta.url), now),
    '/healthz': () => {
      const status = coordinator.status();
      return status
        ? json(200, { ok: true, role: status.coordinator.role, snapshot: status.snapshot })
        : unread();
    },
    '/api/v1/status': () => {
      const status = coordinator.status();
      return status ? json(200, status) : unread();
    },
    '/api/v1/history': () => {
      const history = coordinator.history();
      return history ? json(200, history) : unread();
    },
    '/api/v1/doctor': () => {
      const findings = coordinator.doctor(refused());
      return findings ? json(200, { apiVersion: 'swarm-vip/v1', kind: 'Diagnosis', findings }) : unread();
    },
    '/api/v1/events': createEventStream({
      status: coordinator.status,
      history: coordinator.history,
      snapshot: coordinator.snapshot,
      events: coordinator.events,
      ...{ now, httpPort },
    }),
    ...scraping,
  };
}
