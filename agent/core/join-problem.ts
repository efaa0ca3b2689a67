// What keeps an instance from joining its group, for people.
import type { Problem } from '../../shared/problem.ts';

export function inUseProblem(group: string, detail: string): Problem {
  return {
    code: 'address-in-use',
    severity: 'error',
    where: `group ${group}`,
    group,
    message: detail,
    instead: 'this node stays out of the group',
    remedy:
      'free the address (stop a keepalived run by hand that has it), or let protocol 112 pass between the members',
  };
}

export function deafProblem(group: string, why: string): Problem {
  return {
    code: 'cannot-listen',
    severity: 'warning',
    where: `group ${group}`,
    group,
    message: `expected to listen for the holder's adverts, found ${why}`,
    instead: 'joins only when nobody answers for the address; tries again every second',
    remedy: 'give the agent the capability NET_RAW, and perl-base if the image was changed',
  };
}
