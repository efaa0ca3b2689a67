// Coordinators, and the connections between them and the agents: frames are delayed, held up while the way is cut, lost
// with a connection that breaks, and an assignment may come a second time, late. Each side notices a dead connection by
// its own silence limit. The coordinators are the product's own, with their loop.

import { reconnectDelayMs } from '../../agent/core/backoff.ts';
import { type Coordinator, createCoordinator } from '../../coordinator/coordinator.ts';
import { type LookLoop, startLookLoop } from '../../coordinator/io/look-loop.ts';
import { createRolloutMeter } from '../../coordinator/rollout-meter.ts';
import type { Log } from '../../shared/io/log.ts';
import {
  type AgentFrame,
  type AssignedInstance,
  type CoordinatorFrame,
  protocolVersion,
  silenceLimitMs,
} from '../../shared/protocol.ts';
import type { NodeId } from '../../shared/words.ts';
import { type Agent, wallBaseMs } from './agent.ts';
import type { Machine } from './machine.ts';
import type { Raft } from './raft.ts';
import type { Life, VirtualTime } from './virtual-time.ts';

export interface Manager {
  readonly machine: Machine;
  life: Life | undefined;
  coordinator: Coordinator | undefined;
  loop: LookLoop | undefined;
}

interface Connection {
  readonly manager: Manager;
  readonly machine: Machine;
  readonly node: NodeId;
  readonly agent: Life;
  readonly server: Life;
  /** Of power, by both machines until it was made. */
  readonly losses: number;
  agentSide: boolean;
  serverSide: boolean;
  welcomed: boolean;
  /** Frames arrive in order. */
  toAgentMs: number;
  toServerMs: number;
}

export interface ControlDeps {
  readonly time: VirtualTime;
  readonly random: () => number;
  readonly log: Log;
  readonly raft: Raft;
  readonly reachable: (machine: Machine, manager: Machine) => boolean;
  readonly agentOf: (machine: Machine) => Agent | undefined;
  /** How disturbed frames are: 0, or the longest delay in ms. */
  readonly trouble: () => number;
  /** A coordinator has decided so. */
  readonly ordered: (machine: Machine, instances: readonly AssignedInstance[]) => void;
}

const retransmitMs = 200;
const lossesOf = (manager: Manager, machine: Machine): number => manager.machine.losses + machine.losses;

export class ControlPlane {
  readonly managers: Manager[];
  readonly #connections = new Set<Connection>();
  readonly #deps: ControlDeps;

  constructor(machines: readonly Machine[], deps: ControlDeps) {
    this.managers = machines.map((machine) => ({
      machine,
      life: undefined,
      coordinator: undefined,
      loop: undefined,
    }));
    this.#deps = deps;
  }

  // ── coordinators ──

