// The whole world of the model: machines on a LAN, Swarm with its managers, agents and coordinators, and everything that
// can happen to them. What is done to it comes from scenario.ts; what must hold is judged by judge.ts.
import type { SwarmNode } from '../../coordinator/core/snapshot.ts';
import type { Log } from '../../shared/io/log.ts';
import type { NodeId } from '../../shared/words.ts';
import { type Agent, startAgent } from './agent.ts';
import { ControlPlane } from './control-plane.ts';
import { Judge } from './judge.ts';
import { Machine, type Surroundings } from './machine.ts';
import { Raft, tasksOn } from './raft.ts';
import { configOf, type GroupSpec, nodeId, pairOf, swarmNode } from './specs.ts';
import { randomFrom, VirtualTime } from './virtual-time.ts';
import type { Advert, Router } from './vrrp.ts';

const managerCount = 3;
const worstTroubleMs = 2000;

export class World implements Surroundings {
  readonly time = new VirtualTime();
  readonly random: () => number;
  readonly machines: Machine[];
  readonly raft: Raft;
  readonly control: ControlPlane;
  readonly judge: Judge;
  /** "1 3": these two cannot reach each other on the LAN; adverts and questions, not the managers. */
  readonly lanCuts = new Set<string>();
  /** "4 1": this machine does not reach that manager. */
  readonly controlCuts = new Set<string>();
  /** Managers out of quorum. */
  readonly withoutQuorum = new Set<number>();
  /** Whose adverts are lost, all of them; what it hears itself, and who answers whom, is not touched. */
  readonly mute = new Set<number>();
  /** How many adverts each machine's port still swallows. */
  readonly swallowed = new Map<number, number>();
  #troubleMs = 0;
  #troubledUntilMs = 0;
  groups: GroupSpec[] = [];
  readonly story: string[] = [];
  readonly #agents = new Map<Machine, Agent>();
  #configs = 0;

  constructor(seed: number, count: number) {
    this.random = randomFrom(seed);
    this.judge = new Judge(this);
    this.machines = Array.from({ length: count }, (_, at) => new Machine(at + 1, nodeId(at + 1, 0), this));
    const nodes = this.machines.map((machine) => swarmNode(machine, machine.number <= managerCount));
    const managers = this.machines.slice(0, managerCount);
    this.raft = new Raft(
      nodes,
      [],
      managers.map(({ id }) => id),
      {
        inQuorum: (id) => this.inQuorum(id),
        sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
        onWrite: () => this.control.announce(),
      },
    );
    this.control = new ControlPlane(managers, {
      time: this.time,
      random: this.random,
      log: this.log('coordinator'),
      raft: this.raft,
      reachable: (machine, manager) => this.reachable(machine, manager),
      agentOf: (machine) => this.#agents.get(machine),
      trouble: () => this.troubleMs,
      ordered: (machine, instances) => this.judge.ordered(machine, instances),
    });
  }

  /** Most managers must be there. */
  inQuorum(id: NodeId): boolean {
    const present = this.control.managers.filter(
      ({ machine }) => machine.powered && !this.withoutQuorum.has(machine.number),
    );
    return 2 * present.length > managerCount && present.some(({ machine }) => machine.id === id);
  }

  /** Raft's own doing: a leader that is lost is replaced, and tasks of lost nodes count no more. */
  followLeader(): void {
    const { managers } = this.control;
    const able = managers.filter(({ machine }) => this.inQuorum(machine.id)).map(({ machine }) => machine.id);
    const leader = this.raft.current.nodes.find((node) => node.leader)?.id;
    const [next] = able;
    if (next && (leader === undefined || !able.includes(leader))) this.lead(next);
    const ready = this.raft.current.nodes.filter(({ state }) => state === 'ready').map(({ id }) => id);
    const running = managers.map(({ machine }) => machine.id).filter((id) => ready.includes(id));
    const before = this.raft.current.services[0]?.tasks.map(({ node }) => node) ?? [];
    if (next && running.join() !== before.join()) {
      this.raft.write((snapshot) => ({
        ...snapshot,
        services: snapshot.services.map((service) => ({ ...service, tasks: tasksOn(running) })),
      }));
    }
    this.time.after(3000, () => this.followLeader());
  }

  lead(id: NodeId): void {
    this.raft.write((snapshot) => ({
      ...snapshot,
      nodes: snapshot.nodes.map((node) => ({ ...node, leader: node.id === id })),
    }));
  }

  agentOf = (machine: Machine) => this.#agents.get(machine);

  /** Silent, but for what would be a bug; everything, when the story is wanted. */
  log(who: string): Log {
    const write =
      (level: string) =>
      (fields: { event?: string; error?: string } = {}, text = '') => {
        if (process.env['MODEL_LOG']) this.tell(`${who} ${level} ${text} ${JSON.stringify(fields)}`);
        if (['effect-failed', 'apply-failed', 'record-failed'].includes(fields.event ?? '')) {
          this.judge.violated(`${who}: ${fields.event} ${fields.error}`);
        }
      };
    const silent = () => undefined;
    return {
      info: write('info'),
      warn: write('warn'),
      error: write('error'),
      fatal: write('fatal'),
      debug: silent,
      trace: silent,
    } as unknown as Log;
  }

  tell(text: string): void {
    this.story.push(`${(this.time.nowMs / 1000).toFixed(3)} ${text}`);
  }

  /** How disturbed frames are: 0, or the longest delay in ms. */
  get troubleMs(): number {
    return this.#troubleMs;
  }

