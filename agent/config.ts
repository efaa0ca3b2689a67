// The environment → a checked configuration. The only place that reads it; an error names variable, value, remedy.
import type { KeyObject } from 'node:crypto';
import { hostname } from 'node:os';
import * as v from 'valibot';
import { readPublicKey } from '../shared/io/coordinator-proof.ts';
import {
  type Env,
  type ListenAddress,
  readKey,
  readListen,
  readLogLevel,
  SettingError,
} from '../shared/io/settings.ts';
import { agentPort } from '../shared/protocol.ts';
import { NodeId } from '../shared/words.ts';
import { type Endpoint, parseEndpoints } from './core/endpoints.ts';

export interface Paths {
  readonly runDir: string;
  readonly config: string;
  /** A candidate, while keepalived tests it. */
  readonly configTest: string;
  readonly applied: string;
  /** The same, before the assignment that is being carried out. */
  readonly appliedBefore: string;
  /** Assignments that an earlier life of the agent may have died of. */
  readonly suspects: string;
  readonly pid: string;
  readonly vrrpPid: string;
  readonly logFifo: string;
  readonly notifyFifo: string;
  readonly dump: string;
  readonly heartbeat: string;
  readonly hung: string;
  readonly pauseDir: string;
  readonly liveDir: string;
  /** On the volume. */
  readonly assignment: string;
  readonly managers: string;
  readonly owned: string;
  readonly history: string;
  /** What the coordinator said of services. */
  readonly tasks: string;
  readonly macvlans: string;
  /** What the renewer of leases is told, and what it says. */
  readonly leases: string;
  readonly leaseStats: string;
}

export interface AgentConfig {
  readonly nodeId: NodeId;
  readonly hostname: string;
  readonly coordinators: readonly Endpoint[];
  readonly port: number;
  readonly key: Buffer;
  /** Public half of the coordinators' own key. Null: whoever has `key` and answers on a manager's address is believed. */
  readonly coordinatorKey: KeyObject | null;
  readonly metricsListen: ListenAddress;
  readonly logLevel: string;
  readonly paths: Paths;
  /** False only in tests, as the negative control of the hand-over before a stop. */
  readonly handOver: boolean;
  /** Seconds that a held address outlives whoever renews it. Null: no leases; init.sh reads the same variable. */
  readonly leaseSeconds: number | null;
  /** Nice value of keepalived's VRRP process. Null: that of the container. */
  readonly vrrpPriority: number | null;
  /** Its real-time priority (SCHED_RR). Null: none. */
  readonly vrrpRtPriority: number | null;
  /** How the last life of the agent ended, as PID 1 saw it. */
  readonly lastExit: number | null;
  /** Only in tests: an assignment with this group ends the agent, after so many milliseconds. */
  readonly crashOn: { readonly group: string; readonly afterMs: number } | null;
  /** The descriptor on which PID 1 holds the lock of the state directory. */
  readonly lockFd: number | null;
  /** Scripts of checks and notifications. */
  readonly checksDir: string;
  /** For checks of the engine and of containers; need not be there. */
  readonly engineSocket: string;
  /** PATH, for keepalived and scripts. */
  readonly searchPath: string;
  /** Settings read otherwise than written. */
  readonly notes: readonly string[];
}

/** @throws SettingError */
export function readConfig(env: Env): AgentConfig {
  const nodeId = v.safeParse(NodeId, env['NODE_ID'] ?? '');
  if (!nodeId.success) {
    throw new SettingError(
      'NODE_ID',
      `"${env['NODE_ID'] ?? ''}", expected the id of this Swarm node`,
      "In the stack file write: NODE_ID: '{{.Node.ID}}'.",
    );
  }
  const port = readPort(env);
  const coordinators = parseEndpoints(env['COORDINATORS'] ?? '', port);
  if (coordinators.bad.length > 0) {
    throw new SettingError(
      'COORDINATORS',
      coordinators.bad.map((entry) => `"${entry}"`).join(', '),
      'Write addresses of managers, separated by commas: 10.0.0.1,10.0.0.2.',
    );
  }
  return {
    nodeId: nodeId.output,
    hostname: (env['NODE_HOSTNAME']?.trim() || hostname()).slice(0, 255),
    coordinators: coordinators.endpoints,
    port,
    key: readKey(env),
    coordinatorKey: readCoordinatorKey(env),
    metricsListen: readListen(env, 'METRICS_LISTEN', 9165),
    logLevel: readLogLevel(env),
    paths: pathsOf(
      readPath(env, 'RUN_DIR', '/run/swarm-vip'),
      readPath(env, 'STATE_DIR', '/var/lib/swarm-vip'),
    ),
    handOver: env['TEST_NO_HAND_OVER'] !== '1',
    lastExit: readNumber(env['AGENT_LAST_EXIT']),
    crashOn: readCrashOn(env['TEST_CRASH_ON_GROUP']),
    leaseSeconds: readLease(env),
    vrrpPriority: readPriority(env, 'VRRP_PRIORITY', -20, 19),
    vrrpRtPriority: readPriority(env, 'VRRP_RT_PRIORITY', 1, 99),
    lockFd: readNumber(env['AGENT_LOCK_FD']),
    checksDir: readPath(env, 'CHECKS_DIR', '/etc/swarm-vip/checks'),
    engineSocket: readPath(env, 'ENGINE_SOCKET', '/var/run/docker.sock'),
    searchPath: env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin',
    notes: coordinators.notes,
  };
}

