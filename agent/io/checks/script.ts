// Check by a script of the mounted directory: exit code 0 passes. Executed itself, so a file that cannot be executed is
// found before the run: execvp would quietly take a shell for one without interpreter line.
import { accessSync, closeSync, constants, openSync, readSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Script } from '../../../shared/checks.ts';
import { type CheckFault, failed, type Outcome, type Probe } from './outcome.ts';
import { type GroupResult, runGroup } from './process-group.ts';

export interface ScriptPlace {
  /** The mounted directory. */
  readonly directory: string;
  /** PATH of the script. */
  readonly searchPath: string;
}

/** @param env asked for each run */
export function createScriptProbe(
  script: Script,
  place: ScriptPlace,
  timeoutMs: number,
  env: () => Readonly<Record<string, string>>,
): Probe {
  let hanging = false;
  return async () => {
    if (hanging) {
      const message = 'its last run was killed and is still there (uninterruptible sleep)';
      const remedy = 'look for what it waits for: a dead network file system or a disk';
      return withFault({ code: 'check-hangs', message, remedy });
    }
    const fault = scriptFault(script, place);
    if (fault) return withFault(fault);
    const run = runGroup({
      ...commandOf(script, place),
      env: { ...env(), PATH: place.searchPath },
      timeoutMs,
    });
    hanging = true;
    void run.gone.then(() => {
      hanging = false;
    });
    return scriptOutcome(await run.result, timeoutMs);
  };
}

const withFault = (fault: CheckFault): Outcome => ({ ...failed(fault.message), fault });

export function commandOf({ file, args = [], shell }: Script, { directory }: ScriptPlace) {
  const path = join(directory, file);
  return shell
    ? { file: '/bin/sh', args: [path, ...args], cwd: directory }
    : { file: path, args, cwd: directory };
}

function scriptOutcome({ code, signal, end, output, error }: GroupResult, timeoutMs: number): Outcome {
  const words = output.trim() === '' ? '' : `: ${output}`;
  switch (end) {
    case 'timeout':
      return failed(`no end within ${timeoutMs} ms, killed${words}`);
    case 'flood':
      return failed('wrote more than 16 MiB, killed');
    case 'not-started':
      return failed(`cannot be started: ${error?.message ?? 'no reason given'}`);
    case 'exit':
      if (code === 0) return { passed: true, output };
      return failed(`${code === null ? `killed by ${signal}` : `exit code ${code}`}${words}`);
  }
}

/** What keeps a script from being run at all. */
export function scriptFault(script: Script, { directory, searchPath }: ScriptPlace): CheckFault | undefined {
  const path = join(directory, script.file);
  const { file } = script;
  if (!allows(path, constants.F_OK)) {
    const message = `there is no file ${path}`;
    const remedy = `mount ${file} into ${directory} of the agent service, as a Docker config with mode 0555`;
    return { code: 'check-script-missing', message, remedy };
  }
  if (script.shell) return undefined;
  if (!allows(path, constants.X_OK)) {
    const message = `${path} cannot be executed`;
    const remedy = `mount it with mode 0555 and not on a noexec file system, or write shell: true`;
    return { code: 'check-not-executable', message, remedy };
  }
  const interpreter = missingInterpreter(path, searchPath);
  if (interpreter === undefined) return undefined;
  const message =
    interpreter === ''
      ? `${path} is no program and has no interpreter line`
      : `${path} needs ${interpreter}, which this image does not have`;
  const remedy =
    interpreter === ''
      ? 'begin it with a line such as #!/bin/sh, or write shell: true'
      : 'build an agent image with it, see "Checks" in the README';
  return { code: 'check-interpreter-missing', message, remedy };
}

/** Undefined: there is one, or none is needed; "": none is named. */
function missingInterpreter(path: string, searchPath: string): string | undefined {
  const head = readHead(path);
  if (head === undefined || head.startsWith('\x7fELF')) return undefined;
  const [, interpreter, rest = ''] = /^#![ \t]*(\S+)[ \t]*([^\n]*)/.exec(head) ?? [];
  if (interpreter === undefined) return '';
  if (!allows(interpreter, constants.X_OK)) return interpreter;
  if (basename(interpreter) !== 'env') return undefined;
  const wanted = rest
    .split(/[ \t\r]+/)
    .find((word) => word !== '' && !word.startsWith('-') && !word.includes('='));
  if (wanted === undefined || wanted.includes('/')) return undefined;
  const found = searchPath.split(':').some((directory) => allows(join(directory, wanted), constants.X_OK));
  return found ? undefined : wanted;
}

/** Undefined for a file that may be run but not read: the kernel decides, and says what is wrong. */
function readHead(path: string): string | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
  try {
    const head = Buffer.alloc(256);
    return head.toString('latin1', 0, readSync(fd, head));
  } finally {
    closeSync(fd);
  }
}

function allows(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return statSync(path).isFile();
  } catch {
    // Missing or forbidden: the answer is no.
    return false;
  }
}
