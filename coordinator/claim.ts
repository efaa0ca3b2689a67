// Who is active, for one coordinator: follows the rule over Swarm's state (core/roles.ts) and claims the role by a label on
// the own node. That write proves quorum before the first assignment, and its version index is the epoch.
import type { Log } from '../shared/io/log.ts';
import { activeCoordinator, isSelf, type Self } from './core/roles.ts';
import { nodeName, type Snapshot } from './core/snapshot.ts';
import { activeLabel, type Swarm } from './io/swarm.ts';

/** How long a newly active coordinator waits for the agents of labelled nodes, to learn what runs before it plans. */
const settleMs = 5_000;

export type Role = 'active' | 'standby';

export interface Claim {
  role(): Role;
  /** Of the last claim; undefined before the first one. */
  epoch(): number | undefined;
  /** How long agents that are expected are still to be waited for. */
  patienceMs(): number;
  /** An agent has spoken of this epoch. */
  heard(epoch: number): void;
  /** Takes the role or leaves it, as `read` says. */
  follow(read: Snapshot): Promise<void>;
}

export interface ClaimDeps {
  identity: Self;
  swarm: Pick<Swarm, 'setLabel'>;
  listens: () => boolean;
  /** Reads Swarm anew; what comes counts from then on (`take`). */
  reread: () => Promise<Snapshot>;
  take: (fresh: Snapshot) => void;
  changed: (role: Role) => void;
  log: Log;
  now: () => number;
}

export function createClaim({ identity, swarm, listens, reread, take, changed, log, now }: ClaimDeps): Claim {
  let role: Role = 'standby';
  let epoch: number | undefined;
  let activeSinceMs = 0;
  /** An agent runs what a later active coordinator has sent: nobody listens to this one's epoch any more. */
  let overtaken = false;

  /** What was read before the claim may be older than what the former active one has assigned: it is read again. */
  async function claim(): Promise<void> {
    let fresh: Snapshot;
    try {
      const claimed = await swarm.setLabel(identity.node, activeLabel, new Date(now()).toISOString());
      fresh = await reread();
      epoch = claimed;
    } catch (error) {
      log.warn(
        { event: 'claim-failed', error: String(error) },
        'could not become active: Swarm refused the write, or cannot be read after it',
      );
      return;
    }
    take(fresh);
    if (!isSelf(identity, activeCoordinator(fresh))) return;
    role = 'active';
    overtaken = false;
    activeSinceMs = now();
    log.info({ event: 'active', epoch }, 'this coordinator is active now');
    changed(role);
  }

  return {
    role: () => role,
    epoch: () => epoch,
    patienceMs: () => activeSinceMs + settleMs - now(),
    heard(theirs) {
      if (epoch !== undefined && theirs > epoch) overtaken = true;
    },
    async follow(read) {
      const active = activeCoordinator(read);
      const elected = isSelf(identity, active) && listens();
      const again = overtaken && now() - activeSinceMs >= settleMs;
      if (elected && (role === 'standby' || again)) return claim();
      if (elected || role === 'standby') return;
      role = 'standby';
      log.info(
        { event: 'standby', active: active && nodeName(read, active.node) },
        'this coordinator stands by now',
      );
      changed(role);
    },
  };
}
