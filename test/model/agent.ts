// The real agent on a machine of the model: main.ts's wiring with the model's world below it. Applier, keeper, parts,
// evidence, reload gate, states, hand-over and report are the product's own.
import { createApplier } from '../../agent/applier.ts';
import type { Checks } from '../../agent/checks.ts';
import type { AgentConfig } from '../../agent/config.ts';
import type { PlacedAddress } from '../../agent/core/anchor.ts';
import { noChecks, type Verdict } from '../../agent/core/checks-verdict.ts';
import { visibleInterfaces } from '../../agent/core/kernel.ts';
import { buildReport } from '../../agent/core/report.ts';
import { pinSeconds } from '../../agent/core/transition.ts';
import { createHandOver } from '../../agent/hand-over.ts';
import type { KeepalivedIo } from '../../agent/io/keepalived-io.ts';
import type { Probe } from '../../agent/io/probe.ts';
import { createProblems } from '../../agent/io/problems.ts';
import type { TrackFiles } from '../../agent/io/track-file.ts';
import { createKeeper, type Keeper } from '../../agent/keeper.ts';
import type { OwnedAddresses } from '../../agent/owned-addresses.ts';
import { createParts, type Parts } from '../../agent/parts.ts';
import type { Pins } from '../../agent/pins.ts';
import type { Quarantine } from '../../agent/quarantine.ts';
import { createReporter } from '../../agent/reporter.ts';
import { createVrrpStates } from '../../agent/vrrp-states.ts';
import type { Log } from '../../shared/io/log.ts';
import type { AssignedInstance, Assignment, Generation } from '../../shared/protocol.ts';
import { holdLimitMs } from '../../shared/timers.ts';
import { renderView } from './keepalived.ts';
import type { Machine, Surroundings } from './machine.ts';
import type { Life } from './virtual-time.ts';

export const wallBaseMs = 1_760_000_000_000;
const coldStartMs = 3000;

export interface Agent {
  readonly life: Life;
  readonly keeper: Keeper;
  readonly parts: Parts;
  onAssignment(assignment: Assignment): void;
  onWelcome(): void;
  /** A fault check begins or ends to fail. */
  check(group: string, fails: boolean): void;
  /** SIGTERM; calls back when the process has ended. */
  leave(onEnd: () => void): Promise<void>;
}

export interface AgentDeps {
  readonly machine: Machine;
  readonly around: Surroundings;
  readonly log: Log;
  /** To every manager that has welcomed it. */
  readonly send: (text: string) => void;
  /** It asks for connections. */
  readonly open: () => void;
  readonly close: () => void;
  readonly accepted: (generation: Generation) => void;
}

/** Runs as its own life. */
export async function startAgent(deps: AgentDeps, life: Life): Promise<Agent> {
  const { machine, around, log } = deps;
  const { time } = around;
  const now = () => time.nowMs;
  const wallNow = () => wallBaseMs + Math.floor(time.nowMs);
  let onChange = (): void => undefined;
  const changed = () => onChange();
  const config = {
    nodeId: machine.id,
    hostname: `host${machine.number}`,
    crashOn: null,
    paths,
  } as AgentConfig;
  const problems = createProblems(log, changed);
  const failing = new Set<string>();
  const owned = ownedOf(machine);
  const pins = pinsOf(machine);
  const parts: Parts = createParts({
    ...{ log, problems, now, wallNow, probe: probeOf(machine, around, life) },
    files: filesOf(machine),
    checks: checksOf(failing),
    interfaceUp: () => machine.linkUp,
    onChange: changed,
  });
  const states = createVrrpStates({
    ...{ log, wallNow, onChange: changed },
    onState({ group, to }) {
      parts.heard(group, to);
      pins.heard(group, to);
    },
    onConflict: () => undefined,
  });
  const keeper: Keeper = createKeeper({
    ...{ log, problems, owned, states, parts, pins, now },
    io: ioOf(machine, around, life, states.readLine),
    history: { crashed: () => undefined },
    onOrders: () => undefined,
    onSays: () => undefined,
    onChange: changed,
  });
  const { record } = machine.run;
  const lastRun = record && (record.settled ? record.config : { ...record.config, key: 'unsettled' });
  const quarantine: Quarantine = {
    lastRun: () => lastRun,
    isPoison: () => false,
    open: () => undefined,
    settled: () => undefined,
  };
  await keeper.begin(lastRun);
  const applier = createApplier({
    ...{ config, log, keeper, render: renderView, quarantine, onChange: changed },
    store: {
      // As the schema does: a copy, so that nothing is shared with an earlier life.
      read: <T>(file: string) => structuredClone(machine.disk.get(file)) as T | undefined,
      write(file, value) {
        machine.disk.set(file, structuredClone(value));
        return true;
      },
    },
    test: async () => void (await new Promise((resolve) => setTimeout(resolve, 15))),
    kernel: () => machine.kernel(),
    holds: (group) => states.current().get(group)?.state === 'MASTER',
  });
  machine.ears = {
    life,
    line: (text) => daemonOf(machine).line(text),
    gone: () => daemonOf(machine).gone(),
    fifo: states.readLine,
    kernel: () => {
      applier.reconsider();
      changed();
    },
  };
  const reporter = createReporter(() => {
    const { phase, restarts, running } = keeper.supervise();
    return buildReport({
      ...{ running, phase, restarts, kernel: machine.kernel(), checks: new Map() },
      interfaces: visibleInterfaces(machine.kernel(), owned.all()),
      idle: applier.idle(),
      rejected: applier.rejected(),
      states: states.current(),
      pauses: parts.current(),
      problems: problems.all(),
    });
  }, deps.send);
  onChange = reporter.changed;
  deps.open();
  const coldStart = setTimeout(applier.useCached, keeper.supervise().phase === 'stopped' ? coldStartMs : 0);
  const handOver = createHandOver({ parts, log, now });
  let leaving = false;
  return {
    life,
    keeper,
    parts,
    onAssignment(assignment) {
      if (!leaving && applier.receive(assignment)) deps.accepted(assignment);
    },
    onWelcome: reporter.resend,
    check(group, fails) {
      if (fails) failing.add(group);
      else failing.delete(group);
      parts.checked(group);
    },
    async leave(onEnd) {
      leaving = true;
      clearTimeout(coldStart);
      if (keeper.isAlive()) await handOver.run();
      await keeper.leave();
      parts.stop();
      reporter.stop();
      reporter.resend();
      deps.close();
      onEnd();
    },
  };
}

