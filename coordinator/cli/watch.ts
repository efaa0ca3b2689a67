// Waiting for a state to be seen, never for a timer: reads the status until a condition holds, with a deadline.
import { setTimeout as delay } from 'node:timers/promises';
import type { Status } from '../core/status.ts';
import { CliError, type Client, exitCode, refusalText } from './client.ts';

const pollMs = 100;

export async function readStatus(client: Client): Promise<Status> {
  const reply = await client.get('/api/v1/status');
  if (reply.status !== 200) throw new CliError(refusalText(reply), exitCode.error);
  return reply.body as Status;
}

export interface Watch {
  done(status: Status): boolean;
  /** One line of what is seen now; shown when it changes. */
  progress(status: Status): string;
  deadlineMs: number;
  /** Said when the deadline passes or the operator interrupts: what goes on, and how to undo it. */
  goesOn: string;
}

/** @throws CliError with the exit code for deadline or interruption; what was asked for goes on all the same */
export async function watchUntil(
  client: Client,
  { done, progress, deadlineMs, goesOn }: Watch,
): Promise<Status> {
  const began = performance.now();
  let interrupted = false;
  let shown = '';
  const onInterrupt = () => {
    interrupted = true;
  };
  process.on('SIGINT', onInterrupt);
  try {
    for (;;) {
      const status = await readStatus(client);
      if (done(status)) return status;
      const line = progress(status);
      if (line !== shown) process.stderr.write(`${line}\n`);
      shown = line;
      if (interrupted) throw new CliError(`interrupted. ${goesOn}`, exitCode.interrupted);
      if (performance.now() - began > deadlineMs) {
        throw new CliError(`not done within ${deadlineMs / 1000} s: ${line}. ${goesOn}`, exitCode.deadline);
      }
      await delay(pollMs);
    }
  } finally {
    process.off('SIGINT', onInterrupt);
  }
}
