// Somebody has the key of the agents and a manager's address, but not the coordinators' own key.
import type { Problem } from '../../shared/problem.ts';

export const unprovenCode = 'coordinator-unproven';

/** @param endpoint address and port of who answers */
export const unproven = (endpoint: string): Problem => ({
  code: unprovenCode,
  severity: 'error',
  where: endpoint,
  message: 'expected a coordinator, found one that has the agents’ key and not that of the coordinators',
  instead: 'nothing is taken from it',
  remedy:
    'find out what listens there: a coordinator of an older version or with another COORDINATOR_KEY_FILE, or, if none runs on that host, a node that poses as one',
});
