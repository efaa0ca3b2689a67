// SIGTERM: holders lower themselves and go on until others have taken over, then keepalived may stop. Needs no
// coordinator. The second SIGTERM ends the wait.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../shared/io/log.ts';
import { handOverMs } from './core/hand-over.ts';
import type { Parts } from './parts.ts';

export interface HandOver {
  /** Resolves when nothing is held any more, or nobody has taken over in time. */
  run(): Promise<void>;
  hasten(): void;
}

const lookMs = 5;

export function createHandOver(deps: { parts: Parts; log: Log; now: () => number }): HandOver {
  const { parts, log, now } = deps;
  let hastened = false;
  return {
    async run() {
      parts.leave();
      const beganMs = now();
      const limitMs = handOverMs(parts.yielding());
      const groups = () => parts.yielding().filter((instance) => instance.peers.length > 0);
      const asked = groups().map((instance) => instance.group);
      if (limitMs === 0 || asked.length === 0) return;
      log.info({ event: 'hand-over-began', groups: asked, limitMs }, 'lets others take over before it stops');
      while (!hastened && groups().length > 0 && now() - beganMs < limitMs) await sleep(lookMs);
      const kept = groups().map((instance) => instance.group);
      const tookMs = Math.round(now() - beganMs);
      log.info(
        { event: 'hand-over-ended', kept, tookMs, hastened },
        kept.length === 0 ? 'others have taken over' : 'nobody has taken over all of it',
      );
    },
    hasten() {
      hastened = true;
    },
  };
}
