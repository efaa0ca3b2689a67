// Runs the checks of every instance that keepalived runs, and keeps how they stand (core/check.ts). What follows from
// them is written into the track files by parts.ts.

import type { Check, CheckResult } from '../shared/checks.ts';
import type { Log } from '../shared/io/log.ts';
import type { AssignedInstance, VrrpState } from '../shared/protocol.ts';
import { beginCheck, type CheckState, readableOutput, stepCheck } from './core/check.ts';
import {
  checkResult,
  type FoundFiles,
  foundStatus,
  noChecks,
  sameVerdict,
  type Verdict,
  verdictOf,
} from './core/checks-verdict.ts';
import { faultCodes, type Outcome } from './io/checks/outcome.ts';
import { createProbe, type ProbePlace, watchOccasions } from './io/checks/probe.ts';
import { startTimetable } from './io/checks/timetable.ts';
import type { Problems } from './io/problems.ts';

export interface Checks {
  /**
   * From now on the checks of this instance run. Those that run already go on; new ones of a group that is known begin
   * as passing, so that they disturb nobody before they have failed `fall` times.
   * @param found what an earlier life of the agent left; undefined for an instance that joins
   */
  run(instance: AssignedInstance, found?: FoundFiles): void;
  keepOnly(groups: ReadonlySet<string>): void;
  verdict(group: string): Verdict;
  results(): ReadonlyMap<string, CheckResult[]>;
  isRunning(group: string, check: string): boolean;
  stop(): void;
}

export interface ChecksDeps {
  readonly log: Log;
  readonly problems: Problems;
  readonly place: ProbePlace;
  readonly node: string;
  readonly now: () => number;
  readonly wallNow: () => number;
  readonly random: () => number;
  readonly stateOf: (group: string) => VrrpState;
  /** Something other than before follows from the checks of this group. */
  readonly onVerdict: (group: string) => void;
  readonly onChange: () => void;
}

interface Running {
  check: Check;
  state: CheckState;
  /** It is being asked right now. */
  busy: boolean;
  stop: () => void;
}

export function createChecks(deps: ChecksDeps): Checks {
  const { log, problems, now, wallNow } = deps;
  const groups = new Map<string, Map<string, Running>>();
  const verdicts = new Map<string, Verdict>();
  const whereOf = (group: string, name: string) => `group ${group}, check ${name}`;

  const judge = (group: string) => {
    const before = verdicts.get(group) ?? noChecks;
    const next = verdictOf([...(groups.get(group)?.values() ?? [])]);
    verdicts.set(group, next);
    if (!sameVerdict(before, next)) deps.onVerdict(group);
  };

  const clearFaults = (group: string, name: string, except?: string) => {
    for (const code of faultCodes) if (code !== except) problems.clear(code, whereOf(group, name));
  };

  const halt = (group: string, running: Running) => {
    running.stop();
    clearFaults(group, running.check.name);
  };

  const settle = (group: string, running: Running, outcome: Outcome, durationMs: number) => {
    const { check } = running;
    const { name } = check;
    const before = running.state.status;
    const output = readableOutput(outcome.output);
    const { passed, stale } = outcome;
    const event = { kind: 'ran', passed, output, durationMs, ...(stale ? { stale } : {}) } as const;
    running.state = stepCheck(running.state, event, check, wallNow());
    clearFaults(group, name, outcome.fault?.code);
    if (outcome.fault) {
      const instead = 'the check counts as failing';
      problems.set({ ...outcome.fault, severity: 'error', where: whereOf(group, name), group, instead });
    }
    const { status } = running.state;
    if (status !== before) {
      const write = status === 'down' ? log.warn : log.info;
      const words = { event: 'check', group, check: name, from: before, to: status, output };
      write.call(log, words, status === 'down' ? 'a check fails' : 'a check passes');
      judge(group);
      deps.onChange();
    }
    // Ages and last words of a check that stands as before can wait for the next report in any case.
  };

  const start = (group: string, running: Running) => {
    const { check } = running;
    const env = () => ({
      SWARM_VIP_GROUP: group,
      SWARM_VIP_CHECK: check.name,
      SWARM_VIP_NODE: deps.node,
      SWARM_VIP_STATE: deps.stateOf(group),
    });
    const probe = createProbe(check, deps.place, env);
    let stopped = false;
    const timetable = startTimetable(
      check.timing,
      async () => {
        const beganMs = now();
        running.busy = true;
        const outcome = await probe();
        running.busy = false;
        if (!stopped) settle(group, running, outcome, now() - beganMs);
      },
      deps,
    );
    // News counts at once, and only once: a row of results takes its intervals, however much happens meanwhile.
    const unwatch = watchOccasions(check, deps.place, () => {
      if (running.state.against === 0) timetable.hasten();
    });
    running.stop = () => {
      stopped = true;
      unwatch();
      timetable.stop();
    };
  };

  const begin = (instance: AssignedInstance, check: Check, found: FoundFiles | undefined, known: boolean) => {
    const joining = found ? foundStatus(check, found, instance.priority) : 'unknown';
    const state = beginCheck(known ? 'up' : joining, wallNow());
    return { check, state, busy: false, stop: () => undefined };
  };

  return {
    run(instance, found) {
      const { group, checks = [] } = instance;
      const known = groups.get(group);
      const next = new Map<string, Running>();
      const fresh: Running[] = [];
      for (const check of checks) {
        const old = known?.get(check.name);
        if (old && JSON.stringify(old.check) === JSON.stringify(check)) {
          next.set(check.name, old);
          continue;
        }
        const running = begin(instance, check, found, known !== undefined);
        if (old) running.state = stepCheck(old.state, { kind: 'redefined' }, check, wallNow());
        next.set(check.name, running);
        fresh.push(running);
      }
      for (const old of known?.values() ?? []) if (next.get(old.check.name) !== old) halt(group, old);
      groups.set(group, next);
      judge(group);
      for (const running of fresh) start(group, running);
    },
    keepOnly(kept) {
      for (const [group, running] of groups) {
        if (kept.has(group)) continue;
        for (const each of running.values()) halt(group, each);
        groups.delete(group);
        verdicts.delete(group);
      }
    },
    verdict: (group) => verdicts.get(group) ?? noChecks,
    results() {
      const count = [...groups.values()].reduce((sum, running) => sum + running.size, 0);
      return new Map(
        [...groups].map(([group, running]) => [
          group,
          [...running.values()].map((each) => checkResult(each, count)),
        ]),
      );
    },
    isRunning: (group, check) => groups.get(group)?.get(check)?.busy ?? false,
    stop() {
      for (const [group, running] of groups) for (const each of running.values()) halt(group, each);
      groups.clear();
    },
  };
}
