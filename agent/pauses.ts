// Runs the pause machine of every instance: feeds it evidence, writes its decision into the track file that
// keepalived watches (1: FAULT, 0: takes part). Never a reload.
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import type { Log } from '../shared/io/log.ts';
import type { AssignedInstance, Pause } from '../shared/protocol.ts';
import { masterDownMs } from '../shared/timers.ts';
import {
  activeState,
  beginPause,
  type PauseEvent,
  type PauseState,
  pauseDetail,
  stepPause,
} from './core/pause.ts';
import { instanceIdentity } from './core/view.ts';
import { askAddresses, listenForAdvert } from './io/probe.ts';
import type { Problems } from './io/problems.ts';
import { writeWhole } from './io/state-store.ts';

export interface Pauses {
  /** A new life of keepalived: every instance joins. */
  beginAll(instances: readonly AssignedInstance[]): void;
  begin(instance: AssignedInstance): void;
  /** Instances that run already, after a restart of the agent: their track files tell. */
  adopt(instances: readonly AssignedInstance[]): void;
  /** New peers, interval or confirmation for instances that go on. */
  update(instances: readonly AssignedInstance[]): void;
  /** Forgets all others. */
  keepOnly(groups: ReadonlySet<string>): void;
  current(): ReadonlyMap<string, Pause>;
  isPaused(group: string): boolean;
  stop(): void;
}

export interface PauseDeps {
  readonly dir: string;
  readonly log: Log;
  readonly problems: Problems;
  readonly now: () => number;
  readonly wallNow: () => number;
  /** A link without carrier swallows questions: silence there proves nothing. */
  readonly interfaceUp: (name: string) => boolean;
  readonly onChange: () => void;
}

interface Entry {
  instance: AssignedInstance;
  state: PauseState;
  sinceWallMs: number;
  stopListening: () => void;
  stopped: boolean;
}

const ruleOf = (instance: AssignedInstance) => ({
  boundMs: masterDownMs(instance.version, instance.intervalMs, instance.priority),
  peersConfirmed: instance.peersConfirmed,
});
/** What the evidence depends on: a change makes running captures and questions worthless. */
const evidenceKey = (i: AssignedInstance) =>
  JSON.stringify([
    i.vrid,
    i.interface,
    i.source,
    i.peers.map((peer) => peer.address).sort(),
    [...i.addresses].sort(),
  ]);

