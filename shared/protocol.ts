// The frames between agent and coordinator, one schema each; PROTOCOL.md says what they mean and when they are sent.
// Unknown fields are ignored, unknown types are refused with a close code.
import * as v from 'valibot';
import { CheckResult, Checks, maxChecks, Script, ServiceName } from './checks.ts';
import { Problem } from './problem.ts';
import {
  Address,
  GroupName,
  Hostname,
  InterfaceName,
  NodeId,
  Priority,
  VirtualAddress,
  Vrid,
  VrrpPassword,
  Words,
} from './words.ts';

export const protocolVersion = 1;
export const agentPort = 9166;
export const maxFrameBytes = 1_048_576;
/** A peer that is silent for this long is taken for gone; pings go out at a third of it. */
export const silenceLimitMs = 9_000;
/** How often an agent reports when nothing changes. */
export const reportPeriodMs = 1_000;

/** Application close codes (RFC 6455 §7.4.2: 4000 to 4999). */
export const closeCode = {
  badFrame: 4000,
  badVersion: 4001,
  unknownNode: 4002,
  wrongAddress: 4003,
  replaced: 4004,
  slowReader: 4005,
  identityMismatch: 4006,
  tooFast: 4007,
  outOfOrder: 4008,
  unproven: 4009,
} as const;

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const shortText = v.pipe(v.string(), v.maxLength(255));
const list = <T extends v.GenericSchema>(item: T, most: number) => v.pipe(v.array(item), v.maxLength(most));

/** Orders assignments: a greater epoch wins, then the greater counter. */
export const Generation = v.object({ epoch: count, counter: count });
export type Generation = v.InferOutput<typeof Generation>;

/** A member as another member sees it: the address that adverts go to. */
export const Peer = v.object({ node: NodeId, address: Address });
export type Peer = v.InferOutput<typeof Peer>;

/** One virtual router on one node: what keepalived is to run. */
export const Instance = v.object({
  group: GroupName,
  vrid: Vrid,
  /** 2 when there is a password (RFC 3768), else 3 (RFC 5798). */
  version: v.picklist([2, 3]),
  /** Advertisement interval; whole seconds for version 2, multiples of 10 ms for version 3. */
  intervalMs: v.pipe(v.number(), v.integer(), v.minValue(10), v.maxValue(40_950), v.multipleOf(10)),
  interface: InterfaceName,
  /** unicast_src_ip: this node's own address on the interface. */
  source: Address,
  /** All other members that may be active; empty for a group of one. */
  peers: list(Peer, 64),
  priority: Priority,
  addresses: v.pipe(list(VirtualAddress, 512), v.minLength(1)),
  password: v.optional(VrrpPassword),
  /** Absent: unicast to `peers`. */
  transport: v.optional(v.literal('multicast')),
  /**
   * The macvlan over `interface` that carries its addresses under the virtual router's MAC (RFC 5798 §7.3). Absent:
   * they are on `interface`. Each member's own affair: adverts do not tell.
   */
  vmac: v.optional(InterfaceName),
  /** strict_mode of keepalived.conf(5); the coordinator lets it through only where addresses stay reachable. */
  strict: v.optional(v.literal(true)),
  /** skip_check_adv_addr of keepalived.conf(5). */
  skipCheckAdvAddr: v.optional(v.literal(true)),
  /**
   * Opaque mark of everything that members must agree on to understand each other. The agent only echoes it, so that
   * the coordinator can tell who runs what, the password included, without anybody reporting it.
   */
  agreement: v.optional(v.pipe(v.string(), v.regex(/^[0-9a-f]{8}$/))),
  /** The same for the checks and the notify script, which say nothing to other members. Absent: none. */
  checksMark: v.optional(v.pipe(v.string(), v.regex(/^[0-9a-f]{8}$/))),
  /** False: a holder keeps the addresses when a higher member returns. Absent: true. */
  preempt: v.optional(v.boolean()),
  /**
   * How long a member that joins leaves a lower holder alone. Absent: 0, unless the coordinator has seen that others do not
   * hear this member. 0 in so many words also ends the patience of one that has joined: nobody else can relieve the holder.
   */
  preemptDelayMs: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(1_000_000))),
  /** Addresses that live on another interface than `interface`. */
  addressInterfaces: v.optional(v.record(VirtualAddress, InterfaceName)),
  /** Interfaces whose loss is a fault of this instance. */
  trackInterfaces: v.optional(list(InterfaceName, 16)),
  /** Gratuitous ARP, as keepalived.conf(5) names it; seconds and counts. */
  garp: v.optional(
    v.object({
      delay: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(3600))),
      repeat: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(100))),
      refresh: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(86_400))),
      refreshRepeat: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(100))),
    }),
  ),
});
export type Instance = v.InferOutput<typeof Instance>;

