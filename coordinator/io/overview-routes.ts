// The status page, and what it shows: static files, the overview, and the stream that says when it has changed.
import type { Routes } from '../../shared/io/http.ts';
import type { Coordinator } from '../coordinator.ts';
import { overview } from '../core/overview.ts';
import { createChanges } from './changes.ts';
import { pageRoutes } from './page.ts';

/** @param page directory that the build has filled */
export function overviewRoutes(
  coordinator: Pick<Coordinator, 'status' | 'history'>,
  page: URL,
  now: () => number,
): Routes {
  const look = () => {
    const status = coordinator.status();
    const history = coordinator.history();
    return status && history && overview(status, history, now());
  };
  const changes = createChanges({ look, now });
  return {
    ...pageRoutes(page),
    '/api/v1/overview': changes.document,
    '/api/v1/changes': changes.stream,
  };
}
