// Runs the supervise machine: carries out its effects on the real keepalived, feeds back what happens to it.
import type { Log } from '../shared/io/log.ts';
import type { AssignedInstance } from '../shared/protocol.ts';
import { readKeepalivedLine } from './core/keepalived-log.ts';
import {
  adoptedSupervise,
  initialSupervise,
  type Supervise,
  type SuperviseEffect,
  type SuperviseEvent,
  stepSupervise,
} from './core/supervise.ts';
import { continued, predecessor } from './core/view.ts';
import type { HistoryKeeper } from './history.ts';
import type { Dump } from './io/dump.ts';
import type { KeepalivedIo } from './io/keepalived-io.ts';
import type { Problems } from './io/problems.ts';
import { crashProblem, createLastWords } from './last-words.ts';
import type { Macvlans } from './macvlans.ts';
import type { OwnedAddresses } from './owned-addresses.ts';
import type { Parts } from './parts.ts';
import type { Pins } from './pins.ts';
import { createReloadGate } from './reload-gate.ts';
import { createRunConfig, type RunConfig } from './run-config.ts';
import type { VrrpStates } from './vrrp-states.ts';

export interface KeeperDeps {
  readonly io: KeepalivedIo;
  readonly log: Log;
  readonly problems: Problems;
  readonly owned: OwnedAddresses;
  readonly macvlans: Macvlans;
  readonly states: VrrpStates;
  readonly history: Pick<HistoryKeeper, 'crashed'>;
  /** What is wanted from now on, whether it needs a reload or not. */
  readonly onOrders: (instances: readonly AssignedInstance[]) => void;
  /** A line of keepalived's log. */
  readonly onSays: (text: string) => void;
  readonly parts: Parts;
  readonly pins: Pins;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly onChange: () => void;
}

export interface Keeper {
  /** Takes over a keepalived that runs, or removes what an earlier life left. Once, before everything else. */
  begin(lastRun: RunConfig | undefined): Promise<void>;
  want(config: RunConfig | null): void;
  /** Stops keepalived cleanly; resolves when its last process is gone. */
  leave(): Promise<void>;
  supervise(): Supervise<RunConfig>;
  /** keepalived takes part in VRRP, as far as is known. */
  isAlive(): boolean;
  dump(): Promise<Dump | undefined>;
  /** The last one that was taken, for whatever reason: at most one resync old. Empty before the first. */
  lastDump(): Dump;
  /** What became of new configurations for a running keepalived. */
  reloads(): { readonly applied: number; readonly failed: number };
}

/** Also how old the counters are that a scrape gets: no scrape asks keepalived itself. */
const resyncPeriodMs = 15_000;