/** An instance with the coordinator's word on rule R1. */
export const AssignedInstance = v.object({
  ...Instance.entries,
  /**
   * Every other member in reach has applied a peer list with this node on it, so silence on the wire is proof that
   * nobody holds the addresses. Without it a paused instance resumes only when it hears the holder.
   */
  peersConfirmed: v.boolean(),
  /**
   * A member that may be active sends this node no adverts, or none that it understands: to hear the holder is no proof,
   * then, for this node would not hear the one that comes after him. A paused instance resumes by silence alone.
   */
  silenceOnly: v.optional(v.literal(true)),
  /**
   * Silence counts when it outlasts an election of this length among the others, asked before and after it. With
   * `silenceOnly`: where that takes longer than one of this instance; without: a member may be there that nobody has heard.
   */
  outlastMs: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(200_000))),
  /**
   * The operator wants this node to hold nothing. `relieved`: a holder lowers its priority and goes on until another
   * member has taken over; `now`: it stops at once, even if nobody does.
   */
  standAside: v.optional(v.picklist(['relieved', 'now'])),
  /**
   * While all members change what they must agree on (virtual router id, version, password, interface, transport):
   * `keep`: what runs of this group, or ran last, stays as it is for now, whatever else this instance says; `hold`: pause
   * first, then take what it says; `lead`: the holder takes what it says and takes part at once, for all others are held.
   * A hold ends by itself on the agent (see timers.ts), so that a coordinator that dies halfway leaves nobody held.
   */
  transition: v.optional(v.picklist(['keep', 'hold', 'lead'])),
  /**
   * Another member holds as well, and is told to step down. When that ends, clients may still send to the other one:
   * this node announces itself again.
   */
  contested: v.optional(v.literal(true)),
  /**
   * The group has got another name: what the node runs under this one is the same virtual router, and goes on. Nothing of
   * it when the node runs no such group.
   */
  formerly: v.optional(GroupName),
  /** Looks on only: this node runs nothing of the group, whatever else the instance says, and reports what it sees. */
  observe: v.optional(v.literal(true)),
  /**
   * With `observe`: no other keepalived could take over from the one looked on at. When that one ends, this node keeps its
   * addresses on lo until its own holds them, or somebody else does.
   */
  inherit: v.optional(v.literal(true)),
  /** Whose will it is that this node stands aside or leads, for the history. Changes nothing. */
  order: v.optional(v.pipe(Words, v.maxLength(300))),
  /** Health checks: run by the agent, never by keepalived. */
  checks: v.optional(Checks),
  /** The lowest effective priority that failing weights leave; another one for each member. Absent: 2. */
  floor: v.optional(v.pipe(v.number(), v.integer(), v.minValue(2), v.maxValue(250))),
  /** Run on each change of state, with keepalived's arguments. */
  notify: v.optional(Script),
});
export type AssignedInstance = v.InferOutput<typeof AssignedInstance>;

export const VrrpState = v.picklist(['INIT', 'BACKUP', 'MASTER', 'FAULT', 'STOP']);
export type VrrpState = v.InferOutput<typeof VrrpState>;

/** Why an instance is held back (keepalived shows FAULT), in the agent's words. */
export const Pause = v.object({
  reason: v.picklist(['joining', 'address-in-use', 'standing-aside', 'transition', 'check']),
  detail: Words,
  sinceMs: count,
});
export type Pause = v.InferOutput<typeof Pause>;

/** An instance as it runs. Times are Unix milliseconds. */
export const RunningInstance = v.object({
  ...v.omit(Instance, ['password']).entries,
  state: VrrpState,
  stateSinceMs: count,
  effectivePriority: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(255)),
  pause: v.nullable(Pause),
  /** Which of `addresses` the kernel has on this node right now. */
  held: list(VirtualAddress, 512),
  /** Absent: it has none. */
  checks: v.optional(list(CheckResult, maxChecks)),
});
export type RunningInstance = v.InferOutput<typeof RunningInstance>;

