// What Prometheus asks a coordinator for: its metrics, and where else there are some.
import { json, type Routes } from '../shared/io/http.ts';
import type { Coordinator } from './coordinator.ts';
import { beginCount, countHandOvers } from './core/hand-over-count.ts';
import { scrapeTargets } from './core/scrape-targets.ts';
import type { CoordinatorMetrics } from './io/metrics.ts';
import type { RolloutMeter } from './rollout-meter.ts';

export interface ScrapingDeps {
  readonly coordinator: Pick<Coordinator, 'status' | 'history' | 'snapshot'>;
  readonly metrics: CoordinatorMetrics;
  readonly meter: RolloutMeter;
  readonly httpPort: number;
  readonly now: () => number;
}

export function metricsRoutes({ coordinator, metrics, meter, httpPort, now }: ScrapingDeps): Routes {
  let handOvers = beginCount(now());
  const unread = () => json(503, { error: 'Swarm has not been read yet' });
  return {
    '/metrics': async () => {
      const status = coordinator.status();
      if (!status) return unread();
      handOvers = countHandOvers(handOvers, coordinator.history()?.switches ?? [], now());
      const body = await metrics.render(status, handOvers, meter.steps());
      return { status: 200, type: 'text/plain; version=0.0.4; charset=utf-8' as const, body };
    },
    // 503 and no empty list: Prometheus then keeps the targets that it knows.
    '/sd': () => {
      const [status, snapshot] = [coordinator.status(), coordinator.snapshot()];
      return status && snapshot ? json(200, scrapeTargets(status, snapshot, httpPort)) : unread();
    },
  };
}
