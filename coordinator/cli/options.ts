// Values of command-line options → checked values, with errors that say what was expected.
import { createInterface } from 'node:readline/promises';
import { InvalidArgumentError, Option } from 'commander';
import { parseDurationMs } from '../core/duration.ts';

export function duration(text: string): number {
  const ms = parseDurationMs(text);
  if (ms === undefined || ms === 0)
    throw new InvalidArgumentError('Expected a duration such as 30s, 5m or 1h30m.');
  return ms;
}

/** @param shown the default as people write it */
export const durationOption = (flags: string, words: string, shown: string): Option =>
  new Option(flags, words).argParser(duration).default(duration(shown), shown);

/** What stands below the options of a command's help. */
export function examples(...lines: readonly (readonly [command: string, what: string])[]): string {
  const width = Math.max(...lines.map(([command]) => command.length));
  const texts = lines.map(([command, what]) => `  swarm-vip ${command.padEnd(width)}   ${what}`);
  return `\nExamples:\n${texts.join('\n')}`;
}

export function moment(text: string): number {
  const ms = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms))
    throw new InvalidArgumentError('Expected a time such as 2026-01-31T12:00:00Z (RFC 3339).');
  return ms;
}

/** Asks on a terminal; elsewhere, and with --yes, the answer is yes. */
export async function confirmed(question: string, yes: boolean | undefined): Promise<boolean> {
  if (yes || !process.stdin.isTTY || !process.stderr.isTTY) return true;
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question} [y/N] `)).trim());
  } finally {
    terminal.close();
  }
}
