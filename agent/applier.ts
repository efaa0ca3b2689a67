// Assignment → accepted configuration: newest wins, kept on disk, rendered, tested by keepalived, handed to the keeper.
import type { Log } from '../shared/io/log.ts';
import type { Problem } from '../shared/problem.ts';
import {
  type AssignedInstance,
  type Assignment,
  compareGenerations,
  type Generation,
  type Report,
} from '../shared/protocol.ts';
import type { AgentConfig } from './config.ts';
import { absentSources, type KernelInterface } from './core/kernel.ts';
import type { SupervisePhase } from './core/supervise.ts';
import { resolveTransition } from './core/transition.ts';
import { configView, predecessor } from './core/view.ts';
import { type FittedVmac, fitVmac } from './core/vmac.ts';
import { readRpFilter } from './io/addresses.ts';
import type { Problems } from './io/problems.ts';
import { AssignmentFile, type StateStore } from './io/state-store.ts';
import type { RenderConfig } from './io/template.ts';
import type { Keeper } from './keeper.ts';
import type { Observer } from './observer.ts';
import type { Quarantine } from './quarantine.ts';
import { createRunConfig, type RunConfig } from './run-config.ts';

export interface Applier {
  /** From a coordinator. False: refused, because it is older than what is known. */
  receive(assignment: Assignment): boolean;
  /** What the last life was told, when no coordinator says anything. */
  useCached(): void;
  /** Something outside the assignment may have changed what it renders to, or whether it is accepted. */
  reconsider(): void;
  rejected(): Report['rejected'];
  /** How many assignments keepalived's test has refused. */
  rejections(): number;
  /** An assignment of nothing that is carried out. */
  idle(): Generation | null;
}

export interface ApplierDeps {
  readonly config: AgentConfig;
  readonly log: Log;
  readonly problems: Problems;
  /** How keepalived is to run, as keepalived.conf says it. */
  readonly processLines: readonly string[];
  readonly store: StateStore;
  readonly keeper: Keeper;
  readonly render: RenderConfig;
  /** keepalived's own words against a text, or undefined when it takes it. */
  readonly test: (text: string) => Promise<string | undefined>;
  readonly quarantine: Quarantine;
  readonly observer: Pick<Observer, 'watch' | 'staysOut'>;
  readonly kernel: () => readonly KernelInterface[];
  /** keepalived is MASTER of the group. */
  readonly holds: (group: string) => boolean;
  readonly onChange: () => void;
}

