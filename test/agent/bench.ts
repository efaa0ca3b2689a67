// The bench of the agent's tests: hosts as network namespaces on one bridge, the bundled agent under init.sh as PID 1
// of its own PID namespace, a protocol peer as coordinator. Everything ends with `close`.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { build } from 'esbuild';
import * as v from 'valibot';
import type { AssignedInstance, Report } from '../../shared/protocol.ts';
import { GroupName, NodeId, Vrid } from '../../shared/words.ts';
import { until as poll } from '../lab/run.ts';

export const key = 'a-test-key-of-some-length';
const root = new URL('../..', import.meta.url).pathname;
let serial = 0;

export interface Host {
  readonly name: string;
  /** Its port on the bridge. */
  readonly port: string;
  readonly address: string;
  readonly address6: string;
  readonly nodeId: NodeId;
  readonly stateDir: string;
  readonly runDir: string;
  readonly log: () => LogLine[];
  /** A file of the state volume. */
  saved(file: string): string;
  /** Starts init.sh with the agent. @param more capabilities beside its own two, as in "+sys_nice" */
  start(env?: Record<string, string>, more?: readonly string[]): void;
  /** Host pid of PID 1, of Node, of keepalived's parent and child, of lease.pl. */
  pids(): {
    init: number;
    agent: number | undefined;
    keepalived: number[];
    lease: number | undefined;
  };
  /** SIGTERM to PID 1, as Docker does; resolves with the exit code of PID 1. */
  stop(): Promise<number | null>;
  /** Resolves with the exit code of PID 1. */
  ended(): Promise<number | null>;
  /** How many `ip monitor` run in its container. */
  monitors(): number;
  /** Another container on the same host: same network, same volume. */
  twin(): Host;
  /** Empties the volume, and removes what a killed container left in the network. */
  wipe(): void;
  /** SIGKILL to PID 1: the container is gone with everything in it. */
  kill(): Promise<void>;
  exec(...command: string[]): string;
  /** Addresses of the group on eth0, from the kernel. */
  held(): string[];
  report(): Report | undefined;
  assign(counter: number, instances: readonly AssignedInstance[], epoch?: number): void;
  sendText(text: string): void;
}

export type LogLine = Record<string, unknown> & { event?: string; msg?: string };

export interface Bench {
  readonly hosts: readonly Host[];
  readonly peer: Peer;
  readonly lan: string;
  linkDown(host: Host): void;
  /**
   * Makes the host ask for its neighbours anew: a question that was lost with the link is repeated only after a
   * second, and everything to that neighbour, adverts too, waits for the answer. That is the kernel's time.
   */
  linkUp(host: Host): void;
  inLan(...command: string[]): string;
  spawnInLan(...command: string[]): ChildProcess;
  spawnIn(host: Host, ...command: string[]): ChildProcess;
  close(): Promise<void>;
}

export interface Peer {
  start(key?: string): Promise<void>;
  stop(): Promise<void>;
  events(): PeerEvent[];
}
interface PeerEvent {
  event: string;
  node?: string;
  frame?: Report | { type: 'hello' };
  code?: number;
  message?: string;
}

/** The lab's, for a condition that is simply true. An agent may take 10 s to connect again, and then the machine may be busy. */
export const until = <T>(
  what: string | (() => string),
  condition: () => T | undefined | false | null,
  timeoutMs = 30_000,
): Promise<NonNullable<T>> =>
  poll(what, () => (condition() || undefined) as NonNullable<T> | undefined, { timeoutMs, everyMs: 10 });

export async function bundleAgent(): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'swarm-vip-agent-'));
  await build({
    entryPoints: [join(root, 'agent/main.ts')],
    outfile: join(directory, 'agent.js'),
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    logLevel: 'error',
    external: ['chokidar', 'bufferutil', 'utf-8-validate'],
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
  });
  writeFileSync(join(directory, 'package.json'), '{"type":"module"}');
  copyFileSync(join(root, 'agent/keepalived.conf.njk'), join(directory, 'keepalived.conf.njk'));
  for (const script of ['init.sh', 'lease.pl'])
    copyFileSync(join(root, 'agent', script), join(directory, script));
  return directory;
}

