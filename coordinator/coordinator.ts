// The coordinator's loop: snapshot and reports in, assignments and status out. Holds the little state there is; what to
// do with it is decided in core/.
import type { Log } from '../shared/io/log.ts';
import type { Problem } from '../shared/problem.ts';
import {
  type AssignedInstance,
  type CoordinatorFrame,
  closeCode,
  type Hello,
  protocolVersion,
  type Report,
  type StateTransition,
} from '../shared/protocol.ts';
import type { NodeId } from '../shared/words.ts';
import { createClaim } from './claim.ts';
import { type AgentNodes, agentNodes } from './core/agent-nodes.ts';
import { agentLabel } from './core/agent-service.ts';
import { type AgentRecord, greeted, plansAlike, reported, sunk, upheld } from './core/agents.ts';
import { assignmentOf } from './core/config-check.ts';
import { type ConfigDiff, configDiff, knownInterfaces } from './core/config-diff.ts';
import { confirmedDown, confirmedDownLabel } from './core/confirmed-down.ts';
import { type DoctorInput, diagnose, type Finding } from './core/doctor.ts';
import { problemEvent, roleEvent } from './core/events.ts';
import type { HistoryDocument } from './core/history.ts';
import { changedSinceMs } from './core/intent.ts';
import { type Plan, plan } from './core/plan.ts';
import type { Refusal } from './core/refusal.ts';
import { formerNames, underPresentNames } from './core/renames.ts';
import { activeCoordinator, ownsPorts, type Self } from './core/roles.ts';
import { type GroupsConfig, managerAddresses, nodeName, type Snapshot } from './core/snapshot.ts';
import { type NodeRef, type Status, status } from './core/status.ts';
import { toldLabel } from './core/told.ts';
import { challengeMs, rememberMs } from './core/two-holders.ts';
import { unheardNodes } from './core/unheard.ts';
import { createDispatch, holdRepeatMs } from './dispatch.ts';
import { createEventLog, type EventLog } from './event-log.ts';
import { activeLabel, type Swarm } from './io/swarm.ts';
import { createPast } from './past.ts';
import { createProblemLog } from './problem-log.ts';
import type { RolloutMeter } from './rollout-meter.ts';
import { createTaskReader } from './task-reader.ts';

export interface CoordinatorDeps {
  self: NodeId;
  /** Of the own container, where known: several coordinators may run on one host. */
  service?: string | undefined;
  task?: string | undefined;
  version: string;
  swarm: Pick<Swarm, 'snapshot' | 'tasks' | 'setLabel'>;
  send(node: NodeId, frame: CoordinatorFrame): boolean;
  connected(): NodeId[];
  disconnect(node: NodeId, refusal: Refusal): void;
  meter: RolloutMeter;
  log: Log;
  now(): number;
  /** Whether agents can reach this process; without that it is never active. */
  listens?(): boolean;
}

export interface Coordinator {
  /** Reads Swarm once; resolves with whether that worked. */
  look(): Promise<boolean>;
  /** Reads the tasks that agents ask for, and tells them. Nothing else follows from them here. */
  lookAtTasks(): Promise<void>;
  admit(node: string, address: string): Refusal | undefined;
  hello(hello: Hello): void;
  report(node: NodeId, report: Report): void;
  remember(node: NodeId, transitions: readonly StateTransition[]): void;
  gone(node: NodeId): void;
  /** Undefined until the first good read of Swarm. */
  status(): Status | undefined;
  /** What happened on all nodes, as far as their agents have told. */
  history(): HistoryDocument | undefined;
  snapshot(): Snapshot | undefined;
  /** As things happen. */
  readonly events: EventLog;
  plan(): Plan;
  isActive(): boolean;
  /** Whether the ports of this host are to be this process's; another coordinator may run beside it. */
  ownsPorts(): boolean;
  agentNodes(): AgentNodes;
  /** What came up outside of the plan; shown beside its problems until told otherwise. */
  setOwnProblems(problems: readonly Problem[]): void;
  /** Tells all agents to run nothing, for good; resolves when they have said so, or after a while. */
  release(patienceMs: number): Promise<void>;
  /** What the node is to run now; undefined while its agent is not connected. */
  assignment(node: NodeId): readonly AssignedInstance[] | undefined;
  /** The same, were this groups.yaml in force and everything had settled. */
  preview(file: GroupsConfig, node: NodeId): readonly AssignedInstance[] | undefined;
  /** What is commonly wrong. */
  doctor(refused: DoctorInput['refused']): Finding[] | undefined;
  /** What this groups.yaml would change; without one, what is still to change as it is. */
  diff(file?: { name: string; text: string }): ConfigDiff | undefined;
}