function readCoordinatorKey(env: Env): KeyObject | null {
  const text = env['COORDINATOR_PUBLIC_KEY']?.trim() ?? '';
  if (text === '') return null;
  try {
    return readPublicKey(text);
  } catch (error) {
    const remedy = 'Write what this prints: openssl pkey -in FILE -pubout -outform DER | base64';
    throw new SettingError('COORDINATOR_PUBLIC_KEY', `"${text}" (${String(error)})`, remedy);
  }
}

function readPort(env: Env): number {
  const text = env['AGENT_PORT']?.trim() || String(agentPort);
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port < 1 || port > 65_535) {
    throw new SettingError('AGENT_PORT', `"${text}"`, 'Write a port number, 1 to 65535.');
  }
  return port;
}

/** From PID 1. */
function readNumber(text = ''): number | null {
  return /^\d{1,3}$/.test(text) ? Number(text) : null;
}

function readCrashOn(text = ''): AgentConfig['crashOn'] {
  const [group = '', afterMs = '0'] = text.split(' ');
  return group === '' ? null : { group, afterMs: Number(afterMs) };
}

function readLease(env: Env): number | null {
  const text = env['LEASE']?.trim() || '4s';
  if (text === 'off') return null;
  const seconds = Number(/^(\d{1,2})s?$/.exec(text)?.[1]);
  if (seconds >= 2 && seconds <= 60) return seconds;
  throw new SettingError('LEASE', `"${text}"`, 'Write whole seconds from 2s to 60s, or off.');
}

/** @returns null when it is not set */
function readPriority(env: Env, variable: string, least: number, most: number): number | null {
  const text = env[variable]?.trim() ?? '';
  if (text === '') return null;
  const value = Number(text);
  if (/^-?\d{1,2}$/.test(text) && value >= least && value <= most) return value;
  throw new SettingError(variable, `"${text}"`, `Write a whole number from ${least} to ${most}.`);
}

/** The paths go into keepalived.conf and command lines, hence the narrow alphabet. */
function readPath(env: Env, variable: string, fallback: string): string {
  const path = env[variable]?.trim() || fallback;
  if (!/^\/[A-Za-z0-9_./-]{1,200}$/.test(path)) {
    throw new SettingError(variable, `"${path}"`, 'Write an absolute path of letters, digits, _ . - and /.');
  }
  return path.replace(/\/+$/, '');
}

function pathsOf(runDir: string, stateDir: string): Paths {
  return {
    runDir,
    config: `${runDir}/keepalived.conf`,
    configTest: `${runDir}/keepalived.conf.test`,
    applied: `${runDir}/applied.json`,
    appliedBefore: `${runDir}/applied-before.json`,
    suspects: `${runDir}/suspects.json`,
    pid: `${runDir}/keepalived.pid`,
    vrrpPid: `${runDir}/vrrp.pid`,
    logFifo: `${runDir}/keepalived.log.fifo`,
    notifyFifo: `${runDir}/notify.fifo`,
    dump: `${runDir}/keepalived.json`,
    heartbeat: `${runDir}/heartbeat`,
    hung: `${runDir}/hung`,
    pauseDir: `${runDir}/pause`,
    liveDir: `${runDir}/live`,
    assignment: `${stateDir}/assignment.json`,
    managers: `${stateDir}/managers.json`,
    owned: `${stateDir}/owned.json`,
    history: `${stateDir}/history.json`,
    tasks: `${stateDir}/tasks.json`,
    macvlans: `${stateDir}/macvlans.json`,
    leases: `${runDir}/leases`,
    leaseStats: `${runDir}/lease.stats`,
  };
}