/** An advert on the wire, of whomever. */
export const SeenAdvert = v.object({
  interface: InterfaceName,
  source: Address,
  vrid: Vrid,
  version: v.picklist([2, 3]),
  priority: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(255)),
  intervalMs: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(255_000)),
  /** Those that it carries; excluded ones do not show. */
  addresses: list(Address, 64),
});
export type SeenAdvert = v.InferOutput<typeof SeenAdvert>;

/** A group that this node looks on at, as the assignment describes it and as it is. Times are Unix milliseconds. */
export const ObservedInstance = v.object({
  group: GroupName,
  vrid: Vrid,
  interface: InterfaceName,
  addresses: list(VirtualAddress, 512),
  /** MASTER: the kernel has an address of the group; BACKUP: a keepalived runs on this host; INIT: neither. */
  state: VrrpState,
  stateSinceMs: count,
  /** Which of `addresses` the kernel has on this node, with whatever prefix. */
  held: list(VirtualAddress, 512),
  /** Somebody on this host, not the agent, listens for VRRP. Whether for this group cannot be seen of a backup. */
  keepalived: v.boolean(),
  /** The advert of the group that is heard now, and whether this host sends it. */
  advert: v.nullable(v.object({ ...SeenAdvert.entries, sentHere: v.boolean() })),
  /** When that one ends, its addresses stay on this node. */
  inherits: v.optional(v.literal(true)),
});
export type ObservedInstance = v.InferOutput<typeof ObservedInstance>;

export const NetworkInterface = v.object({
  name: InterfaceName,
  up: v.boolean(),
  /** "10.0.0.7/24"; without virtual addresses, link-local and loopback ones. */
  addresses: list(v.pipe(v.string(), v.maxLength(64)), 64),
  /** True for the interface of the node's default route (the one with the lowest metric). */
  defaultRoute: v.optional(v.boolean()),
  /** Routers that its routes lead to: never virtual addresses. Absent: none. */
  gateways: v.optional(list(Address, 16)),
});
export type NetworkInterface = v.InferOutput<typeof NetworkInterface>;

// ── agent → coordinator ──────────────────────────────────────────────────────────────────────────────────────────

/** First frame of an agent. */
export const Hello = v.object({
  type: v.literal('hello'),
  protocol: count,
  node: NodeId,
  hostname: Hostname,
  agentVersion: shortText,
  keepalivedVersion: shortText,
  /** Unix milliseconds by the node's clock as it says this. Absent: an older agent. */
  clockMs: v.optional(count),
  /** Name of the coordinators' key whose proof the agent asks for. Absent: none, or an older agent. */
  coordinatorKey: v.optional(v.pipe(v.string(), v.regex(/^[0-9a-f]{12}$/))),
});
export type Hello = v.InferOutput<typeof Hello>;

/** Everything an agent knows, whole, on every change (coalesced) and every second. Level-triggered: losing one harms nobody. */
export const Report = v.object({
  type: v.literal('report'),
  interfaces: list(NetworkInterface, 256),
  /** The last assignment that keepalived runs, wholly. */
  applied: v.nullable(Generation),
  /** The last assignment refused, and keepalived's or our own words. */
  rejected: v.nullable(v.object({ ...Generation.entries, reason: Words })),
  instances: list(RunningInstance, 255),
  /** Absent: none. */
  observed: v.optional(list(ObservedInstance, 255)),
  keepalived: v.object({
    phase: v.picklist(['stopped', 'starting', 'running', 'reloading', 'stopping', 'backing-off']),
    restarts: count,
  }),
  problems: list(Problem, 200),
});
export type Report = v.InferOutput<typeof Report>;

/** Why an instance changed its state, as far as keepalived, the kernel and our own orders tell. */
export const TransitionCause = v.picklist([
  /** INIT → anything: keepalived began to run it. */
  'started',
  /** Anything → STOP. */
  'stopped',
  /** keepalived ended by itself. */
  'crashed',
  /** FAULT → BACKUP. */
  'resumed',
  /** → MASTER: the holder said that it stops (priority 0). */
  'resigned',
  /** → MASTER: the holder has a lower priority. */
  'preempted',
  /** → MASTER: nobody was heard for the master-down interval. */
  'silence',
  /** MASTER → BACKUP: another has the higher priority, or the higher address at the same one. */
  'higher-priority',
  /** MASTER → BACKUP: somebody took an address away from the interface. */
  'address-removed',
  /** → FAULT: by the agent; `detail` says why. */
  'held-back',
  /** → FAULT: an interface went down. */
  'interface-down',
  /** Found by a restarted agent: nobody watched when it happened. */
  'unseen',
  'unknown',
]);
export type TransitionCause = v.InferOutput<typeof TransitionCause>;