const paths = { assignment: 'assignment' } as AgentConfig['paths'];

function filesOf(machine: Machine): TrackFiles {
  return {
    write: (group, paused, live) => machine.writeTrack(group, paused, live),
    read(group) {
      const found = machine.run.tracks.get(group);
      return { paused: found?.paused ?? true, live: found?.live };
    },
    keepOnly(groups) {
      for (const group of [...machine.run.tracks.keys()])
        if (!groups.has(group)) machine.run.tracks.delete(group);
    },
  };
}

function checksOf(failing: ReadonlySet<string>): Checks {
  const fault: Verdict = { ...noChecks, faults: [{ name: 'check', output: '', sinceMs: 0 }] };
  return {
    run: () => undefined,
    keepOnly: () => undefined,
    verdict: (group) => (failing.has(group) ? fault : noChecks),
    results: () => new Map(),
    stop: () => undefined,
  };
}

function probeOf(machine: Machine, around: Surroundings, life: Life): Probe {
  const later = <T>(ms: number, value: T) =>
    new Promise<T>((resolve) => around.time.afterAs(life, ms, () => resolve(value)));
  return {
    ask(addresses) {
      for (const { address } of addresses) {
        const found = around.answers(machine, address);
        const mac = `02:00:00:00:00:0${found?.number}`;
        if (found) return later(10, { kind: 'answer', address: address.split('/')[0] ?? '', mac });
      }
      return later(1000, { kind: 'silence' });
    },
    listen(instance, onHeard) {
      if (instance.peers.length === 0) return () => undefined;
      let over = false;
      const listener = {
        instance,
        heard() {
          machine.listeners.delete(listener);
          around.time.afterAs(life, 5, () => over || onHeard());
        },
      };
      machine.listeners.add(listener);
      return () => {
        over = true;
        machine.listeners.delete(listener);
      };
    },
  };
}

interface DaemonEars {
  line(text: string): void;
  gone(): void;
}
const daemons = new WeakMap<Machine, DaemonEars>();
const daemonOf = (machine: Machine): DaemonEars =>
  daemons.get(machine) ?? { line: () => undefined, gone: () => undefined };

function ioOf(
  machine: Machine,
  { time }: Surroundings,
  life: Life,
  readLine: (line: string) => void,
): KeepalivedIo {
  return {
    daemon(events) {
      daemons.set(machine, { line: events.onLine, gone: events.onGone });
      return {
        adopt: () => machine.keepalived !== undefined,
        start: () => machine.startKeepalived(),
        signal: (signal) => machine.signal(signal),
        kill: () => machine.killKeepalived(),
        lastExit: () => null,
        detach: () => undefined,
      };
    },
    dumper: () => () =>
      new Promise((resolve) => time.afterAs(life, 5, () => resolve(machine.keepalived?.dump()))),
    readStates(onLine) {
      for (const line of machine.takeFifo()) onLine(line);
      machine.ears = {
        life,
        line: () => undefined,
        gone: () => undefined,
        kernel: () => undefined,
        fifo: readLine,
      };
    },
    record(config, settled) {
      machine.run.record = { config, settled };
    },
    install(text) {
      machine.run.text = text;
    },
  };
}

function ownedOf(machine: Machine): OwnedAddresses {
  const placed = (address: string): PlacedAddress => ({ address, interface: 'eth0' });
  const all = () => (machine.disk.get('owned') as PlacedAddress[] | undefined) ?? [];
  return {
    record(instances) {
      const known = new Set(all().map(({ address }) => address));
      const added = instances.flatMap(({ addresses }) => addresses.filter((address) => !known.has(address)));
      if (added.length > 0) machine.disk.set('owned', [...all(), ...added.map(placed)]);
    },
    recordPlaced: () => undefined,
    forget: () => undefined,
    async sweep(keep) {
      const kept = new Set(keep.flatMap(({ addresses }) => addresses));
      for (const { address } of all()) {
        const found = machine.leased.get(address);
        if (found && !kept.has(address) && !(found.kind === 'pin' && keep.length > 0))
          machine.unlease(address);
      }
    },
    all,
  };
}

function pinsOf(machine: Machine): Pins {
  const pinned = new Map<string, readonly string[]>();
  const pinOf = ({ group, version, intervalMs, addresses }: AssignedInstance) => {
    pinned.set(group, addresses);
    for (const address of addresses)
      machine.lease(address, 'pin', pinSeconds(holdLimitMs(version, intervalMs)) * 1000);
  };
  return {
    async pin(instances) {
      for (const instance of instances) pinOf(instance);
    },
    adopt(instances) {
      for (const { group, addresses } of instances) {
        if (addresses.some((address) => machine.leased.get(address)?.kind === 'pin'))
          pinned.set(group, addresses);
      }
    },
    heard(group, state) {
      if (state !== 'MASTER' || !pinned.has(group)) return;
      for (const address of pinned.get(group) ?? []) {
        if (machine.leased.get(address)?.kind === 'pin') machine.unlease(address);
      }
      pinned.delete(group);
    },
  };
}
