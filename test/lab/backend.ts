// A service of a node that the address is for, and a client that asks for it as users do. Real HTTP: one process on every
// node, which chaos can kill or let hang.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { inCgroup, processesOf, startInCgroup } from './cgroups.ts';
import { commandLineOf } from './engine.ts';
import { type LabNames, nodeDir } from './names.ts';
import { inNamespace } from './network.ts';
import { attempt, signalProcess, until } from './run.ts';

export const BACKEND_PORT = 8080;
const MARK = 'swarm-vip-lab-backend';
const SERVER = `/* ${MARK} */ require('node:http').createServer((q, r) => r.end('alive')).listen(${BACKEND_PORT})`;

const backendsOf = (lab: LabNames, node: string): number[] =>
  processesOf(lab, node).filter((pid) => commandLineOf(pid).includes(MARK));

/** Starts it where none runs; one that was stopped goes on. Returns once it answers. */
export async function startBackend(lab: LabNames, node: string): Promise<void> {
  if (backendsOf(lab, node).length === 0) {
    const command = inNamespace(lab, node, [process.execPath, '-e', SERVER]);
    await startInCgroup(lab, node, command, `${nodeDir(lab, node)}/backend.log`);
  } else signalBackend(lab, node, 'SIGCONT');
  const ask = `fetch('http://127.0.0.1:${BACKEND_PORT}').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))`;
  await until(
    `the backend of ${node}`,
    async () =>
      (await attempt(inNamespace(lab, node, [process.execPath, '-e', ask]))).code === 0 || undefined,
    { timeoutMs: 10_000, everyMs: 100 },
  );
}

export function signalBackend(lab: LabNames, node: string, signal: NodeJS.Signals): void {
  const pids = backendsOf(lab, node);
  if (pids.length === 0) throw new Error(`no backend runs on ${node}`);
  for (const pid of pids) signalProcess(pid, signal);
}

export function endBackend(lab: LabNames, node: string): void {
  for (const pid of backendsOf(lab, node)) signalProcess(pid, 'SIGKILL');
}

// A new connection every 10 ms, so that one that hangs holds up no other; the parent counts answers.
const CLIENT = `
const { request } = require('node:http');
setInterval(() => {
  const began = Date.now();
  const call = request({ host: process.argv[1], port: ${BACKEND_PORT}, agent: false, timeout: 400 }, (answer) => {
    answer.resume();
    answer.on('end', () => console.log(began));
  });
  call.on('timeout', () => call.destroy());
  call.on('error', () => {});
  call.end();
}, 10)`;

/** Asks the backend behind `address` all the time. The result ends it: the longest time without a served request. */
export async function startServiceProbe(lab: LabNames, address: string): Promise<() => Promise<number>> {
  const command = inCgroup(
    lab,
    'guests',
    inNamespace(lab, 'client', [process.execPath, '-e', CLIENT, address]),
  );
  const [file = '', ...args] = command;
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  const served: number[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => served.push(Number(line)));
  await until('the service to answer', () => served.length > 0 || undefined, { timeoutMs: 10_000 });
  return async () => {
    const closed = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGKILL');
    await closed;
    const times = [...served, Date.now()].sort((a, b) => a - b);
    return Math.max(...times.slice(1).map((at, index) => at - (times[index] ?? at)));
  };
}
