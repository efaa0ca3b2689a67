// Runs the part of every instance (core/part.ts): feeds it orders, evidence and what keepalived says; writes what
// follows into the two track files that keepalived watches (io/track-file.ts). Never a reload.
import type { Log } from '../shared/io/log.ts';
import type { AssignedInstance, Generation, Pause, VrrpState } from '../shared/protocol.ts';
import type { Checks } from './checks.ts';
import { type FoundFiles, pauseOf, trackValues } from './core/checks-verdict.ts';
import type { Order } from './core/history.ts';
import { deafProblem, inUseProblem } from './core/join-problem.ts';
import {
  beginPart,
  deadlineMs,
  isPaused,
  lowestValue,
  type Part,
  type PartEvent,
  partDetail,
  pauseReason,
  runningPart,
  stepPart,
  termsOf,
} from './core/part.ts';
import { agreementOf } from './core/transition.ts';
import { instanceIdentity } from './core/view.ts';
import { type Evidence, gatherEvidence } from './evidence.ts';
import type { Probe } from './io/probe.ts';
import type { Problems } from './io/problems.ts';
import type { TrackFiles } from './io/track-file.ts';

export interface Parts {
  /** A new life of keepalived: every instance joins. */
  beginAll(orders: Orders): void;
  begin(instance: AssignedInstance, generation: Generation): void;
  /** Takes part at once: the leader of an ordered change, while all others are held. */
  lead(instance: AssignedInstance, generation: Generation): void;
  /** What ran under another name goes on with all that is known of it; the reload that renames it follows. */
  rename(from: string, instance: AssignedInstance, generation: Generation): void;
  /** Instances that run already, after a restart of the agent: their track files tell. */
  adopt(orders: Orders): void;
  /** New orders, peers, interval or confirmation for instances that go on. */
  update(orders: Orders): void;
  /** keepalived runs exactly these; all others are forgotten. */
  settled(orders: Orders): void;
  /** keepalived runs nothing any more: nothing is to be checked, and nobody joins. */
  idle(): void;
  /** Something other than before follows from the checks of a group. */
  checked(group: string): void;
  /** keepalived has spoken. */
  heard(group: string, state: VrrpState): void;
  /** The agent is about to stop: holders yield, all others stand aside. */
  leave(): void;
  /** Groups that this node yields and still holds. */
  yielding(): readonly AssignedInstance[];
  current(): ReadonlyMap<string, Pause>;
  /** Whose will it is that this node stands aside or leads. */
  orderOf(group: string): Order | undefined;
  isPaused(group: string): boolean;
  /** While it joins: somebody answers for an address of the group. */
  isAnswered(group: string): boolean;
  stop(): void;
}

export interface Orders {
  readonly generation: Generation;
  readonly instances: readonly AssignedInstance[];
}

export interface PartsDeps {
  readonly files: TrackFiles;
  readonly checks: Checks;
  readonly probe: Probe;
  readonly log: Log;
  readonly problems: Problems;
  readonly now: () => number;
  readonly wallNow: () => number;
  readonly interfaceUp: (name: string) => boolean;
  readonly onChange: () => void;
}

interface Entry {
  instance: AssignedInstance;
  generation: Generation;
  /** As keepalived runs it, until it has been reloaded: it takes no advert of a new peer, and none with new values. */
  loaded: AssignedInstance;
  part: Part;
  /** The lowest base priority that keepalived may be running with. */
  basePriority: number;
  sinceWallMs: number;
  evidence: Evidence | undefined;
  timer: NodeJS.Timeout | undefined;
}

/**
 * The instance for its evidence. Whoever takes part by an advert that keepalived itself refuses becomes a second holder:
 * only peers that it knows count. And what is said of the others is said for the new values: nobody joins with the old ones.
 */
function witnessed({ instance, loaded }: Entry): AssignedInstance {
  const peers = instance.peers.filter(({ address }) => loaded.peers.some((peer) => peer.address === address));
  if (agreementOf(instance) === agreementOf(loaded)) return { ...instance, peers };
  return { ...instance, peers, peersConfirmed: false, silenceOnly: true };
}

