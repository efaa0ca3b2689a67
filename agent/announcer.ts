// When two members become MASTER within the same moment, the loser's gratuitous ARP may be the last one, and clients
// send to a node that has no address any more, for as long as keepalived waits with its second round (5 s). So the
// holder says it again by itself, soon after it became MASTER and after every conflict.
import type { Log } from '../shared/io/log.ts';
import type { AssignedInstance, VrrpState } from '../shared/protocol.ts';
import { addressesOn } from './core/anchor.ts';
import { announce } from './io/announce.ts';

const delaysMs = [30, 100, 300, 1000];

export interface Announcer {
  heard(group: string, state: VrrpState): void;
  /** Another member sends adverts as MASTER, too. */
  conflict(group: string): void;
}

export function createAnnouncer(deps: {
  readonly log: Log;
  readonly instances: () => readonly AssignedInstance[];
}): Announcer {
  const timers = new Map<string, NodeJS.Timeout[]>();

  const cancel = (group: string) => {
    for (const timer of timers.get(group) ?? []) clearTimeout(timer);
    timers.delete(group);
  };
  const say = async (group: string) => {
    const instance = deps.instances().find((candidate) => candidate.group === group);
    if (!instance) return;
    const { code, stderr } = await announce(addressesOn(instance));
    if (code !== 0)
      deps.log.debug({ event: 'announce-failed', group, why: stderr.trim() }, 'cannot announce');
  };
  const schedule = (group: string) => {
    cancel(group);
    timers.set(
      group,
      delaysMs.map((delayMs, index) =>
        setTimeout(() => {
          if (index === delaysMs.length - 1) timers.delete(group);
          void say(group);
        }, delayMs),
      ),
    );
  };

  return {
    heard(group, state) {
      if (state === 'MASTER') schedule(group);
      else cancel(group);
    },
    conflict(group) {
      // Adverts of a second master can flood: one round at a time.
      if (!timers.has(group)) schedule(group);
    },
  };
}
