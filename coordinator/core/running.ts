// What an agent reports to run → the same as it would be assigned, without what only describes its state.
import type { AssignedInstance, RunningInstance } from '../../shared/protocol.ts';

export function asAssigned(running: RunningInstance): Omit<AssignedInstance, 'peersConfirmed'> {
  const {
    state: _s,
    stateSinceMs: _t,
    effectivePriority: _e,
    pause: _p,
    held: _h,
    checks: _c,
    ...instance
  } = running;
  return instance;
}
