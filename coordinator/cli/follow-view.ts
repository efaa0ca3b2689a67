// A view that goes on: redrawn in place on a terminal; elsewhere written again whenever more than its age has changed.
// It ends by a signal alone, and outlives a coordinator that does not answer for a while.
import { setTimeout as delay } from 'node:timers/promises';
import type { Status } from '../core/status.ts';
import { exitCode } from './client.ts';

const periodMs = 1_000;

export async function followView(
  first: Status,
  read: () => Promise<Status>,
  show: (status: Status) => string,
  inPlace: boolean,
): Promise<never> {
  // The reader has had enough: `swarm-vip status -w | head`.
  process.stdout.on('error', () => process.exit(exitCode.ok));
  const screen = inPlace ? terminalScreen(process.stdout) : plainScreen();
  let status = first;
  let silence: string | undefined;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      screen.close(show(status));
      process.exit(exitCode.interrupted);
    });
  }
  for (;;) {
    screen.draw(show(status), withoutAges(status), silence);
    await delay(periodMs);
    try {
      status = await read();
      silence = undefined;
    } catch (error) {
      silence = error instanceof Error ? error.message : String(error);
    }
  }
}

interface Screen {
  /** @param content tells whether `text` says anything new */
  draw(text: string, content: string, silence: string | undefined): void;
  close(last: string): void;
}

function plainScreen(): Screen {
  let shown = '';
  let complaint: string | undefined;
  return {
    draw(text, content, silence) {
      if (silence !== undefined && silence !== complaint) process.stderr.write(`${silence}\n`);
      complaint = silence;
      if (content === shown || silence !== undefined) return;
      shown = content;
      process.stdout.write(text);
    },
    close: () => undefined,
  };
}

/** The alternate screen (DECSET 1049) without a cursor (25) and without wrapping (7): what was there before comes back. */
function terminalScreen(terminal: typeof process.stdout): Screen {
  terminal.write('\x1b[?1049h\x1b[?25l\x1b[?7l');
  return {
    draw(text, _, silence) {
      const lines = text.trimEnd().split('\n');
      // A terminal that does not know its size says 0.
      const room = Math.max(2, terminal.rows || 24) - 1;
      const head = silence === undefined ? [] : [`NO ANSWER: ${silence}`, ''];
      const shown = [...head, ...lines].slice(0, room);
      const hidden = head.length + lines.length - shown.length;
      if (hidden > 0) shown.splice(-1, 1, `… ${hidden + 1} more lines`);
      // Line by line over the former ones, so that nothing flickers; then the rest of the screen is cleared.
      terminal.write(`\x1b[H${shown.map((line) => `${line}\x1b[K\n`).join('')}\x1b[J`);
    },
    close(last) {
      terminal.write('\x1b[?7h\x1b[?25h\x1b[?1049l');
      terminal.write(last);
    },
  };
}

/** Ages grow without anything happening. */
const ages = new Set(['ageMs', 'seenAgeMs', 'seenAtMs', 'lastRunMs', 'durationMs']);
const withoutAges = (status: Status): string =>
  JSON.stringify(status, (key, value: unknown) => (ages.has(key) ? undefined : value));