/** A timer holds 2^31 ms; times that a plan waits for may be further away. */
const longestWaitMs = 3_600_000;

export function createCoordinator(deps: CoordinatorDeps): Coordinator {
  const { self, log, now, swarm } = deps;
  const identity: Self = { node: self, service: deps.service, task: deps.task };
  const listens = deps.listens ?? (() => true);
  const records = new Map<NodeId, AgentRecord>();
  let snapshot: Snapshot | undefined;
  let snapshotMs = 0;
  let snapshotError: string | undefined;
  let current: Plan = { assignments: new Map(), groups: [], conflicts: [], problems: [] };
  const events = createEventLog();
  const logProblems = createProblemLog(log, (type, problem) =>
    events.tell(problemEvent(type, problem, now())),
  );
  const taskReader = createTaskReader({ swarm, send: deps.send, log, now });
  /** The task that those who ask this coordinator for events are to follow. */
  let following: string | undefined;
  const past = createPast({
    ...{ events, log },
    isActive: () => claim.role() === 'active',
    basePriority: (node, name) =>
      current.groups.find(({ group }) => group.name === name)?.members.find((member) => member.node === node)
        ?.priority,
  });
  const dispatch = createDispatch({ ...deps, refOf, events });
  const claim = createClaim({
    ...{ identity, swarm, listens, take, log, now },
    reread: readSwarm,
    changed(role) {
      if (role === 'active') dispatch.begin();
      deps.meter.reset();
      events.tell(roleEvent(role, refOf(self), now()));
    },
  });
  let welcome = '';
  let replanning = false;
  let looking = Promise.resolve(false);
  let later: NodeJS.Timeout | undefined;
  let ownProblems: readonly Problem[] = [];
  let released = false;

  /** Coalesces: many reports within one turn of the event loop make one plan. */
  function replanSoon(): void {
    if (replanning) return;
    replanning = true;
    setImmediate(() => {
      replanning = false;
      replan();
    });
  }

  /** One timer for all reasons to look again. */
  function replanIn(ms: number): void {
    clearTimeout(later);
    later = setTimeout(replanSoon, Math.min(ms, longestWaitMs)).unref();
  }

  function replan(): void {
    if (!snapshot || released) return;
    current = plan(snapshot, records, now());
    for (const { group, upper, unheard } of current.conflicts) {
      for (const name of [group, ...formerNames(current.renames, group)]) {
        const winner = records.get(upper);
        if (winner) records.set(upper, upheld(winner, name, now(), challengeMs));
        const loser = unheard && records.get(unheard);
        if (loser) records.set(unheard, sunk(loser, name, now(), rememberMs));
      }
    }
    tellProblems();
    const epoch = activeEpoch();
    if (epoch === undefined) return;
    const patienceMs = claim.patienceMs();
    const members = current.groups.flatMap((group) => group.members.map(({ node }) => node));
    if (patienceMs > 0 && unheardNodes(snapshot, records, members).length > 0) {
      replanIn(patienceMs);
      return;
    }
    dispatch.send(current, epoch, snapshot);
    const pending = current.groups.some(({ waiting }) => waiting.length > 0);
    // What waits for the end of a pause is measured from there.
    if (current.pause) deps.meter.reset();
    if (!pending && deps.meter.awaits() && everyoneInSync()) deps.meter.settled(now());
    const lookMs = Math.min(
      pending ? holdRepeatMs : Number.POSITIVE_INFINITY,
      (current.againMs ?? Number.POSITIVE_INFINITY) - now(),
    );
    if (Number.isFinite(lookMs)) replanIn(Math.max(1, lookMs));
  }

  /** Undefined while this coordinator is not the one to speak. */
  const activeEpoch = () => (claim.role() === 'active' ? claim.epoch() : undefined);

  /** Whether a member has no agent: then Swarm is asked why. */
  const misses = () =>
    current.groups.some(({ members }) => members.some(({ node }) => records.get(node)?.connected !== true));

  /** Without agents of its own it would only complain about their absence. */
  function tellProblems(): void {
    if (listens()) logProblems(statusNow()?.problems ?? []);
  }

  function statusNow(): Status | undefined {
    if (!snapshot) return undefined;
    return status({
      self,
      version: deps.version,
      role: claim.role(),
      active: activeCoordinator(snapshot)?.node,
      epoch: claim.epoch(),
      snapshot,
      snapshotAgeMs: now() - snapshotMs,
      snapshotError,
      tasks: taskReader.staleness(),
      agents: records,
      plan: { ...current, problems: [...current.problems, ...ownProblems] },
      nowMs: now(),
    });
  }

  const present = () => underPresentNames(records, current.renames ?? new Map());

  function refOf(node: NodeId): NodeRef {
    const known = snapshot?.nodes.find(({ id }) => id === node)?.hostname;
    return { node, hostname: known ?? records.get(node)?.hello.hostname ?? node };
  }

  function everyoneInSync(): boolean {
    return statusNow()?.agents.every((agent) => !agent.connected || agent.inSync) ?? false;
  }

  function welcomeFrame(): CoordinatorFrame {
    const managers = snapshot ? managerAddresses(snapshot) : [];
    return { type: 'welcome', protocol: protocolVersion, node: self, role: claim.role(), managers };
  }

  function greetAll(): void {
    const text = JSON.stringify(welcomeFrame());
    if (text === welcome) return;
    welcome = text;
    for (const node of deps.connected()) deps.send(node, welcomeFrame());
  }

  function expel(read: Snapshot): void {
    for (const node of deps.connected()) {
      if (read.nodes.some(({ id }) => id === node)) continue;
      deps.disconnect(node, {
        code: closeCode.unknownNode,
        reason: 'Swarm has no node with this id any more',
      });
    }
    for (const [node, record] of records) {
      if (record.connected || read.nodes.some(({ id }) => id === node)) continue;
      records.delete(node);
      past.forget(node);
    }
  }

  /** Whoever is heard again is not down: the word must not count a second time. */
  async function withdrawConfirmations(read: Snapshot): Promise<void> {
    for (const node of confirmedDown(read).filter((each) => records.get(each)?.connected)) {
      const words = { event: 'confirmation-withdrawn', node: nodeName(read, node) };
      try {
        await swarm.setLabel(node, confirmedDownLabel, undefined);
        log.info(words, 'the node is heard again');
      } catch (error) {
        log.warn({ ...words, error: String(error) }, 'the node is heard again, but its label stays for now');
      }
    }
  }

  function take(read: Snapshot): void {
    if (hostnames(read) !== (snapshot && hostnames(snapshot))) past.outdate();
    const changedMs =
      snapshot &&
      changedSinceMs(snapshot, read, [activeLabel, confirmedDownLabel, agentLabel, toldLabel], now());
    if (changedMs !== undefined) deps.meter.changed(changedMs);
    snapshot = read;
    snapshotMs = now();
  }

  async function readSwarm(): Promise<Snapshot> {
    return swarm.snapshot({ agentTasks: misses() });
  }

  async function lookOnce(): Promise<boolean> {
    try {
      const read = await readSwarm();
      if (snapshotError !== undefined) log.info({ event: 'swarm-readable' }, 'Swarm can be read again');
      take(read);
      snapshotError = undefined;
      expel(read);
      await claim.follow(read);
      const leading = activeCoordinator(snapshot ?? read)?.id;
      if (following !== leading) events.turnOver();
      following = leading;
      if (claim.role() === 'active') await withdrawConfirmations(read);
      greetAll();
      replan();
      return true;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (snapshotError === undefined) {
        log.warn(
          { event: 'swarm-unreadable', error: reason },
          'Swarm cannot be read; the last good snapshot stands',
        );
      }
      snapshotError = reason;
      tellProblems();
      return false;
    }
  }

  return {
    /** One after the other: of two at once the slower could bring back what the faster has seen gone. */
    look() {
      looking = looking.then(lookOnce);
      return looking;
    },

    lookAtTasks: () =>
      taskReader.look(() => {
        const epoch = activeEpoch();
        return snapshot && epoch !== undefined
          ? { snapshot, snapshotError, epoch, assignments: current.assignments }
          : undefined;
      }),

    admit(node, address) {
      const found = snapshot?.nodes.find(({ id }) => id === node);
      if (!found) return { code: closeCode.unknownNode, reason: 'Swarm has no node with this id' };
      if (found.addresses.length > 0 && !found.addresses.includes(address)) {
        const reason = `expected ${found.addresses.join(' or ')}, the address Swarm knows, found ${address}`;
        return { code: closeCode.wrongAddress, reason };
      }
      return undefined;
    },

    hello(hello) {
      records.set(hello.node, greeted(records.get(hello.node), hello, now()));
      dispatch.forget(hello.node);
      deps.send(hello.node, welcomeFrame());
      log.info({ event: 'agent-connected', node: hello.hostname, id: hello.node }, 'agent connected');
    },

    report(node, report) {
      const record = records.get(node);
      if (!record) return;
      records.set(node, reported(record, report, now()));
      // Another one was active for a while, and this one could not read Swarm meanwhile: it claims the role again, now
      // and then at most, whatever an agent says.
      claim.heard(Math.max(report.applied?.epoch ?? 0, report.rejected?.epoch ?? 0));
      if (!record.report) past.outdate();
      // Whoever has connected again is told again, also if nothing has changed there.
      const untold = claim.role() === 'active' && !dispatch.hasTold(node);
      if (untold || !plansAlike(record.report, report)) replanSoon();
    },

    remember: (node, transitions) => past.remember(refOf(node), transitions),

    gone(node) {
      const record = records.get(node);
      if (!record) return;
      records.set(node, { ...record, connected: false });
      log.warn({ event: 'agent-gone', node: record.hello.hostname, id: node }, 'agent disconnected');
      replanSoon();
    },

    history: () => snapshot && past.document(snapshot, records),
    snapshot: () => snapshot,
    plan: () => current,
    isActive: () => claim.role() === 'active',
    ownsPorts: () => snapshot !== undefined && ownsPorts(snapshot, identity),
    agentNodes: () => agentNodes(current, records),
    setOwnProblems(problems) {
      ownProblems = problems;
    },
    async release(patienceMs) {
      released = true;
      const epoch = activeEpoch();
      if (epoch !== undefined) await dispatch.release(epoch, records, patienceMs);
    },
    events,
    assignment: (node) => current.assignments.get(node),
    preview(file, node) {
      const interfaces = knownInterfaces(records);
      if (!snapshot || !interfaces.has(node)) return undefined;
      return assignmentOf({ ...snapshot, configs: [file] }, node, interfaces).instances;
    },
    doctor(refused) {
      const found = statusNow();
      return (
        found && snapshot && diagnose({ status: found, snapshot, agents: present(), refused, nowMs: now() })
      );
    },
    diff: (file) => snapshot && configDiff(snapshot, records, file, now()),

    status: statusNow,
  };
}

const hostnames = ({ nodes }: Snapshot): string =>
  nodes.map(({ id, hostname }) => `${id} ${hostname}`).join();
