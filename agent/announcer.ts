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
  /** New orders: whether the coordinator sees another holder beside this one. */
  ordered(instances: readonly AssignedInstance[]): void;
  /** Another member sends adverts as MASTER, too. */
  conflict(group: string): void;
}

export function createAnnouncer(deps: {
  readonly log: Log;
  /** What keepalived holds as MASTER. */
  readonly held: () => readonly AssignedInstance[];
}): Announcer {
  let contested: ReadonlySet<string> = new Set();
  const timers = new Map<string, NodeJS.Timeout[]>();

  const cancel = (group: string) => {
    for (const timer of timers.get(group) ?? []) clearTimeout(timer);
    timers.delete(group);
  };
  const say = async (group: string) => {
    const instance = deps.held().find((candidate) => candidate.group === group);
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
    ordered(instances) {
      const before = contested;
      contested = new Set(instances.filter((each) => each.contested).map(({ group }) => group));
      // The other one has stepped down: what clients learnt from it is wrong now.
      for (const group of before) {
        if (!contested.has(group) && deps.held().some((each) => each.group === group)) schedule(group);
      }
    },
    conflict(group) {
      // Adverts of a second master can flood: one round at a time.
      if (!timers.has(group)) schedule(group);
    },
  };
}
