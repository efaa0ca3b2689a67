// Starts programs for the lab and waits for them. Every program gets a session of its own: a Ctrl-C in the
// terminal reaches the lab's command alone, which then removes what it had begun, undisturbed.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

export interface RunOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

export interface RunResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class CommandError extends Error {
  /** Not an own property: a log of the error must not print a whole build. */
  readonly #result: RunResult;
  constructor(command: readonly string[], result: RunResult, why: string) {
    // Builders write the cause to stdout and a summary to stderr.
    const said = [result.stdout, result.stderr].map(lastLines).filter((text) => text !== '');
    super([`${command.join(' ').slice(0, 300)}: ${why}`, ...said].join('\n'));
    this.name = 'CommandError';
    this.#result = result;
  }
  get result(): RunResult {
    return this.#result;
  }
}

const lastLines = (text: string): string => text.trim().split('\n').slice(-25).join('\n');

const DEFAULT_TIMEOUT_MS = 60_000;
const KILL_GRACE_MS = 2_000;

/** Runs a program to its end. Throws CommandError on a non-zero exit, a timeout or an abort. */
export async function run(command: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const result = await attempt(command, options);
  if (result.code !== 0) throw new CommandError(command, result, `exit ${result.code}`);
  return result;
}

/** As run, but an exit code other than 0 is a result. Still throws on a timeout, an abort or a missing program. */
export async function attempt(command: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const [file, ...args] = command;
  if (file === undefined) throw new Error('expected a command, found an empty list');
  options.signal?.throwIfAborted();
  const child = spawn(file, args, {
    detached: true,
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    env: environment(options.env),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
  if (options.input !== undefined) {
    // A program that ends before it has read everything breaks the pipe; its exit code tells the story.
    child.stdin?.on('error', (error) => stderr.push(Buffer.from(`stdin: ${error.message}\n`)));
    child.stdin?.end(options.input);
  }
  const collected = (code: number): RunResult => ({
    code,
    stdout: Buffer.concat(stdout).toString(),
    stderr: Buffer.concat(stderr).toString(),
  });
  return new Promise((resolve, reject) => {
    let ended: string | undefined;
    const end = (why: string) => {
      ended ??= why;
      killGroup(child, 'SIGTERM');
      setTimeout(() => killGroup(child, 'SIGKILL'), KILL_GRACE_MS).unref();
    };
    const timer = setTimeout(() => end('timed out'), options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
    const onAbort = () => end('interrupted');
    options.signal?.addEventListener('abort', onAbort, { once: true });
    const settle = (act: () => void) => {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', onAbort);
      act();
    };
    child.on('error', (error) =>
      settle(() => reject(new CommandError(command, collected(-1), error.message))),
    );
    child.on('close', (code, signal) =>
      settle(() => {
        const result = collected(code ?? -1);
        if (ended !== undefined) reject(new CommandError(command, result, ended));
        else if (signal !== null) reject(new CommandError(command, result, `killed by ${signal}`));
        else resolve(result);
      }),
    );
  });
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  signalProcess(-child.pid, signal);
}

/** Sends a signal; a process that is gone already is no error. Returns whether it was there. */
export function signalProcess(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false;
    throw error;
  }
}

/**
 * Starts a program that outlives this process, with its output in a file. Returns its PID once `isPlaced` holds:
 * from then on it can be found and removed, whatever happens to us.
 */
export async function spawnDaemon(
  command: readonly string[],
  logFile: string,
  isPlaced: (pid: number) => boolean,
): Promise<number> {
  const [file, ...args] = command;
  if (file === undefined) throw new Error('expected a command, found an empty list');
  const log = openSync(logFile, 'a');
  try {
    const child = spawn(file, args, {
      detached: true,
      stdio: ['ignore', log, log],
      env: environment(undefined),
    });
    child.unref();
    const { pid } = child;
    if (pid === undefined) throw new Error(`${file} did not start: is the package that brings it installed?`);
    // No signal here on purpose: an interrupt must not slip in between.
    await until(`${file} to take its place`, () => isPlaced(pid) || child.exitCode !== null || undefined, {
      timeoutMs: 5_000,
      everyMs: 2,
    });
    return pid;
  } finally {
    closeSync(log);
  }
}

/** The caller's environment without what would send docker to somebody else's engine or settings. */
function environment(extra: RunOptions['env']): NodeJS.ProcessEnv {
  const { DOCKER_HOST: _host, DOCKER_CONTEXT: _context, DOCKER_TLS_VERIFY: _tls, ...rest } = process.env;
  const sbin = ['/usr/local/sbin', '/usr/sbin', '/sbin'];
  const path = (rest['PATH'] ?? '/usr/local/bin:/usr/bin:/bin').split(':');
  return {
    ...rest,
    // A root shell without a login often lacks the sbin directories, where ip, nft and dockerd live.
    PATH: [...path, ...sbin.filter((dir) => !path.includes(dir))].join(':'),
    LC_ALL: 'C',
    TZ: 'UTC',
    ...extra,
  };
}

/**
 * Polls until `test` gives a value. `what` completes "timed out waiting for …", as things are then. The last poll begins
 * when the time is up: one that began early and took long says nothing about the end.
 */
export async function until<T>(
  what: string | (() => string),
  test: () => Promise<T | undefined> | T | undefined,
  options: {
    readonly timeoutMs: number;
    readonly everyMs?: number;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<T> {
  const deadline = performance.now() + options.timeoutMs;
  for (;;) {
    options.signal?.throwIfAborted();
    const last = performance.now() >= deadline;
    const value = await test();
    if (value !== undefined) return value;
    if (last) {
      const words = typeof what === 'string' ? what : what();
      throw new Error(`timed out after ${options.timeoutMs} ms waiting for ${words}`);
    }
    await delay(options.everyMs ?? 50);
  }
}

/**
 * Like Promise.all, but never leaves one behind: it waits for all before it throws. What still ran after a failure
 * would go on building while the clean-up takes down.
 */
export async function allDone<T>(work: Iterable<Promise<T>>): Promise<T[]> {
  const results = await Promise.allSettled(work);
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}
