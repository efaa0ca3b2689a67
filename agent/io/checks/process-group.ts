// A script as a process group of its own: its time and output are bounded, and nothing of it outlives its run: neither
// its group nor what has left the group (a daemon), which is found by a mark in its environment.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';

export interface GroupResult {
  /** Null when it was killed or could not be started. */
  readonly code: number | null;
  readonly signal: string | null;
  /** stdout and stderr together: the last of it. */
  readonly output: string;
  readonly end: 'exit' | 'timeout' | 'flood' | 'not-started';
  readonly error?: NodeJS.ErrnoException;
}

export interface GroupRun {
  /** Settles within the time limit, whatever the processes do. */
  readonly result: Promise<GroupResult>;
  /** Settles when the first process is really gone; one in uninterruptible sleep may take for ever. */
  readonly gone: Promise<void>;
}

export interface GroupOptions {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly timeoutMs: number;
}

const keptBytes = 2048;
/** What a script may write before it is taken for mad; everything after the kept part is dropped. */
const floodBytes = 16 * 1024 * 1024;
/** How long after the exit its last words may take through the pipe. */
const lastWordsMs = 50;
const mark = 'SWARM_VIP_RUN';

/** Never throws. */
export function runGroup(options: GroupOptions): GroupRun {
  const id = randomUUID();
  try {
    return follow(launch(options, id), id, options.timeoutMs);
  } catch (thrown) {
    // Node throws for what is not usual, such as ETXTBSY, a file that is being written to.
    const error = thrown as NodeJS.ErrnoException;
    const result = { code: null, signal: null, output: '', end: 'not-started', error } as const;
    return { result: Promise.resolve(result), gone: Promise.resolve() };
  }
}

function launch({ file, args, env, cwd }: GroupOptions, id: string) {
  return spawn(file, [...args], {
    cwd,
    env: { ...env, [mark]: id },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

function follow(child: ChildProcess, id: string, timeoutMs: number): GroupRun {
  const output = collectTail(child, () => end('flood'));
  let finish: (result: GroupResult) => void = () => undefined;
  let over: GroupResult['end'] | undefined;
  const result = new Promise<GroupResult>((resolve) => {
    finish = resolve;
  });
  const killAll = () => {
    killGroup(child.pid);
    killMarked(`${mark}=${id}`);
  };
  const settle = (settled: Omit<GroupResult, 'output'>) => {
    clearTimeout(timer);
    for (const stream of [child.stdout, child.stderr]) stream?.destroy();
    finish({ ...settled, output: output() });
  };
  const end = (why: 'timeout' | 'flood') => {
    if (over !== undefined) return;
    over = why;
    killAll();
    settle({ code: null, signal: 'SIGKILL', end: why });
  };
  const timer = setTimeout(() => end('timeout'), timeoutMs);
  const gone = new Promise<void>((resolve) => {
    child.on('error', (error) => {
      if (child.pid !== undefined) return;
      over ??= 'not-started';
      settle({ code: null, signal: null, end: 'not-started', error });
      resolve();
    });
    child.on('exit', (code, signal) => {
      // Whatever it left behind goes with it, also after a good end.
      killAll();
      resolve();
      if (over !== undefined) return;
      over = 'exit';
      const said = () => settle({ code, signal, end: 'exit' });
      // Not `close`: a child that has escaped may keep the pipe open.
      const late = setTimeout(said, lastWordsMs);
      child.on('close', () => {
        clearTimeout(late);
        said();
      });
    });
  });
  return { result, gone };
}

/** Reads on for ever, so that no writer blocks; keeps the last bytes of both streams together. */
function collectTail(child: ChildProcess, onFlood: () => void): () => string {
  let tail = Buffer.alloc(0);
  let seen = 0;
  const take = (data: Buffer) => {
    seen += data.length;
    tail = Buffer.concat([tail, data.subarray(-keptBytes)]).subarray(-keptBytes);
    if (seen > floodBytes) onFlood();
  };
  child.stdout?.on('data', take);
  child.stderr?.on('data', take);
  return () => tail.toString('utf8');
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (!isBeyondReach(error)) throw error;
  }
}

/** In the agent's container there are few processes to look at. Twice: one may fork between the look and the kill. */
function killMarked(entry: string): void {
  for (let round = 0; round < 2; round += 1) {
    const marked = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && isMarked(name, entry));
    if (marked.length === 0) return;
    for (const pid of marked) {
      try {
        process.kill(Number(pid), 'SIGKILL');
      } catch (error) {
        if (!isBeyondReach(error)) throw error;
      }
    }
  }
}

/** Gone, or another user's. */
const isBeyondReach = (error: unknown) =>
  ['ESRCH', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '');

/** What an earlier life of the agent has left running when it was killed. Once, before the first run. */
export function killLeftOvers(): void {
  killMarked(mark);
}

/** @param entry NAME=VALUE, or NAME for any value */
function isMarked(pid: string, entry: string): boolean {
  const begin = entry.includes('=') ? entry : `${entry}=`;
  try {
    const all = readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0');
    return all.some((each) => each === entry || (begin !== entry && each.startsWith(begin)));
  } catch {
    // Gone meanwhile, or another user's: not ours.
    return false;
  }
}
