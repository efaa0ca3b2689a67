// Everything the agent knows → the one report that every manager gets.
import type { CheckResult } from '../../shared/checks.ts';
import { type Problem, problemKey } from '../../shared/problem.ts';
import type {
  AssignedInstance,
  Generation,
  NetworkInterface,
  ObservedInstance,
  Pause,
  Report,
  RunningInstance,
  VrrpState,
} from '../../shared/protocol.ts';
import { heldAddresses, type KernelInterface } from './kernel.ts';
import type { SupervisePhase } from './supervise.ts';

export interface InstanceState {
  readonly state: VrrpState;
  readonly sinceMs: number;
  readonly priority: number;
}

export interface ReportInput {
  readonly interfaces: readonly NetworkInterface[];
  readonly kernel: readonly KernelInterface[];
  /** What keepalived runs, or null. */
  readonly running: {
    readonly generation: Generation;
    readonly instances: readonly AssignedInstance[];
  } | null;
  /** The last assignment that asked for nothing and got it; `running` wins. */
  readonly idle: Generation | null;
  readonly rejected: (Generation & { readonly reason: string }) | null;
  readonly phase: SupervisePhase;
  readonly restarts: number;
  readonly states: ReadonlyMap<string, InstanceState>;
  readonly observed: readonly ObservedInstance[];
  readonly pauses: ReadonlyMap<string, Pause>;
  readonly checks: ReadonlyMap<string, readonly CheckResult[]>;
  readonly problems: readonly Problem[];
}

export function buildReport(input: ReportInput): Report {
  const applied = input.running?.generation ?? input.idle;
  return {
    type: 'report',
    interfaces: [...input.interfaces],
    applied: applied && { epoch: applied.epoch, counter: applied.counter },
    rejected: input.rejected && { ...input.rejected, reason: input.rejected.reason.slice(0, 2000) },
    instances: (input.running?.instances ?? []).map((instance) => runningInstance(instance, input)),
    ...(input.observed.length === 0 ? {} : { observed: [...input.observed] }),
    keepalived: {
      // The gate is our own affair: keepalived runs meanwhile.
      phase: input.phase === 'gating' ? 'running' : input.phase,
      restarts: input.restarts,
    },
    problems: [...new Map(input.problems.map((found) => [problemKey(found), found])).values()].slice(0, 200),
  };
}

function runningInstance(instance: AssignedInstance, input: ReportInput): RunningInstance {
  const known = input.states.get(instance.group);
  const checks = input.checks.get(instance.group) ?? [];
  // Secrets stay here, also those in headers of checks; orders are the coordinator's own.
  const {
    password: _p,
    checks: _h,
    notify: _n,
    peersConfirmed: _c,
    silenceOnly: _u,
    outlastMs: _l,
    standAside: _s,
    transition: _t,
    order: _o,
    contested: _x,
    floor: _f,
    observe: _w,
    ...shown
  } = instance;
  return {
    ...shown,
    state: known?.state ?? 'INIT',
    stateSinceMs: known?.sinceMs ?? 0,
    effectivePriority: known?.priority ?? instance.priority,
    pause: input.pauses.get(instance.group) ?? null,
    held: heldAddresses(input.kernel, instance),
    ...(checks.length === 0 ? {} : { checks: [...checks] }),
  };
}