export function createParts(deps: PartsDeps): Parts {
  const { files, checks, log, problems, now } = deps;
  const entries = new Map<string, Entry>();

  const clearProblems = (group: string) => {
    problems.clear('address-in-use', `group ${group}`);
    problems.clear('cannot-listen', `group ${group}`);
  };

  const halt = (entry: Entry) => {
    entry.evidence?.stop();
    entry.evidence = undefined;
    clearTimeout(entry.timer);
  };

  const forget = (group: string) => {
    const entry = entries.get(group);
    if (!entry) return;
    halt(entry);
    entries.delete(group);
    clearProblems(group);
  };

  const write = ({ instance: { group, floor }, part, basePriority }: Entry) => {
    const { paused, live } = trackValues(part, basePriority, checks.verdict(group), floor);
    files.write(group, paused, live);
  };

  const feed = (entry: Entry, event: PartEvent) => {
    if (entries.get(entry.instance.group) !== entry) return;
    const before = entry.part;
    entry.part = stepPart(before, event, now());
    follow(entry, before, event.kind);
  };

  /** Carries out what a step has changed. */
  const follow = (entry: Entry, before: Part | undefined, cause: string) => {
    const { part } = entry;
    write(entry);
    schedule(entry);
    if (part.phase !== before?.phase) entered(entry, before, cause);
    if (part.phase === 'joining') joinProblem(entry);
    if (part.phase !== before?.phase || pauseReason(part) !== (before && pauseReason(before))) {
      entry.sinceWallMs = deps.wallNow();
      deps.onChange();
    } else if (part.pause.answeredBy?.mac !== before?.pause.answeredBy?.mac) deps.onChange();
  };

  const schedule = (entry: Entry) => {
    clearTimeout(entry.timer);
    const deadline = deadlineMs(entry.part);
    if (deadline === null) return;
    entry.timer = setTimeout(() => feed(entry, { kind: 'tick' }), Math.max(1, deadline - now() + 1));
  };

  const entered = (entry: Entry, before: Part | undefined, cause: string) => {
    const { group } = entry.instance;
    const { phase } = entry.part;
    const words = { group, from: before?.phase, to: phase, by: cause };
    entry.evidence?.stop();
    entry.evidence = undefined;
    if (phase === 'joining') look(entry);
    if (phase !== 'joining') clearProblems(group);
    if (!isPaused(entry.part) && before && isPaused(before)) {
      const afterMs = Math.round(now() - before.sinceMs);
      log.info({ event: 'pause-ended', ...words, afterMs }, 'takes part in the group');
    } else if (isPaused(entry.part) && !(before && isPaused(before))) {
      log.info({ event: 'pause-began', ...words }, partDetail(entry.part));
    } else if (before) log.info({ event: 'part-changed', ...words }, partDetail(entry.part));
  };

  const joinProblem = ({ part, instance: { group } }: Entry) => {
    if (part.pause.phase !== 'address-in-use') return problems.clear('address-in-use', `group ${group}`);
    problems.set(inUseProblem(group, partDetail(part)));
  };

  /** What is found before the checks have spoken would be old when they have. */
  const look = (entry: Entry) => {
    const ready = checks.verdict(entry.instance.group).pending.length === 0;
    if (ready) entry.evidence ??= gather(entry);
  };

  const gather = (entry: Entry) =>
    gatherEvidence(witnessed(entry), {
      probe: deps.probe,
      log,
      now,
      interfaceUp: deps.interfaceUp,
      onEvidence: (event) => feed(entry, event),
      onDeaf: (why) => problems.set(deafProblem(entry.instance.group, why)),
    });

  const add = (instance: AssignedInstance, generation: Generation, part: Part, found?: FoundFiles) => {
    forget(instance.group);
    checks.run(instance, found);
    const entry: Entry = {
      ...{ instance, generation, loaded: instance },
      part,
      basePriority: instance.priority,
      sinceWallMs: deps.wallNow(),
      evidence: undefined,
      timer: undefined,
    };
    entries.set(instance.group, entry);
    follow(entry, undefined, 'begin');
  };

  const begin = (instance: AssignedInstance, generation: Generation, found?: FoundFiles) =>
    add(instance, generation, beginPart(termsOf(instance, generation), now()), found);

  const forgetOthers = (groups: ReadonlySet<string>) => {
    for (const group of [...entries.keys()]) if (!groups.has(group)) forget(group);
    files.keepOnly(groups);
  };

  const weigh = (entry: Entry) => {
    const instance = witnessed(entry);
    entry.evidence?.update(instance);
    feed(entry, { kind: 'terms', terms: termsOf(instance, entry.generation) });
  };

  const ordered = (entry: Entry, instance: AssignedInstance, generation: Generation) => {
    entry.instance = instance;
    entry.generation = generation;
    // Until the reload is done keepalived may add to either.
    entry.basePriority = Math.min(entry.basePriority, instance.priority);
    weigh(entry);
  };

  const rename = (from: string, instance: AssignedInstance, generation: Generation) => {
    const entry = entries.get(from);
    if (!entry) return begin(instance, generation);
    forget(instance.group);
    const found = files.read(from);
    // Where the priority is left as it is, keepalived must find it under the new name.
    files.write(instance.group, found.paused, found.live);
    clearProblems(from);
    checks.run(instance, found);
    entries.delete(from);
    entries.set(instance.group, entry);
    ordered(entry, instance, generation);
  };

  return {
    begin,
    rename,
    lead: (instance, generation) =>
      add(instance, generation, runningPart(termsOf(instance, generation), false, now())),
    beginAll({ instances, generation }) {
      forgetOthers(new Set());
      for (const instance of instances) begin(instance, generation);
    },
    adopt({ instances, generation }) {
      for (const instance of instances) {
        const found = files.read(instance.group);
        const terms = termsOf(instance, generation);
        if (found.paused) begin(instance, generation, found);
        else add(instance, generation, runningPart(terms, found.live === lowestValue, now()), found);
      }
    },
    update({ instances, generation }) {
      for (const instance of instances) {
        const entry = entries.get(instance.group);
        // Another identity begins anew with the reload; until then the old one keeps its own evidence.
        if (!entry || instanceIdentity(entry.instance) !== instanceIdentity(instance)) continue;
        checks.run(instance);
        ordered(entry, instance, generation);
      }
    },
    settled({ instances }) {
      const groups = new Set(instances.map((instance) => instance.group));
      forgetOthers(groups);
      checks.keepOnly(groups);
      for (const loaded of instances) {
        const entry = entries.get(loaded.group);
        if (!entry) continue;
        entry.basePriority = loaded.priority;
        entry.loaded = loaded;
        weigh(entry);
      }
    },
    idle() {
      checks.keepOnly(new Set());
      // What a stop is part of is still asked for by the history.
      for (const [group, { part }] of [...entries]) if (!part.leaving) forget(group);
    },
    checked(group) {
      const entry = entries.get(group);
      if (!entry) return;
      write(entry);
      if (entry.part.phase === 'joining') look(entry);
      deps.onChange();
    },
    heard(group, state) {
      const entry = entries.get(group);
      if (entry) feed(entry, { kind: 'vrrp', state });
    },
    leave() {
      for (const entry of entries.values()) feed(entry, { kind: 'leave' });
    },
    yielding: () =>
      [...entries.values()].filter(({ part }) => part.phase === 'yielding').map(({ instance }) => instance),
    current() {
      const paused = [...entries].flatMap(([group, { part, sinceWallMs }]): [string, Pause][] => {
        const pause = pauseOf(part, sinceWallMs, checks.verdict(group));
        return pause ? [[group, pause]] : [];
      });
      return new Map(paused);
    },
    orderOf(group) {
      const { part, instance } = entries.get(group) ?? {};
      if (part?.leaving) return { words: 'the agent stops', aside: true };
      return instance?.order === undefined
        ? undefined
        : { words: instance.order, aside: instance.standAside !== undefined };
    },
    isPaused(group) {
      const entry = entries.get(group);
      return entry !== undefined && trackValues(entry.part, 0, checks.verdict(group)).paused;
    },
    isAnswered(group) {
      const { part } = entries.get(group) ?? {};
      return part?.phase === 'joining' && part.pause.answeredBy !== null;
    },
    stop() {
      for (const group of [...entries.keys()]) forget(group);
      checks.keepOnly(new Set());
    },
  };
}