export function createKeeper(deps: KeeperDeps): Keeper {
  const { io, log, problems, owned, macvlans, states, history, parts, pins, now } = deps;
  let state: Supervise<RunConfig> = initialSupervise();
  let timer: NodeJS.Timeout | undefined;
  let queue: Promise<void> = Promise.resolve();
  let onFinished: () => void = () => undefined;
  const lastWords = createLastWords(log, now);

  const daemon = io.daemon({
    onLine(line) {
      const { text, meaning } = readKeepalivedLine(line);
      lastWords.hear(text, meaning === 'warning');
      deps.onSays(text);
      if (meaning === 'ready' || meaning === 'respawning') dispatch({ kind: meaning });
    },
    onGone: () => dispatch({ kind: 'gone' }),
  });
  const takeDump = io.dumper((signal) => daemon.signal(signal));
  let lastDump: Dump = [];
  const dump = async () => {
    const taken = await takeDump();
    lastDump = taken ?? lastDump;
    return taken;
  };
  const reloads = { applied: 0, failed: 0 };
  const gate = createReloadGate({
    dump,
    running: () => state.running?.instances ?? [],
    wanted: () => state.wanted?.instances ?? [],
    isPaused: parts.isPaused,
    now,
    onOpen: () => dispatch({ kind: 'gate-open' }),
  });

  const dispatch = (event: SuperviseEvent<RunConfig>) => {
    const before = state;
    const step = stepSupervise(state, event, now());
    state = step.state;
    if (state.phase !== before.phase) {
      log.info(
        { event: 'keepalived-phase', from: before.phase, to: state.phase, cause: event.kind },
        'keepalived',
      );
      if (before.phase === 'reloading') reloads[state.phase === 'backing-off' ? 'failed' : 'applied'] += 1;
      if (state.phase === 'backing-off') history.crashed(states.current());
      if (state.phase === 'backing-off' || state.phase === 'stopped') states.keepOnly(new Set());
      if (state.phase === 'stopped') {
        parts.idle();
        problems.clear('keepalived-down', 'keepalived');
      }
    }
    // The coordinator's word about peers counts at once, also for an instance that needs no reload.
    if (state.wanted !== before.wanted) deps.onOrders(state.wanted?.instances ?? []);
    if (state.wanted && state.wanted !== before.wanted) {
      parts.update(state.wanted);
      // Nothing to reload, but a next life of the agent must know these orders.
      if (state.phase === 'running' && state.running === state.wanted) enqueueRecord(state.wanted);
    }
    for (const effect of step.effects) enqueue(effect);
    clearTimeout(timer);
    if (state.deadlineMs !== null) {
      timer = setTimeout(() => dispatch({ kind: 'tick' }), Math.max(1, state.deadlineMs - now() + 1));
    }
    deps.onChange();
  };

  const enqueue = (effect: SuperviseEffect<RunConfig>) => {
    queue = queue.then(async () => {
      try {
        await perform(effect);
      } catch (error) {
        log.error(
          { event: 'effect-failed', effect: effect.kind, error: String(error) },
          'could not carry out a step',
        );
        if (effect.kind === 'start') dispatch({ kind: 'gone' });
        // keepalived has not been told yet: an address must not stay behind a full tmpfs for ever.
        if (effect.kind === 'reload') setTimeout(() => state.phase === 'reloading' && enqueue(effect), 1000);
      }
    });
  };

  const enqueueRecord = (current: RunConfig) => {
    queue = queue.then(() => {
      try {
        if (state.running === current) io.record(current, true);
      } catch (error) {
        log.error({ event: 'record-failed', error: String(error) }, 'could not record what runs');
      }
    });
  };

  const perform = async (effect: SuperviseEffect<RunConfig>): Promise<void> => {
    switch (effect.kind) {
      case 'start':
        owned.record(effect.config.instances);
        await macvlans.prepare(effect.config.instances);
        parts.beginAll(effect.config);
        catchUp(effect.config);
        install(effect.config);
        return daemon.start();
      case 'open-gate':
        // Slow disk work is done now; when the gate opens, the signal must follow at once.
        owned.record(effect.config.instances);
        await macvlans.prepare(effect.config.instances);
        void gate.watch();
        return;
      case 'close-gate':
        return gate.close();
      case 'reload':
        return reload(effect.config);
      case 'terminate':
        daemon.signal('SIGTERM');
        return;
      case 'kill':
        log.error(
          { event: 'keepalived-hangs', phase: state.phase },
          'keepalived did not do as told in time: killed',
        );
        return daemon.kill();
      case 'sweep':
        await sweep([]);
        if (state.phase === 'backing-off') problems.set(crashProblem(daemon.lastExit(), lastWords.all()));
        return;
      case 'resync':
        return resync(0);
      case 'settled':
        return settle(effect.config);
      case 'finished':
        return onFinished();
    }
  };

  const sweep = async (keep: readonly AssignedInstance[]) => {
    await owned.sweep(keep);
    await macvlans.settle(keep);
  };

  const install = (next: RunConfig) => {
    // First the record: a successor of this process must know the configuration that it may find running.
    io.record(next, false);
    io.install(next.text);
  };

  /** Orders that came while the kernel was asked found no part that they could go to, and do not come again. */
  const catchUp = (begun: RunConfig) => {
    if (state.wanted && state.wanted !== begun) parts.update(state.wanted);
  };

  const reload = async (next: RunConfig) => {
    const running = state.running?.instances ?? [];
    owned.record(next.instances);
    await macvlans.prepare(next.instances);
    const fresh = next.instances.filter((instance) => !continued(instance, running));
    const leads = (instance: AssignedInstance) => {
      const { group } = predecessor(instance, running) ?? instance;
      return instance.transition === 'lead' && states.current().get(group)?.state === 'MASTER';
    };
    await pins.pin(fresh.filter(leads));
    for (const instance of fresh) {
      if (leads(instance)) parts.lead(instance, next.generation);
      else parts.begin(instance, next.generation);
    }
    for (const instance of next.instances) {
      const before = continued(instance, running);
      if (!before || before.group === instance.group) continue;
      parts.rename(before.group, instance, next.generation);
      states.rename(before.group, instance.group);
    }
    catchUp(next);
    install(next);
    daemon.signal('SIGHUP');
  };

  const settle = async (settled: RunConfig) => {
    io.record(settled, true);
    const groups = new Set(settled.instances.map((instance) => instance.group));
    parts.settled(settled);
    states.keepOnly(groups);
    problems.clear('keepalived-down', 'keepalived');
    const { generation, instances } = settled;
    log.info({ event: 'applied', generation, instances: instances.length }, 'keepalived runs the assignment');
    await sweep(instances);
  };

  const isAlive = () => ['running', 'gating', 'reloading'].includes(state.phase);
  const resync = async (attempt: number): Promise<void> => {
    const done = await states.resync(dump);
    if (!done && isAlive() && attempt < 5) setTimeout(() => void resync(attempt + 1), 500);
  };
  const resyncTimer = setInterval(() => isAlive() && void resync(5), resyncPeriodMs);

  return {
    async begin(lastRun) {
      io.readStates(states.readLine, () =>
        log.error({ event: 'fifo-ended' }, 'the notify FIFO ended; states come from dumps alone'),
      );
      if (!daemon.adopt()) return sweep([]);
      // Nothing says with what it runs: then everything it has is new to us, and the next assignment replaces it.
      const found = lastRun ?? { ...createRunConfig({ epoch: 0, counter: 0 }, [], '', 0), key: 'unknown' };
      state = adoptedSupervise(found, now());
      owned.record(found.instances);
      pins.adopt(found.instances);
      parts.adopt(found);
      log.info({ event: 'adopted', generation: found.generation }, 'took over the running keepalived');
      await resync(0);
    },
    want: (next) => dispatch({ kind: 'want', config: next }),
    async leave() {
      clearInterval(resyncTimer);
      await new Promise<void>((resolve) => {
        onFinished = resolve;
        dispatch({ kind: 'leave' });
      });
      clearTimeout(timer);
      daemon.detach();
    },
    supervise: () => state,
    isAlive,
    dump,
    lastDump: () => lastDump,
    reloads: () => reloads,
  };
}