  set troubleMs(ms: number) {
    if (ms < this.#troubleMs) this.#troubledUntilMs = this.time.nowMs + this.#troubleMs;
    this.#troubleMs = ms;
  }

  /** How long a frame that arrives now may have been on its way, over and above the usual. */
  get lateMs(): number {
    return this.time.nowMs < this.#troubledUntilMs ? worstTroubleMs : this.#troubleMs;
  }

  // ── Surroundings ──

  hears(from: Machine, to: Machine): boolean {
    return (
      from.powered &&
      to.powered &&
      from.linkUp &&
      to.linkUp &&
      !this.lanCuts.has(pairOf(from.number, to.number))
    );
  }

  send(from: Machine, { config }: Router, advert: Advert): void {
    if (this.mute.has(from.number)) return;
    for (const to of this.machines) {
      if (to === from || !(config.peers === null || config.peers.includes(to.address))) continue;
      if (!this.hears(from, to) || this.#swallows(to)) continue;
      this.time.after(0.2 + this.random() * 2, () => this.hears(from, to) && to.receive(advert));
    }
  }

  #swallows(to: Machine): boolean {
    const left = this.swallowed.get(to.number) ?? 0;
    if (left > 0) this.swallowed.set(to.number, left - 1);
    return left > 0;
  }

  answers(asker: Machine, address: string): Machine | undefined {
    return this.machines.find(
      (other) => other !== asker && this.hears(other, asker) && other.held().includes(address),
    );
  }

  changed(_machine: Machine): void {
    this.judge.dirty = true;
  }

  reloaded(machine: Machine, before: string, after: string): void {
    this.judge.reloaded(machine, before, after);
  }

  reachable(machine: Machine, manager: Machine): boolean {
    if (!machine.powered || !manager.powered) return false;
    if (machine === manager) return true;
    return machine.linkUp && manager.linkUp && !this.controlCuts.has(`${machine.number} ${manager.number}`);
  }

  // ── containers ──

  startContainer(machine: Machine, delayMs: number): void {
    this.time.after(delayMs, () => {
      if (machine.powered && !this.#agents.has(machine)) this.#startAgent(machine);
    });
  }

  #startAgent(machine: Machine): void {
    const life = { alive: true, bornMs: this.time.nowMs };
    const deps = {
      machine,
      around: this,
      log: this.log(`agent ${machine.number}`),
      send: (text: string) => this.control.send(machine, life, text),
      open: () => this.control.open(machine, life),
      close: () => this.control.ended(life),
      accepted: (generation: { epoch: number; counter: number }) => this.judge.accepted(machine, generation),
    };
    // Known at once, so that a container is not started twice.
    const pending = { life } as Agent;
    this.#agents.set(machine, pending);
    this.time.afterAs(life, 0, () => {
      startAgent(deps, life).then(
        (agent) => life.alive && this.#agents.set(machine, agent),
        (error: unknown) => this.judge.violated(`agent ${machine.number} ends by a bug: ${String(error)}`),
      );
    });
  }

  /** Node dies; init.sh starts it again. */
  killAgent(machine: Machine): void {
    const agent = this.#agents.get(machine);
    if (!agent) return;
    this.#agents.delete(machine);
    machine.endAgent();
    this.control.ended(agent.life);
    this.time.after(500 + this.random() * 500, () => {
      if (machine.powered && !this.#agents.has(machine)) this.#startAgent(machine);
    });
  }

  killContainer(machine: Machine): void {
    this.killAgentForGood(machine);
    machine.killContainer();
    this.startContainer(machine, 1000 + this.random() * 4000);
  }

  killAgentForGood(machine: Machine): void {
    const agent = this.#agents.get(machine);
    this.#agents.delete(machine);
    if (!agent) return;
    agent.life.alive = false;
    this.control.ended(agent.life);
  }

  /** SIGTERM; Swarm starts it again, or an operator later. */
  stopContainer(machine: Machine, restartMs: number): void {
    const agent = this.#agents.get(machine);
    if (!agent?.leave) return;
    const end = () => {
      if (this.#agents.get(machine) !== agent) return;
      this.killAgentForGood(machine);
      machine.killContainer();
      this.startContainer(machine, restartMs);
    };
    this.time.afterAs(agent.life, 0, () => {
      agent
        .leave(() => this.time.after(50, end))
        .catch((error: unknown) => this.judge.violated(String(error)));
    });
    this.time.after(10_000, end);
  }

  powerOff(machine: Machine): void {
    if (!machine.powered) return;
    machine.powered = false;
    this.killAgentForGood(machine);
    const manager = this.control.managers.find((each) => each.machine === machine);
    if (manager) this.control.kill(manager);
    machine.powerOff();
    this.control.cut();
    this.time.after(8_000, () => machine.powered || this.#swarmSays(machine, 'down'));
  }

  boot(machine: Machine): void {
    if (machine.powered) return;
    machine.powered = true;
    machine.changed();
    this.startContainer(machine, 1500 + this.random() * 2000);
    const manager = this.control.managers.find((each) => each.machine === machine);
    if (manager)
      this.time.after(1000 + this.random() * 3000, () => machine.powered && this.control.start(manager));
    this.time.after(1500, () => machine.powered && this.#swarmSays(machine, 'ready'));
  }

  #swarmSays({ id }: Machine, state: SwarmNode['state']): void {
    if (this.raft.node(id)?.state !== state) this.raft.changeNode(id, () => ({ state }));
  }

  // ── the operator ──

  define(groups: readonly GroupSpec[]): void {
    this.groups = [...groups];
    this.judge.redefined();
    this.#configs += 1;
    const config = configOf(groups, this.#configs);
    this.raft.write((snapshot) => ({ ...snapshot, configs: [config] }));
  }

  agentLives(): Agent[] {
    return [...this.#agents.values()];
  }
}
