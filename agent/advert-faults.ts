// Watches keepalived's log for adverts that it refuses, and reports those that go on.
import {
  type AdvertFault,
  type AdvertFaults,
  faultProblem,
  hearFault,
  lasting,
  readAdvertFault,
} from './core/advert-fault.ts';
import type { Problems } from './io/problems.ts';

const lookMs = 1_000;

export interface AdvertFaultWatch {
  /** A line of keepalived's log. */
  hear(text: string): void;
}

export function createAdvertFaults(deps: {
  readonly problems: Problems;
  readonly now: () => number;
}): AdvertFaultWatch {
  const { problems, now } = deps;
  let faults: AdvertFaults = new Map();
  let reported: readonly AdvertFault[] = [];

  const look = () => {
    const current = lasting(faults, now());
    const same = (a: AdvertFault) => (b: AdvertFault) => a.group === b.group && a.kind === b.kind;
    for (const over of reported.filter((each) => !current.some(same(each)))) {
      const { code, where } = faultProblem(over);
      problems.clear(code, where);
    }
    for (const fault of current) if (!reported.some(same(fault))) problems.set(faultProblem(fault));
    reported = current;
  };
  setInterval(look, lookMs).unref();

  return {
    hear(text) {
      const fault = readAdvertFault(text);
      if (fault) faults = hearFault(faults, fault, now());
    },
  };
}
