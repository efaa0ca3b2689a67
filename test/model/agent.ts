// The real agent on a machine of the model: main.ts's wiring with the model's world below it. Applier, keeper, parts,
// evidence, reload gate, states, hand-over and report are the product's own.
import { createApplier } from '../../agent/applier.ts';
import type { AgentConfig } from '../../agent/config.ts';
import { visibleInterfaces } from '../../agent/core/kernel.ts';
import { buildReport } from '../../agent/core/report.ts';
import { createHandOver } from '../../agent/hand-over.ts';
import { createProblems } from '../../agent/io/problems.ts';
import { createKeeper, type Keeper } from '../../agent/keeper.ts';
import { createParts, type Parts } from '../../agent/parts.ts';
import type { Quarantine } from '../../agent/quarantine.ts';
import { createReporter } from '../../agent/reporter.ts';
import { createVrrpStates } from '../../agent/vrrp-states.ts';
import type { Log } from '../../shared/io/log.ts';
import type { Assignment, Generation } from '../../shared/protocol.ts';
import { checksOf, daemonOf, filesOf, ioOf, ownedOf, pinsOf, probeOf } from './agent-io.ts';
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

/** What asks the kernel or a process takes its time, and orders come meanwhile. */
const slowly = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

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
    macvlans: { prepare: () => slowly(60), settle: () => slowly(60) },
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
    ...{ config, log, problems, keeper, render: renderView, quarantine, onChange: changed },
    store: {
      // As the schema does: a copy, so that nothing is shared with an earlier life.
      read: <T>(file: string) => structuredClone(machine.disk.get(file)) as T | undefined,
      write(file, value) {
        machine.disk.set(file, structuredClone(value));
        return true;
      },
    },
    test: async () => void (await slowly(15)),
    kernel: () => machine.kernel(),
    holds: (group) => states.current().get(group)?.state === 'MASTER',
    processLines: [],
    observer: { watch: () => undefined, staysOut: () => false },
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
      ...{ running, phase, restarts, kernel: machine.kernel(), checks: new Map(), observed: [] },
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
