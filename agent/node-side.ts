// The node's side of the agent: keepalived and what is known of it. All of it works without a coordinator.
import type { Log } from '../shared/io/log.ts';
import { createAdvertFaults } from './advert-faults.ts';
import { createAnnouncer } from './announcer.ts';
import type { Checks } from './checks.ts';
import type { AgentConfig } from './config.ts';
import { readClue } from './core/clue.ts';
import type { Change } from './core/history.ts';
import { createForeignHolders } from './foreign-holders.ts';
import { createHealth } from './health.ts';
import { createHistory, type HistoryKeeper } from './history.ts';
import { createHoldingWatch, type HoldingWatch } from './holding.ts';
import { createHeirs } from './inheritance.ts';
import { type KernelWatch, watchKernel } from './io/addresses.ts';
import { jsonSignal } from './io/dump.ts';
import { createKeepalivedIo } from './io/keepalived-io.ts';
import { probe } from './io/probe.ts';
import { createProblems, type Problems } from './io/problems.ts';
import { createStateStore, type StateStore } from './io/state-store.ts';
import { createTrackFiles } from './io/track-file.ts';
import { createKeeper, type Keeper } from './keeper.ts';
import { createLeases, type Leases } from './leases.ts';
import { createMacvlans } from './macvlans.ts';
import { createNeighbours } from './neighbours.ts';
import type { Notifier } from './notify.ts';
import { createObserver, type Observer } from './observer.ts';
import { createOwnedAddresses, type OwnedAddresses } from './owned-addresses.ts';
import { createParts, type Parts } from './parts.ts';
import { createPins } from './pins.ts';
import { createTaskWords, type TaskWords } from './task-words.ts';
import { createVrrpStates, type VrrpStates } from './vrrp-states.ts';

const now = () => performance.now();
const wallNow = () => Date.now();

export interface NodeSide {
  readonly problems: Problems;
  readonly store: StateStore;
  readonly kernel: KernelWatch;
  readonly owned: OwnedAddresses;
  readonly states: VrrpStates;
  readonly history: HistoryKeeper;
  readonly parts: Parts;
  readonly checks: Checks;
  readonly tasks: TaskWords;
  readonly notifier: Notifier;
  readonly keeper: Keeper;
  readonly leases: Leases;
  readonly holding: HoldingWatch;
  readonly observer: Observer;
}

/** What the node's side tells; bound once the rest of the agent stands. */
export interface Events {
  onKernelChange: () => void;
  onGone: Observer['gone'];
  /** What somebody else's keepalived does on this host. */
  onSurroundings: () => void;
  onChange: () => void;
  /** To every manager. */
  send: (text: string) => void;
}

export async function createNodeSide(config: AgentConfig, log: Log, events: Events): Promise<NodeSide> {
  const { paths } = config;
  const onChange = () => events.onChange();
  const problems = createProblems(log, onChange);
  const store = createStateStore(problems);
  const neighbours = createNeighbours(log);
  const onKernel = () => {
    neighbours.look(kernel.current());
    events.onKernelChange();
    onChange();
  };
  const kernel = watchKernel(log, onKernel, (gone) => events.onGone(gone));
  const interfaceUp = (name: string) => kernel.current().some((link) => link.name === name && link.up);
  const files = createTrackFiles(paths.pauseDir, paths.liveDir);
  const tasks = createTaskWords({ config, store, now, wallNow });
  const { checks, notifier } = createHealth({
    ...{ config, log, problems, tasks, now, wallNow, onChange },
    random: Math.random,
    stateOf: (group) => states.current().get(group)?.state ?? 'INIT',
    instances: () => keeper.supervise().loading?.instances,
    onVerdict: (group) => parts.checked(group),
  });
  const onPart = () => {
    // Somebody may answer for what is kept.
    if (heirs.keeps()) observer.look();
    onChange();
  };
  const parts = createParts({
    ...{ files, checks, probe, log, problems, now, wallNow, interfaceUp },
    onChange: onPart,
  });
  const leases = createLeases(config, { log, problems });
  const owned = createOwnedAddresses(paths.owned, { store, kernel, leases, log });
  const macvlans = createMacvlans(paths.macvlans, { store, kernel, problems, log });
  const pins = createPins({ owned, kernel, log });
  const history = createHistory({
    file: paths.history,
    store,
    log,
    wallNow,
    circumstances: (group) => ({
      pause: parts.current().get(group)?.detail,
      weighs: checks.verdict(group).weighs || undefined,
      order: parts.orderOf(group),
    }),
    running: (group) => keeper.supervise().loading?.instances.find((each) => each.group === group),
    send: (text) => events.send(text),
  });
  const onState = (change: Change, source: 'fifo' | 'dump') => {
    const { group, from, to, priority } = change;
    // What a restarted agent finds as it was is no change.
    if (source === 'fifo' || from !== 'INIT') notifier.changed(group, to, priority);
    if (source === 'fifo') history.changed(change);
    else history.found(change);
    parts.heard(group, to);
    pins.heard(group, to);
    announcer.heard(group, to);
    foreign.heard(to);
    holding.look();
  };
  const announcer = createAnnouncer({ log, held: () => held() });
  const states = createVrrpStates({ log, wallNow, onState, onConflict: announcer.conflict, onChange });
  const faults = createAdvertFaults({ problems, now });
  const held = () =>
    (keeper.supervise().running?.instances ?? []).filter(
      ({ group }) => states.current().get(group)?.state === 'MASTER',
    );
  const foreign = createForeignHolders({ log, problems, held });
  const io = createKeepalivedIo(config, await jsonSignal());
  const keeper = createKeeper({
    io,
    log,
    problems,
    owned,
    macvlans,
    states,
    history,
    onOrders(instances) {
      announcer.ordered(instances);
      notifier.ordered(instances);
    },
    onSays(text) {
      const clue = readClue(text);
      if (clue) history.hear(clue);
      faults.hear(text);
    },
    parts,
    pins,
    now,
    onChange,
  });
  await kernel.refresh();
  const heirs = createHeirs({
    ...{ owned, log, now },
    answered: parts.isAnswered,
    pauseOf: (group) => parts.current().get(group),
    lookAgain: () => observer.look(),
  });
  const observer: Observer = createObserver({
    heirs,
    ...{ log, problems, now, wallNow },
    kernel: kernel.current,
    recorded: owned.all,
    holds: (group) => states.current().get(group)?.state === 'MASTER',
    runs: (group) => keeper.supervise().loading?.instances.some((each) => each.group === group) ?? false,
    onChange() {
      events.onSurroundings();
      onChange();
    },
  });
  const holding = createHoldingWatch({
    ...{ log, problems, kernel, states, keeper, now },
    strangerHere: observer.strangerHere,
  });
  return {
    problems,
    store,
    kernel,
    owned,
    states,
    history,
    parts,
    checks,
    tasks,
    notifier,
    keeper,
    leases,
    holding,
    observer,
  };
}
