// Short-lived children: run, collect a bounded output, never wait for ever.
import { type ChildProcess, spawn } from 'node:child_process';

export interface RunResult {
  /** Null when it was killed (by the time limit, too) or could not be started. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const outputLimit = 4_194_304;

/** Never rejects: a tool that cannot be started is `code: null` with the reason in `stderr`. */
export function run(
  command: string,
  args: readonly string[],
  limitMs: number,
  options: { input?: string; onSpawn?: (child: ChildProcess) => void } = {},
): Promise<RunResult> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    options.onSpawn?.(child);
    const output = { stdout: '', stderr: '' };
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      // A child of it may live on and hold its pipes: "close" must not wait for that one.
      child.stdout.destroy();
      child.stderr.destroy();
    }, limitMs);
    const collect = (name: 'stdout' | 'stderr') => (data: Buffer) => {
      if (output[name].length < outputLimit) output[name] += data.toString('utf8');
    };
    child.stdout.on('data', collect('stdout'));
    child.stderr.on('data', collect('stderr'));
    // A child that ends without reading its input is its own affair; the exit code tells.
    child.stdin.on('error', (error) => collect('stderr')(Buffer.from(`${error.message}\n`)));
    child.stdin.end(options.input ?? '');
    child.on('error', (error) => {
      clearTimeout(timer);
      resolve({ code: null, stdout: '', stderr: error.message });
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ code, ...output });
    });
  });
}

/**
 * A long-lived child that must not outlive this process, even after kill -9: the kernel ends it with us. (It is set
 * by setpriv from util-linux, because Node cannot set PR_SET_PDEATHSIG.)
 * @param input null: its standard input stays open
 */
export function spawnTied(command: string, args: readonly string[], input: string | null = ''): ChildProcess {
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', command, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  // One that ends before it has read says why by its exit.
  child.stdin.on('error', () => child.stdin.destroy());
  if (input !== null) child.stdin.end(input);
  return child;
}