export function createApplier(deps: ApplierDeps): Applier {
  const { config, log, problems, store, keeper, render, quarantine, observer } = deps;
  const kept = readCached(store, config);
  const cached = newerOf(
    kept && !quarantine.isPoison(kept.instances) ? kept : undefined,
    quarantine.lastRun(),
  );
  let newest: Generation = cached ?? { epoch: 0, counter: 0 };
  let desired: Assignment | undefined;
  /** What was to run last, in this life or the one before: what is to be kept where nothing runs. */
  let before = (cached?.instances ?? []).filter(({ observe }) => !observe);
  let rejected: Report['rejected'] = null;
  let rejections = 0;
  /** The newest one, when it has ended earlier lives of the agent. */
  let poison: Report['rejected'] = null;
  let working = false;
  let again = false;
  let nonce = 0;
  /** Sources that were missing when keepalived read its configuration: it looks for them again only on a reload. */
  let absent: readonly string[] = [];
  let interfaces = '';
  /** What an ordered change comes to depends on who holds: as it was decided last. */
  let decided = '';
  /** Groups that stay out, likewise. */
  let out = '';
  /** By code and place. */
  let complained: ReadonlyMap<string, Problem> = new Map();

  const resolve = ({ instances }: Assignment): FittedVmac[] => {
    const runs = keeper.supervise().loading?.instances ?? [];
    const place = { kernel: deps.kernel(), rpFilter: readRpFilter() };
    return instances.map((wanted) => {
      const former = wanted.transition === 'keep' ? predecessor(wanted, before) : undefined;
      const running = predecessor(wanted, runs) ?? former;
      const holds = deps.holds(running?.group ?? wanted.group);
      return fitVmac(resolveTransition(wanted, running, holds), running, holds, place);
    });
  };
  const textOf = (fitted: readonly FittedVmac[]) => JSON.stringify(fitted.map(({ instance }) => instance));
  /** What an assignment comes to depends on what happens on the node. */
  const mayDecideAnew = ({ instances }: Assignment) =>
    instances.some(({ transition }) => transition) || complained.size > 0;
  const complain = (fitted: readonly FittedVmac[]) => {
    const found = new Map(
      fitted.flatMap(({ problem }) => (problem ? [[`${problem.code} ${problem.where}`, problem]] : [])),
    );
    for (const [key, { code, where }] of complained) if (!found.has(key)) problems.clear(code, where);
    for (const problem of found.values()) problems.set(problem);
    complained = found;
  };

  /** Without what is only looked on at, and what somebody else on this host is in the way of. */
  const runnable = (resolved: readonly AssignedInstance[]) =>
    resolved.filter(({ group, observe }) => !observe && !observer.staysOut(group));
  const staysOut = ({ instances }: Assignment) =>
    instances
      .map(({ group }) => group)
      .filter(observer.staysOut)
      .join(' ');

  const apply = async (assignment: Assignment) => {
    const { epoch, counter } = assignment;
    observer.watch(assignment.instances);
    const fitted = resolve(assignment);
    complain(fitted);
    const resolved = fitted.map(({ instance }) => instance);
    const instances = runnable(resolved);
    before = instances;
    decided = textOf(fitted);
    out = staysOut(assignment);
    // As resolved: a next life that knows nothing of what ran must not begin with what was to be kept back.
    const keep = () =>
      store.write(config.paths.assignment, {
        node: config.nodeId,
        assignment: { ...assignment, instances: resolved },
      });
    if (instances.length === 0) {
      rejected = null;
      keeper.want(null);
      keep();
      return;
    }
    const view = configView(instances, {
      hostname: config.hostname,
      nodeId: config.nodeId,
      notifyFifo: config.paths.notifyFifo,
      pauseDir: config.paths.pauseDir,
      liveDir: config.paths.liveDir,
      processLines: deps.processLines,
    });
    const text = render(view);
    const next = createRunConfig({ epoch, counter }, instances, text, nonce);
    const known = keeper.supervise().wanted?.key === next.key;
    const testing = known ? undefined : deps.test(text);
    // The disk has its time while keepalived reads the candidate.
    if (testing) keep();
    const reason = await testing;
    if (assignment !== desired) return;
    if (reason !== undefined) {
      rejections += 1;
      rejected = { epoch, counter, reason: reason.slice(0, 2000) };
      log.error(
        { event: 'rejected', generation: { epoch, counter }, reason },
        'keepalived refuses; the old one goes on',
      );
    } else {
      rejected = null;
      absent = absentSources(deps.kernel(), instances);
      keeper.want(next);
    }
    if (!testing) keep();
    if (instances.some(({ group }) => group === config.crashOn?.group)) crash(config.crashOn?.afterMs);
    deps.onChange();
  };

  const work = async () => {
    again = true;
    if (working) return;
    working = true;
    while (again) {
      again = false;
      if (!desired) break;
      try {
        await apply(desired);
      } catch (error) {
        const { epoch, counter } = desired;
        rejected = { epoch, counter, reason: `cannot apply: ${String(error)}`.slice(0, 2000) };
        log.error({ event: 'apply-failed', error: String(error) }, 'cannot apply the assignment');
      }
    }
    working = false;
    quarantine.settled(() => !busyPhases.includes(keeper.supervise().phase));
    deps.onChange();
  };

  const refuse = (generation: Generation) => {
    if (poison && compareGenerations(poison, generation) === 0) return;
    poison = { ...generation, reason: poisonReason };
    log.error({ event: 'quarantined', generation }, poisonReason);
    deps.onChange();
  };

  return {
    receive(assignment) {
      const { epoch, counter, instances } = assignment;
      const order = compareGenerations(assignment, newest);
      if (order < 0) return false;
      if (order === 0 && desired && compareGenerations(desired, assignment) === 0) return true;
      newest = { epoch, counter };
      if (quarantine.isPoison(instances)) {
        refuse(newest);
        return true;
      }
      poison = null;
      quarantine.open(instances);
      desired = assignment;
      log.info({ event: 'assigned', generation: newest, instances: instances.length }, 'new assignment');
      void work();
      return true;
    },
    useCached() {
      if (desired || !cached) return;
      desired = cached;
      const { epoch, counter, instances } = cached;
      quarantine.open(instances);
      log.info(
        { event: 'cached', generation: { epoch, counter } },
        'no assignment has come: the kept one is used',
      );
      void work();
    },
    reconsider() {
      const kernel = deps.kernel();
      const names = kernel.map((link) => link.name).join(' ');
      const nowAbsent = absentSources(kernel, desired?.instances ?? []);
      const appeared = absent.some((source) => !nowAbsent.includes(source));
      if (appeared) {
        nonce += 1;
        log.info({ event: 'source-appeared' }, 'an own address has appeared that keepalived missed');
      }
      // keepalived refuses a configuration with an interface that is not there (yet).
      const decides = desired && mayDecideAnew(desired) && textOf(resolve(desired)) !== decided;
      const otherwise = desired !== undefined && staysOut(desired) !== out;
      if (appeared || decides || otherwise || (rejected && names !== interfaces)) void work();
      interfaces = names;
    },
    rejected: () => poison ?? rejected,
    rejections: () => rejections,
    idle() {
      if (!desired || runnable(desired.instances).length > 0 || keeper.supervise().phase !== 'stopped')
        return null;
      return { epoch: desired.epoch, counter: desired.counter };
    },
  };
}

const busyPhases: readonly SupervisePhase[] = ['starting', 'gating', 'reloading', 'stopping'];

const poisonReason =
  'the agent ended twice while it carried this out: refused, the node goes on with what it runs. ' +
  'Remedy: change the configuration of its groups, report the "bug" line of the log';

/** As a bug would, outside every catch. */
function crash(afterMs: number | undefined): void {
  setTimeout(() => {
    throw new Error('TEST_CRASH_ON_GROUP');
  }, afterMs);
}

/** Another node id means another cluster, whose generations count from elsewhere: then the file says nothing. */
function readCached(store: StateStore, config: AgentConfig): Assignment | undefined {
  const file = store.read(config.paths.assignment, AssignmentFile);
  return file?.node === config.nodeId ? file.assignment : undefined;
}

/** With a full disk the kept assignment may be older than what runs; a restart of the agent must not go back to it. */
function newerOf(kept: Assignment | undefined, ran: RunConfig | undefined): Assignment | undefined {
  if (!ran || (kept && compareGenerations(kept, ran.generation) >= 0)) return kept;
  return { type: 'assignment', ...ran.generation, instances: [...ran.instances] };
}