/** One change of state of one instance on one node. (node, seq) names it for ever. */
export const StateTransition = v.object({
  /** Grows with each one, also for a node that has lost its past: at least the Unix milliseconds of its making. */
  seq: count,
  /** Unix milliseconds by the node's clock. */
  atMs: count,
  group: GroupName,
  from: VrrpState,
  to: VrrpState,
  /** Effective, after it. */
  priority: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(255)),
  cause: TransitionCause,
  /** The other member that `cause` speaks of, and its priority. */
  peer: v.optional(v.object({ address: Address, priority: v.optional(count) })),
  detail: v.optional(v.pipe(Words, v.maxLength(300))),
  /** What the assignment ordered at that time: "drained: new disk". */
  order: v.optional(v.pipe(Words, v.maxLength(300))),
});
export type StateTransition = v.InferOutput<typeof StateTransition>;

/** How many transitions a node keeps. */
export const historyLength = 200;

/** The transitions that a node knows: all of them after `welcome`, then each new one. */
export const History = v.object({
  type: v.literal('history'),
  transitions: list(StateTransition, historyLength),
});
export type History = v.InferOutput<typeof History>;

// ── coordinator → agent ──────────────────────────────────────────────────────────────────────────────────────────

/** First frame of a coordinator, and again whenever it changes. */
export const Welcome = v.object({
  type: v.literal('welcome'),
  protocol: count,
  node: NodeId,
  role: v.picklist(['active', 'standby']),
  /** All managers an agent should connect to, itself included. Empty while they are not known: nothing changes then. */
  managers: list(Address, 64),
  /** Signature of this connection by the key that `hello` named; needed by agents that know its public half. */
  proof: v.optional(v.pipe(v.string(), v.maxLength(100))),
});
export type Welcome = v.InferOutput<typeof Welcome>;

/** All that a node is to run, whole and idempotent. Only the active coordinator sends it. */
export const Assignment = v.object({
  type: v.literal('assignment'),
  ...Generation.entries,
  instances: list(AssignedInstance, 255),
});
export type Assignment = v.InferOutput<typeof Assignment>;

/** Longer than any node can ask for: each instance, each check. */
const maxTaskWords = 255 * maxChecks;

/** What Swarm's task list says of one service on the agent's node. */
export const TaskWord = v.object({
  service: ServiceName,
  /** A task of it runs on this node; one with a health check only runs, for Swarm, once it is healthy. */
  running: v.boolean(),
  detail: v.pipe(Words, v.maxLength(300)),
});
export type TaskWord = v.InferOutput<typeof TaskWord>;

/**
 * The words for all `service` checks of the node, read from Swarm just now. A service that is missing here is one that
 * nothing can be said of, which is not the same as that it does not run. Never part of an assignment: tasks come and go
 * without anything that keepalived reads.
 */
export const Tasks = v.object({
  type: v.literal('tasks'),
  /** Of the coordinator's assignments; words of an earlier one are refused. */
  epoch: count,
  words: list(TaskWord, maxTaskWords),
});
export type Tasks = v.InferOutput<typeof Tasks>;

/** How often the active coordinator reads tasks and says so, when somebody asks for them. */
export const taskPeriodMs = 1_000;

export const AgentFrame = v.variant('type', [Hello, Report, History]);
export type AgentFrame = v.InferOutput<typeof AgentFrame>;
export const CoordinatorFrame = v.variant('type', [Welcome, Assignment, Tasks]);
export type CoordinatorFrame = v.InferOutput<typeof CoordinatorFrame>;

/** Negative when `a` is older than `b`, 0 when equal. */
export function compareGenerations(a: Generation, b: Generation): number {
  return a.epoch - b.epoch || a.counter - b.counter;
}

/** The result of reading one frame: the frame, or words that name the place and the fault. */
export type Parsed<T> = { ok: true; frame: T } | { ok: false; reason: string };

/** Parses and validates one text frame. Never throws. */
export function parseFrame<T>(schema: v.GenericSchema<unknown, T>, text: string): Parsed<T> {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    return { ok: false, reason: `expected a JSON object, found ${JSON.stringify(text.slice(0, 60))}` };
  }
  const result = v.safeParse(schema, raw, { abortEarly: true });
  if (result.success) return { ok: true, frame: result.output };
  const [issue] = result.issues;
  return { ok: false, reason: `${v.getDotPath(issue) ?? 'frame'}: ${issue.message}` };
}
