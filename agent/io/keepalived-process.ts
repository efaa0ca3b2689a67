// The keepalived processes: start, find again, signal, and know when the last one is gone.
//
// keepalived is started detached and outlives this process. Its log goes into a FIFO that it holds open read-write
// and non-blocking: a dead or hung reader can neither block VRRP nor end it by SIGPIPE. We hold the read end alone,
// so the end of the stream is the event "every keepalived process is gone", also for one that PID 1 has inherited.
import { spawn } from 'node:child_process';
import { closeSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import type { AgentConfig, Paths } from '../config.ts';
import { ensureFifo, openReader, openReadWrite, readLines } from './fifo.ts';
import { run } from './run.ts';

export interface KeepalivedProcess {
  /** Attaches to a keepalived that runs with our configuration file. False when there is none. */
  adopt(): boolean;
  start(): void;
  /** To the parent process, which passes signals on. False when there is none. */
  signal(signal: NodeJS.Signals | number): boolean;
  /** To every process of it. */
  kill(): void;
  /** In words, why the last own child ended. */
  lastExit(): string | null;
  /** Lets go without touching keepalived. */
  detach(): void;
}

export interface KeepalivedEvents {
  onLine(line: string): void;
  onGone(): void;
}

/** keepalived inherits `lockFd`, the lock of the state directory: see init.sh. */
export function createKeepalivedProcess(
  { paths, lockFd, searchPath }: Pick<AgentConfig, 'paths' | 'lockFd' | 'searchPath'>,
  events: KeepalivedEvents,
): KeepalivedProcess {
  let reader: Socket | undefined;
  let exit: string | null = null;

  const watchGone = () => {
    // The stream may end early on a read error; the processes decide.
    if (findProcesses(paths.config).length === 0) events.onGone();
    else setTimeout(watchGone, 100);
  };
  const attach = (fd: number) => {
    reader = readLines(fd, events.onLine, () => {
      reader = undefined;
      watchGone();
    });
  };

  return {
    adopt() {
      if (findProcesses(paths.config).length === 0) return false;
      ensureFifo(paths.logFifo);
      attach(openReader(paths.logFifo));
      return true;
    },
    start() {
      ensureFifo(paths.logFifo);
      // A stale pid file that names a live foreign process makes keepalived exit with "already running".
      rmSync(paths.pid, { force: true });
      rmSync(paths.vrrpPid, { force: true });
      exit = null;
      const readEnd = openReader(paths.logFifo);
      const writeEnd = openReadWrite(paths.logFifo);
      const child = spawn('keepalived', keepalivedArguments(paths), {
        detached: true,
        stdio: ['ignore', writeEnd, writeEnd, ...(lockFd === null ? [] : [lockFd])],
        // Where keepalived writes its JSON dump; it holds passwords in clear, hence our own directory.
        env: { PATH: searchPath, TMPDIR: paths.runDir },
      });
      closeSync(writeEnd);
      child.on('error', (error) => {
        exit = error.message;
      });
      child.on('exit', (code, signal) => {
        exit = signal ? `killed by ${signal}` : `exit code ${code}`;
      });
      child.unref();
      attach(readEnd);
    },
    signal(signal) {
      const parent = findParent(paths);
      return parent !== undefined && send(parent, signal);
    },
    kill() {
      for (const { pid } of findProcesses(paths.config)) send(pid, 'SIGKILL');
    },
    lastExit: () => exit,
    detach: () => reader?.removeAllListeners().destroy(),
  };
}

function keepalivedArguments(paths: Paths): string[] {
  // Foreground, log to stderr with detail, no syslog, VRRP only.
  return ['-n', '-l', '-D', '-G', '-P', '-f', paths.config, '-p', paths.pid, '-r', paths.vrrpPid];
}

export async function readKeepalivedVersion(): Promise<string> {
  const { stdout, stderr } = await run('keepalived', ['--version'], 5_000);
  return /Keepalived v(\S+)/.exec(`${stderr}${stdout}`)?.[1] ?? 'unknown';
}

interface Found {
  readonly pid: number;
  readonly parent: number;
}

/** By comm and command line, not by pid file: files can be stale, and pids are reused. */
function findProcesses(configPath: string): Found[] {
  const found: Found[] = [];
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'latin1');
      const [, comm, state, parent] = /^\d+ \((.*)\) (\S) (\d+)/s.exec(stat) ?? [];
      if (comm !== 'keepalived' || state === 'Z') continue;
      const args = readFileSync(`/proc/${entry}/cmdline`, 'utf8').split('\0');
      // A configuration test of ours is no daemon; it reads another file.
      if (args.includes(configPath)) found.push({ pid: Number(entry), parent: Number(parent) });
    } catch (error) {
      // The process ended between listing and reading.
      if (!['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }
  return found;
}

function findParent(paths: Paths): number | undefined {
  const found = findProcesses(paths.config);
  return found.find(({ parent }) => !found.some(({ pid }) => pid === parent))?.pid;
}

function send(pid: number, signal: NodeJS.Signals | number): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}
