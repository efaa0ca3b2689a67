// A holder asks now and then whether anybody else answers for its addresses: a machine set up by hand, a member of
// another cluster, a former holder that nobody swept. VRRP cannot see them, clients do.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../shared/io/log.ts';
import type { Problem } from '../shared/problem.ts';
import type { AssignedInstance, VrrpState } from '../shared/protocol.ts';
import { addressesOnWire } from './core/anchor.ts';
import { type Answer, askAddresses } from './io/probe.ts';
import type { Problems } from './io/problems.ts';

/** Between two looks. */
const periodMs = 60_000;
/** While there is a stranger: whoever has sent him away wants to see it. */
const whileMs = 5_000;
/** After a take-over, when the former holder has had its time. */
const soonMs = 3_000;
/** A hand-over under way must not be taken for a stranger: it is over by then. */
const againMs = 2_000;

export interface ForeignHolders {
  /** keepalived has spoken. */
  heard(state: VrrpState): void;
}

export function createForeignHolders(deps: {
  readonly log: Log;
  readonly problems: Problems;
  /** What keepalived holds right now, as MASTER. */
  readonly held: () => readonly AssignedInstance[];
}): ForeignHolders {
  const { log, problems, held } = deps;
  let reported = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  let looking = false;
  /** Asked for while it looks. */
  let soon = false;

  const asksTwice = async (group: string): Promise<Answer | undefined> => {
    for (const pauseMs of [0, againMs]) {
      if (pauseMs > 0) await sleep(pauseMs);
      const instance = held().find((candidate) => candidate.group === group);
      if (!instance) return undefined;
      const answer = await askAddresses(addressesOnWire(instance));
      if (answer.kind === 'unknown')
        log.debug({ event: 'asking-failed', group, why: answer.why }, 'cannot ask');
      if (answer.kind !== 'answer') return answer;
      if (pauseMs > 0 && held().some((candidate) => candidate.group === group)) return answer;
    }
    return undefined;
  };

  const look = async () => {
    const found = new Set<string>();
    for (const { group } of held()) {
      const answer = await asksTwice(group);
      if (answer?.kind === 'answer') {
        found.add(group);
        problems.set(foreignProblem(group, answer.address, answer.mac));
      } else if (answer?.kind === 'unknown' && reported.has(group)) found.add(group);
    }
    for (const group of reported) {
      if (!found.has(group)) problems.clear('foreign-holder', `group ${group}`);
    }
    reported = found;
  };

  const lookIn = (ms: number) => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      looking = true;
      soon = false;
      await look();
      looking = false;
      lookIn(soon ? soonMs : reported.size > 0 ? whileMs : periodMs);
    }, ms).unref();
  };
  lookIn(periodMs);
  return {
    heard(state) {
      // One that holds no more has no stranger beside it.
      if (state !== 'MASTER' && reported.size === 0) return;
      if (looking) soon = true;
      else lookIn(soonMs);
    },
  };
}

function foreignProblem(group: string, address: string, mac: string): Problem {
  return {
    code: 'foreign-holder',
    severity: 'error',
    where: `group ${group}`,
    group,
    value: address,
    message: `this node holds ${address}, and ${mac} answers for it as well`,
    instead: 'this node goes on holding; which of the two a client reaches is chance',
    remedy: `find the machine with the MAC ${mac} and take the address away from it`,
  };
}