  start(manager: Manager): void {
    const { time, log, raft } = this.#deps;
    if (manager.life?.alive) return;
    const life: Life = { alive: true, bornMs: time.nowMs };
    manager.life = life;
    time.afterAs(life, 100, () => {
      const self = manager.machine.id;
      manager.coordinator = createCoordinator({
        self,
        version: 'model',
        swarm: raft.seenFrom(self),
        send: (node, frame) => this.#toAgent(manager, node, frame),
        connected: () => [...this.#of(manager)].map(({ node }) => node),
        disconnect: (node) => {
          for (const connection of this.#of(manager))
            if (connection.node === node) this.#break(connection, 5);
        },
        meter: createRolloutMeter(() => undefined),
        log,
        now: () => wallBaseMs + Math.floor(time.nowMs),
      });
      manager.loop = startLookLoop(manager.coordinator.look);
    });
  }

  kill(manager: Manager): void {
    if (!manager.life) return;
    manager.life.alive = false;
    manager.coordinator = undefined;
    manager.loop = undefined;
    for (const connection of this.#connections) {
      if (connection.manager !== manager) continue;
      connection.serverSide = false;
      // A reset, where the way is open; else silence.
      if (this.#open(connection)) this.#deps.time.after(10, () => this.#endAgentSide(connection));
      else this.#noticeLater(connection);
    }
  }

  /** Something was written: most events arrive. */
  announce(): void {
    for (const { life, loop } of this.managers) {
      if (!life?.alive || !loop || this.#deps.random() < 0.1) continue;
      this.#deps.time.afterAs(life, 5, () => loop.again());
    }
  }

  // ── agents' ends ──

  /** The agent begins to connect to every manager. */
  open(machine: Machine, agent: Life): void {
    for (const manager of this.managers) this.#connect(manager, machine, agent, 0, 5);
  }

  #connect(manager: Manager, machine: Machine, agent: Life, attempt: number, delayMs: number): void {
    const { time, reachable, random } = this.#deps;
    time.afterAs(agent, delayMs + 20, () => {
      const { life, coordinator } = manager;
      const again = () =>
        this.#connect(manager, machine, agent, attempt + 1, reconnectDelayMs(attempt, random()));
      if (!life?.alive || !coordinator || !reachable(machine, manager.machine)) return again();
      if (coordinator.admit(machine.id, machine.address)) return again();
      const connection: Connection = {
        ...{ manager, machine, agent, node: machine.id, server: life },
        ...{
          losses: lossesOf(manager, machine),
          agentSide: true,
          serverSide: true,
          welcomed: false,
          toAgentMs: 0,
          toServerMs: 0,
        },
      };
      time.after(1, () => life.alive || again());
      time.afterAs(life, 1, () => {
        for (const other of this.#of(manager)) {
          if (other === connection || other.node !== connection.node) continue;
          other.serverSide = false;
          time.after(5, () => this.#endAgentSide(other));
        }
        this.#connections.add(connection);
        const hello = { protocol: protocolVersion, node: machine.id, hostname: `host${machine.number}` };
        coordinator.hello({ type: 'hello', ...hello, agentVersion: 'model', keepalivedVersion: '2.2.7' });
      });
    });
  }

  send(machine: Machine, agent: Life, text: string): void {
    for (const connection of this.#connections) {
      if (connection.machine !== machine || connection.agent !== agent) continue;
      if (!connection.agentSide || !connection.welcomed) continue;
      const { time, trouble, random } = this.#deps;
      // A report may be lost: the next one says everything again.
      if (trouble() > 0 && random() < 0.1) continue;
      connection.toServerMs = Math.max(connection.toServerMs, time.nowMs + this.#delay());
      this.#carry(connection, connection.toServerMs, () => {
        if (!connection.serverSide) return;
        const frame = JSON.parse(text) as AgentFrame;
        time.afterAs(connection.server, 0, () => {
          if (frame.type === 'report') connection.manager.coordinator?.report(connection.node, frame);
        });
      });
    }
  }

  /** The agent's process has ended: its connections are reset, or silent where the way is cut. */
  ended(agent: Life): void {
    for (const connection of this.#connections) {
      if (connection.agent !== agent) continue;
      connection.agentSide = false;
      if (this.#open(connection)) this.#deps.time.after(10, () => this.#endServerSide(connection));
      else this.#noticeLater(connection);
    }
  }

  /** A way was cut, or a machine is off: whoever still hears nothing at the end of its patience gives up. */
  cut(): void {
    for (const connection of this.#connections) if (!this.#open(connection)) this.#noticeLater(connection);
  }

  // ── frames ──

  *#of(manager: Manager): Iterable<Connection> {
    for (const connection of this.#connections) {
      if (connection.manager === manager && connection.serverSide) yield connection;
    }
  }

  #open = ({ machine, manager, losses }: Connection) =>
    losses === lossesOf(manager, machine) && this.#deps.reachable(machine, manager.machine);

  #delay(): number {
    const { trouble, random } = this.#deps;
    return 1 + random() * 5 + (trouble() > 0 && random() < 0.2 ? random() * trouble() : 0);
  }

  #toAgent(manager: Manager, node: NodeId, frame: CoordinatorFrame): boolean {
    const connection = [...this.#of(manager)].find((each) => each.node === node);
    if (!connection) return false;
    const { time, trouble, random, ordered } = this.#deps;
    if (frame.type === 'assignment') ordered(connection.machine, frame.instances);
    connection.toAgentMs = Math.max(connection.toAgentMs, time.nowMs + this.#delay());
    const text = JSON.stringify(frame);
    this.#carry(connection, connection.toAgentMs, () => this.#deliver(connection, text));
    if (trouble() > 0 && random() < 0.1) {
      this.#carry(connection, time.nowMs + random() * trouble(), () => this.#deliver(connection, text));
    }
    return true;
  }

  #deliver(connection: Connection, text: string): void {
    if (!connection.agentSide || !connection.agent.alive) return;
    const frame = JSON.parse(text) as CoordinatorFrame;
    this.#deps.time.afterAs(connection.agent, 0, () => {
      const agent = this.#deps.agentOf(connection.machine);
      if (frame.type === 'assignment') {
        if (connection.welcomed) agent?.onAssignment(frame);
        return;
      }
      connection.welcomed = true;
      agent?.onWelcome();
    });
  }

  /** What cannot pass is sent again until the connection is given up. */
  #carry(connection: Connection, atMs: number, arrive: () => void): void {
    const { time } = this.#deps;
    time.after(atMs - time.nowMs, () => {
      if (this.#open(connection)) return arrive();
      if (connection.agentSide || connection.serverSide) {
        this.#carry(connection, time.nowMs + retransmitMs, arrive);
      }
    });
  }

  #noticeLater(connection: Connection): void {
    const { time, random } = this.#deps;
    const patienceMs = () => silenceLimitMs - (random() * silenceLimitMs) / 3;
    // One whose other end is gone is reset as soon as anything passes.
    const stands = () => this.#open(connection) && connection.agentSide && connection.serverSide;
    time.after(patienceMs(), () => stands() || this.#endServerSide(connection));
    time.after(patienceMs(), () => stands() || this.#endAgentSide(connection));
  }

  #break(connection: Connection, ms: number): void {
    this.#deps.time.after(ms, () => {
      this.#endServerSide(connection);
      this.#endAgentSide(connection);
    });
  }

  #endServerSide(connection: Connection): void {
    if (connection.serverSide) {
      connection.serverSide = false;
      const { manager, node, server } = connection;
      this.#deps.time.afterAs(server, 0, () => {
        if (![...this.#of(manager)].some((other) => other.node === node)) manager.coordinator?.gone(node);
      });
    }
    this.#forget(connection);
  }

  #endAgentSide(connection: Connection): void {
    if (connection.agentSide) {
      connection.agentSide = false;
      const { manager, machine, agent } = connection;
      this.#connect(manager, machine, agent, 1, reconnectDelayMs(0, this.#deps.random()));
    }
    this.#forget(connection);
  }

  #forget(connection: Connection): void {
    if (!connection.agentSide && !connection.serverSide) this.#connections.delete(connection);
  }
}
