// A machine of the lab: one Docker Engine in PID, mount, UTS and IPC namespaces of its own, joined to the network
// namespace of a node. The same recipe, in the host's network, gives the engine that builds images.
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { cgroupParent, killAll, processesOf, startInCgroup } from './cgroups.ts';
import { type LabNames, namespacePath, nodeDir, nodeSocket, registryHost } from './names.ts';
import { signalProcess, until } from './run.ts';

const INIT = new URL('./node-init.sh', import.meta.url).pathname;
const READY_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 5_000;
const API_TIMEOUT_MS = 10_000;

/** Starts the engine of a node. Returns once it answers. */
export async function startNodeEngine(lab: LabNames, node: string, signal?: AbortSignal): Promise<void> {
  await startEngine({
    lab,
    part: node,
    namespace: namespacePath(lab, node),
    dataRoot: `${nodeDir(lab, node)}/docker`,
    flags: [`--insecure-registry=${registryHost(lab)}`, `--cgroup-parent=${cgroupParent(lab, node)}`],
    signal,
  });
}

/** Starts an engine in the host's network, for work that needs apt and npm, without touching the host's rules. */
export async function startHostEngine(
  lab: LabNames,
  part: string,
  dataRoot: string,
  signal?: AbortSignal,
): Promise<void> {
  await startEngine({
    lab,
    part,
    dataRoot,
    flags: [
      '--bridge=none',
      '--iptables=false',
      '--ip6tables=false',
      '--ip-forward=false',
      `--cgroup-parent=${cgroupParent(lab, part)}`,
    ],
    signal,
  });
}

interface EngineSpec {
  readonly lab: LabNames;
  readonly part: string;
  readonly namespace?: string;
  readonly dataRoot: string;
  readonly flags: readonly string[];
  readonly signal: AbortSignal | undefined;
}

async function startEngine(spec: EngineSpec): Promise<void> {
  const home = nodeDir(spec.lab, spec.part);
  const socket = nodeSocket(spec.lab, spec.part);
  mkdirSync(home, { recursive: true });
  rmSync(socket, { force: true });
  const command = [
    ...(spec.namespace === undefined ? [] : ['nsenter', `--net=${spec.namespace}`, '--']),
    ...['unshare', '-m', '-u', '-i', '-p', '--fork', '--kill-child', '--mount-proc'],
    ...['/bin/sh', INIT, spec.part, spec.lab.dir, home],
    `--data-root=${spec.dataRoot}`,
    '--exec-root=/run/docker',
    '--pidfile=/run/docker.pid',
    '--host=unix:///run/docker.sock',
    `--host=unix://${socket}`,
    // systemd, where the host runs it, must not be asked to manage the lab's groups.
    '--exec-opt=native.cgroupdriver=cgroupfs',
    ...spec.flags,
  ];
  const logFile = `${home}/engine.log`;
  const pid = await startInCgroup(spec.lab, spec.part, command, logFile);
  await until(
    `the engine of ${spec.part} in lab ${spec.lab.name} (log: ${logFile})`,
    async () => {
      if (!signalProcess(pid, 0)) throw new Error(`the engine of ${spec.part} ended:\n${tail(logFile)}`);
      return (await answers(socket)) || undefined;
    },
    { timeoutMs: READY_TIMEOUT_MS, signal: spec.signal },
  );
}

/** Asks the engine for a sign of life, without a client program. */
export function answers(socketPath: string): Promise<boolean> {
  if (!existsSync(socketPath)) return Promise.resolve(false);
  return new Promise((resolve) => {
    const ping = request({ socketPath, path: '/_ping', timeout: 1_000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    ping.on('timeout', () => ping.destroy());
    ping.on('error', () => resolve(false));
    ping.end();
  });
}

/** Reads from the engine's API: for what the client program cannot print whole. */
export function getJson(socketPath: string, path: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, path, timeout: API_TIMEOUT_MS }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const body = Buffer.concat(chunks).toString();
        if (response.statusCode === 200) resolve(JSON.parse(body));
        else reject(new Error(`the engine answered ${path} with ${response.statusCode}: ${body.trim()}`));
      });
    });
    call.on('timeout', () =>
      call.destroy(new Error(`the engine did not answer ${path} in ${API_TIMEOUT_MS} ms`)),
    );
    call.on('error', reject);
    call.end();
  });
}

function tail(file: string): string {
  return readFileSync(file, 'utf8').trim().split('\n').slice(-15).join('\n');
}

/** The host's PID of the machine's PID 1, or undefined when it is off. */
export function initOf(lab: LabNames, part: string): number | undefined {
  return processesOf(lab, part).find((pid) => {
    const ids = namespacePids(pid);
    // Second level, number 1: PID 1 of a container is 1 at the third level.
    return ids.length === 2 && ids[1] === 1;
  });
}

/** The process's ids from the outermost PID namespace in: proc(5), NSpid. Empty when it is gone. */
export function namespacePids(pid: number): number[] {
  const line = readProc(pid, 'status').match(/^NSpid:\s+(.*)$/m)?.[1];
  return line === undefined ? [] : line.split(/\s+/).map(Number);
}

export function commandLineOf(pid: number): string {
  return readProc(pid, 'cmdline').replaceAll('\0', ' ').trim();
}

export function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ESRCH') return '';
    throw error;
  }
}

export function engineProcessOf(lab: LabNames, part: string): number | undefined {
  return processesOf(lab, part).find(
    (pid) => namespacePids(pid).length === 2 && /(^|\/)dockerd /.test(`${commandLineOf(pid)} `),
  );
}

/** Pulls the plug: no process of the machine runs another instruction. */
export async function killMachine(lab: LabNames, part: string): Promise<void> {
  const init = initOf(lab, part);
  if (init !== undefined) signalProcess(init, 'SIGKILL');
  await killAll(lab, part);
}

/** Ends an engine that has data worth keeping. */
export async function stopEngine(lab: LabNames, part: string): Promise<void> {
  const engine = engineProcessOf(lab, part);
  if (engine !== undefined) {
    signalProcess(engine, 'SIGTERM');
    // An engine that is still starting may not listen: then it has nothing to save either.
    const deadline = performance.now() + STOP_TIMEOUT_MS;
    while (engineProcessOf(lab, part) !== undefined && performance.now() < deadline) await delay(20);
  }
  await killMachine(lab, part);
}