export function createPauses(deps: PauseDeps): Pauses {
  const { dir, log, problems, now } = deps;
  const entries = new Map<string, Entry>();
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const file = (group: string) => `${dir}/${group}`;

  const clearProblems = (group: string) => {
    problems.clear('address-in-use', `group ${group}`);
    problems.clear('cannot-listen', `group ${group}`);
  };

  const forget = (group: string) => {
    const entry = entries.get(group);
    if (!entry) return;
    entry.stopped = true;
    entry.stopListening();
    entries.delete(group);
    clearProblems(group);
  };

  const feed = (entry: Entry, event: PauseEvent) => {
    if (entry.stopped) return;
    const before = entry.state;
    entry.state = stepPause(before, event, now());
    if (entry.state.phase !== before.phase) entered(entry, before, event);
    else if (entry.state.answeredBy?.mac !== before.answeredBy?.mac) deps.onChange();
  };

  const entered = (entry: Entry, before: PauseState, event: PauseEvent) => {
    const { group } = entry.instance;
    entry.sinceWallMs = deps.wallNow();
    if (entry.state.phase === 'active') {
      writeWhole(file(group), '0\n');
      entry.stopListening();
      clearProblems(group);
      const afterMs = Math.round(now() - before.sinceMs);
      log.info({ event: 'pause-ended', group, by: event.kind, afterMs }, 'takes part in the group');
    }
    if (entry.state.phase === 'address-in-use') {
      problems.set({
        code: 'address-in-use',
        severity: 'error',
        where: `group ${group}`,
        group,
        message: pauseDetail(entry.state),
        instead: 'this node stays out of the group',
        remedy: 'free the address, or let protocol 112 pass between the members',
      });
    } else problems.clear('address-in-use', `group ${group}`);
    deps.onChange();
  };

  const gather = (entry: Entry) => {
    entry.stopListening();
    const { group } = entry.instance;
    entry.stopListening = listenForAdvert(
      entry.instance,
      () => feed(entry, { kind: 'advert' }),
      (why) => problems.set(deafProblem(group, why)),
    );
  };

  const ask = async (entry: Entry) => {
    while (!entry.stopped && entry.state.phase !== 'active') {
      const { instance } = entry;
      const fromMs = now();
      const up = deps.interfaceUp(instance.interface);
      const answer = up ? await askAddresses(instance) : ({ kind: 'unknown', why: 'link down' } as const);
      const stale = evidenceKey(instance) !== evidenceKey(entry.instance);
      if (stale || (answer.kind === 'silence' && !deps.interfaceUp(instance.interface))) {
        feed(entry, { kind: 'unknown' });
      } else if (answer.kind === 'unknown') {
        log.debug(
          { event: 'asking-failed', group: instance.group, why: answer.why },
          'cannot ask for the address',
        );
        feed(entry, { kind: 'unknown' });
      } else feed(entry, answer.kind === 'silence' ? { kind: 'silence', fromMs } : answer);
      // A round of silence took its second already.
      if (answer.kind !== 'silence') await new Promise((resolve) => setTimeout(resolve, 500));
    }
  };

  const add = (instance: AssignedInstance, state: PauseState) => {
    forget(instance.group);
    const entry: Entry = {
      instance,
      state,
      sinceWallMs: deps.wallNow(),
      stopListening: () => undefined,
      stopped: false,
    };
    entries.set(instance.group, entry);
    writeWhole(file(instance.group), state.phase === 'active' ? '0\n' : '1\n');
    if (state.phase === 'active') return;
    log.info({ event: 'pause-began', group: instance.group }, 'joins the group paused');
    gather(entry);
    void ask(entry);
  };

  const begin = (instance: AssignedInstance) => add(instance, beginPause(ruleOf(instance), now()));

  return {
    begin,
    beginAll(instances) {
      this.keepOnly(new Set());
      for (const instance of instances) begin(instance);
      deps.onChange();
    },
    adopt(instances) {
      for (const instance of instances) {
        if (readTrackFile(file(instance.group)) === 0) add(instance, activeState(ruleOf(instance), now()));
        else begin(instance);
      }
      deps.onChange();
    },
    update(instances) {
      for (const instance of instances) {
        const entry = entries.get(instance.group);
        // Another identity begins anew with the reload; until then the old one keeps its own evidence.
        if (!entry || instanceIdentity(entry.instance) !== instanceIdentity(instance)) continue;
        const changed = evidenceKey(instance) !== evidenceKey(entry.instance);
        entry.instance = instance;
        feed(entry, { kind: 'rule', rule: ruleOf(instance) });
        if (changed && entry.state.phase !== 'active') {
          feed(entry, { kind: 'unknown' });
          gather(entry);
        }
      }
    },
    keepOnly(groups) {
      for (const group of [...entries.keys()]) if (!groups.has(group)) forget(group);
      for (const name of readdirSync(dir)) if (!groups.has(name)) rmSync(file(name), { force: true });
    },
    current() {
      const paused = [...entries].filter(([, { state }]) => state.phase !== 'active');
      return new Map(
        paused.map(([group, { state, sinceWallMs }]) => [
          group,
          {
            reason: state.phase === 'address-in-use' ? 'address-in-use' : 'joining',
            detail: pauseDetail(state),
            sinceMs: sinceWallMs,
          },
        ]),
      );
    },
    isPaused: (group) => (entries.get(group)?.state.phase ?? 'active') !== 'active',
    stop() {
      for (const group of [...entries.keys()]) forget(group);
    },
  };
}

function deafProblem(group: string, why: string) {
  return {
    code: 'cannot-listen',
    severity: 'warning',
    where: `group ${group}`,
    group,
    message: `expected to listen for the holder's adverts, found ${why}`,
    instead: 'joins only when nobody answers for the address; tries again every second',
    remedy: 'give the agent the capability NET_RAW, and perl-base if the image was changed',
  } as const;
}

/** Anything but a clear 0 counts as paused: the safe reading. */
function readTrackFile(path: string): 0 | 1 {
  try {
    return readFileSync(path, 'utf8').trim() === '0' ? 0 : 1;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 1;
    throw error;
  }
}