const ip = (...args: string[]) =>
  execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
const inside = (name: string) => [`--net=/run/netns/${name}`, '--'];

export async function createBench(count: number): Promise<Bench> {
  serial += 1;
  const prefix = `sva${process.pid}x${serial}`;
  const program = await bundleAgent();
  const lan = `${prefix}l`;
  const names = [lan];
  ip('netns', 'add', lan);
  ip('-n', lan, 'link', 'set', 'lo', 'up');
  ip('-n', lan, 'link', 'add', 'br0', 'type', 'bridge');
  ip('-n', lan, 'addr', 'add', '10.99.0.254/24', 'dev', 'br0');
  ip('-n', lan, 'addr', 'add', 'fd99::fe/64', 'dev', 'br0', 'nodad');
  ip('-n', lan, 'link', 'set', 'br0', 'up');
  // A failed test leaves its probes running: they must not keep the suite from ending.
  const witnesses: ChildProcess[] = [];
  const witness = (name: string, command: readonly string[]) => {
    const child = spawn('nsenter', [...inside(name), ...command], { stdio: ['ignore', 'pipe', 'ignore'] });
    witnesses.push(child);
    return child;
  };
  const peer = createPeer(lan);
  const hosts: (Host & { cleanUp(): Promise<void> })[] = [];
  for (let index = 1; index <= count; index += 1) {
    const name = `${prefix}n${index}`;
    names.push(name);
    ip('netns', 'add', name);
    ip('-n', lan, 'link', 'add', `v${index}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
    ip('-n', lan, 'link', 'set', `v${index}`, 'master', 'br0', 'up');
    ip('-n', name, 'link', 'set', 'lo', 'up');
    ip('-n', name, 'addr', 'add', `10.99.0.${index}/24`, 'dev', 'eth0');
    ip('-n', name, 'addr', 'add', `fd99::${index}/64`, 'dev', 'eth0', 'nodad');
    ip('-n', name, 'link', 'set', 'eth0', 'up');
    hosts.push(createHost(name, index, program, peer));
  }
  return {
    hosts,
    peer,
    lan,
    linkDown: (host) => void ip('-n', lan, 'link', 'set', host.port, 'down'),
    linkUp(host) {
      ip('-n', lan, 'link', 'set', host.port, 'up');
      ip('-n', host.name, 'neigh', 'flush', 'dev', 'eth0');
    },
    inLan: (command = '', ...args) =>
      execFileSync('nsenter', [...inside(lan), command, ...args], { encoding: 'utf8' }),
    spawnIn: (host, ...command) => witness(host.name, command),
    spawnInLan: (...command) => witness(lan, command),
    async close() {
      for (const child of witnesses) child.kill('SIGKILL');
      for (const host of hosts) await host.cleanUp();
      await peer.stop();
      for (const name of names.reverse()) ip('netns', 'del', name);
      rmSync(program, { recursive: true, force: true });
    },
  };
}

function createHost(name: string, index: number, program: string, peer: PeerWithSend, volume?: string) {
  const directory = mkdtempSync(join(tmpdir(), `${name}-`));
  const stateDir = volume ?? join(directory, 'state');
  const runDir = join(directory, 'run');
  mkdirSync(stateDir, { recursive: true });
  const nodeId = v.parse(NodeId, `node${index}`.padEnd(25, 'x'));
  let child: ChildProcess | undefined;
  let ended: Promise<number | null> = Promise.resolve(null);
  const lines: LogLine[] = [];
  const twins: { cleanUp(): Promise<void> }[] = [];

  const pids = () => {
    const all = child?.pid === undefined ? [] : descendants(child.pid);
    const init = all.find((entry) => entry.comm === 'init.sh' || entry.comm === 'sh');
    return {
      init: init?.pid ?? 0,
      agent: all.find((entry) => ['node', 'MainThread'].includes(entry.comm))?.pid,
      keepalived: all.filter((entry) => entry.comm === 'keepalived').map((entry) => entry.pid),
      // Whoever listens for adverts is perl, too, but a child of Node and reads its program from a pipe.
      lease: all.find((entry) => entry.comm === 'perl' && isLease(entry.pid))?.pid,
    };
  };
  const host: Host & { cleanUp(): Promise<void> } = {
    name,
    port: `v${index}`,
    address: `10.99.0.${index}`,
    address6: `fd99::${index}`,
    nodeId,
    stateDir,
    runDir,
    log: () => lines,
    saved: (file) => readFileSync(join(stateDir, file), 'utf8'),
    start(env = {}, more = []) {
      // /run is a tmpfs of the container: gone with it.
      rmSync(runDir, { recursive: true, force: true });
      const world = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc'];
      // As in the container: nothing but these two capabilities.
      const allowed = ['-all', '+net_admin', '+net_raw', ...more].join();
      const capabilities = ['setpriv', `--bounding-set=${allowed}`, '--no-new-privs', '--'];
      const command = [...world, ...capabilities, 'sh', `${program}/init.sh`];
      child = spawn('nsenter', [...inside(name), ...command], {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: {
          PATH: process.env['PATH'],
          NODE_ID: nodeId,
          NODE_HOSTNAME: `host-${index}`,
          COORDINATORS: '10.99.0.254',
          SWARM_VIP_KEY: key,
          RUN_DIR: runDir,
          STATE_DIR: stateDir,
          LOG_LEVEL: 'debug',
          ...env,
        },
      });
      const current = child;
      ended = new Promise((resolve) => current.on('close', (code) => resolve(code)));
      for (const stream of [child.stdout, child.stderr]) {
        if (!stream) continue;
        createInterface({ input: stream }).on('line', (line) => {
          if (process.env['BENCH_LOG']) process.stderr.write(`${name}: ${line}\n`);
          lines.push(line.startsWith('{') ? (JSON.parse(line) as LogLine) : { msg: line });
        });
      }
    },
    pids,
    async stop() {
      const { init } = pids();
      if (init) process.kill(init, 'SIGTERM');
      return ended;
    },
    ended: () => ended,
    monitors: () =>
      (child?.pid === undefined ? [] : descendants(child.pid)).filter((entry) => entry.comm === 'ip').length,
    twin() {
      const twin = createHost(name, index, program, peer, stateDir);
      twins.push(twin);
      return twin;
    },
    wipe() {
      rmSync(stateDir, { recursive: true, force: true });
      mkdirSync(stateDir);
      for (const device of ['eth0', 'lo']) {
        const shown = ip('-n', name, '-o', 'addr', 'show', 'dev', device);
        for (const [, address = ''] of shown.matchAll(/ inet6? (\S+\/(?:32|128)) /g)) {
          if (address !== '::1/128') ip('-n', name, 'addr', 'del', address, 'dev', device);
        }
      }
      lines.length = 0;
    },
    async kill() {
      const { init } = pids();
      if (init) process.kill(init, 'SIGKILL');
      await ended;
    },
    exec: (command = '', ...args) =>
      execFileSync('nsenter', [...inside(name), command, ...args], { encoding: 'utf8' }),
    held: () =>
      [...ip('-n', name, '-o', 'addr', 'show', 'dev', 'eth0').matchAll(/ inet6? (\S+\/(?:32|128)) /g)].map(
        ([, address = '']) => address,
      ),
    report: () =>
      peer
        .events()
        .findLast(
          (event): event is PeerEvent & { frame: Report } =>
            event.node === nodeId && event.frame?.type === 'report',
        )?.frame,
    assign: (counter, instances, epoch = 1) =>
      peer.send(nodeId, JSON.stringify({ type: 'assignment', epoch, counter, instances }), true),
    sendText: (text) => peer.send(nodeId, text, false),
    async cleanUp() {
      for (const twin of twins) await twin.cleanUp();
      await host.kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
  return host;
}

interface PeerWithSend extends Peer {
  /** `keep`: say it again after a reconnect. */
  send(node: string, text: string, keep: boolean): void;
}

function createPeer(lan: string): PeerWithSend {
  let child: ChildProcess | undefined;
  let events: PeerEvent[] = [];
  return {
    async start(withKey = key) {
      events = [];
      const script = join(root, 'test/agent/peer.ts');
      child = spawn(
        'nsenter',
        [...inside(lan), process.execPath, '--import', 'tsx', script, '10.99.0.254', '9166', withKey],
        { stdio: ['pipe', 'pipe', 'inherit'], cwd: root },
      );
      if (child.stdout) {
        createInterface({ input: child.stdout }).on('line', (line) =>
          events.push(JSON.parse(line) as PeerEvent),
        );
      }
      await until('the peer listens', () => events.some((event) => event.event === 'listening'));
    },
    async stop() {
      const current = child;
      if (!current) return;
      child = undefined;
      const closed = new Promise((resolve) => current.on('close', resolve));
      current.kill('SIGKILL');
      await closed;
    },
    events: () => events,
    send: (node, text, keep) =>
      void child?.stdin?.write(`${JSON.stringify({ node, text, keep })}
`),
  };
}

function isLease(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('lease.pl\0');
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}

function descendants(pid: number): { pid: number; comm: string }[] {
  let children: number[];
  try {
    children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
      .split(' ')
      .filter(Boolean)
      .map(Number);
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
    throw error;
  }
  return children.flatMap((child) => {
    try {
      const comm = readFileSync(`/proc/${child}/comm`, 'utf8').trim();
      return [{ pid: child, comm }, ...descendants(child)];
    } catch (error) {
      if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
      throw error;
    }
  });
}

/** A host by number, from 1. */
export function nth(bench: Bench, number: number): Host {
  const host = bench.hosts[number - 1];
  if (!host) throw new Error(`the bench has no host ${number}`);
  return host;
}

/** Events in a host's log, by name. */
export const eventsOf = (host: Host, event: string) => host.log().filter((line) => line.event === event);

/** Looks up what the host logs from this call on. */
export function eventsFromNow(host: Host): (event: string) => LogLine[] {
  const from = host.log().length;
  return (event) =>
    host
      .log()
      .slice(from)
      .filter((line) => line.event === event);
}

/** Assigns the group to all members and waits until the first one holds its address and nobody is paused. */
export async function bringUp(
  members: readonly Host[],
  counter = 1,
  change: Partial<AssignedInstance> = {},
): Promise<void> {
  await until('all agents report', () => members.every((host) => host.report()));
  for (const host of members) host.assign(counter, [instanceFor(host, members, change)]);
  await until('the group is up', () =>
    members.every((host, index) => {
      const [instance] = host.report()?.instances ?? [];
      return instance?.pause === null && instance.state === (index === 0 ? 'MASTER' : 'BACKUP');
    }),
  );
}

/** An instance of the group "web" for one host among the members. */
export function instanceFor(
  host: Host,
  members: readonly Host[],
  change: Partial<AssignedInstance> = {},
): AssignedInstance {
  return {
    group: v.parse(GroupName, 'web'),
    vrid: v.parse(Vrid, 51),
    version: 3,
    intervalMs: 100,
    interface: 'eth0',
    source: host.address,
    peers: members
      .filter((member) => member !== host)
      .map((member) => ({ node: member.nodeId, address: member.address })),
    priority: 250 - 2 * members.indexOf(host),
    addresses: ['10.99.0.100/32'],
    peersConfirmed: true,
    ...change,
  };
}
