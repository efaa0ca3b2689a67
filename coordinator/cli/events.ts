// `swarm-vip events`: changes of state, orders and problems as they come, from the active coordinator.
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import {
  concerns,
  eventText,
  follow,
  type LiveEvent,
  nothingShown,
  type Shown,
  type StreamLine,
} from '../core/events.ts';
import type { Paint } from '../io/paint.ts';
import { CliError, exitCode } from './client.ts';
import { readEventLines } from './event-lines.ts';
import { duration, examples } from './options.ts';
import { documentText, isDocument, type Output, outputOption } from './output.ts';

interface EventsOptions {
  follow?: boolean;
  since?: number;
  output: Output;
}

const defaultSinceMs = 3_600_000;
/** Clocks of nodes differ, and what was on its way is asked for again: what has been shown is not shown twice. */
const overlapMs = 60_000;
const retryMs = 500;
const longestRetryMs = 5_000;

export function addEventsCommand(program: Command, socketPath: string, paint: Paint): void {
  program
    .command('events')
    .description('show changes of state, orders to nodes, and problems as they come and go')
    .argument('[group]', 'only what concerns this group')
    .option('-f, --follow', 'go on as things happen, also over a change of the active coordinator')
    .option('--since <duration>', 'begin so long ago (default: 1h; with -f: now)', duration)
    .addOption(outputOption())
    .addHelpText(
      'after',
      examples(
        ['events -f', 'what happens from now on'],
        ['events web --since 15m -f -o json', 'the last quarter of an hour and on, a line each'],
      ),
    )
    .action((group: string | undefined, options: EventsOptions) => events(socketPath, group, options, paint));
}

async function events(
  socketPath: string,
  group: string | undefined,
  { output, ...options }: EventsOptions,
  paint: Paint,
): Promise<void> {
  // The reader has had enough: `swarm-vip events -f | head`.
  process.stdout.on('error', () => process.exit(exitCode.ok));
  const print = (event: LiveEvent) => {
    if (group !== undefined && !concerns(event, group)) return;
    process.stdout.write(
      isDocument(output) ? documentText(output, 'Event', event, true) : `${eventText(event, paint)}\n`,
    );
  };
  const back = options.since ?? (options.follow ? 0 : defaultSinceMs);
  let sinceMs = Date.now() - back;
  let shown: Shown = nothingShown;
  let pauseMs = retryMs;
  let connected = false;
  let complete = false;

  const read = (from: string, local: boolean) => {
    let elsewhere: string | null = null;
    return readEventLines(from, sinceMs, (line: StreamLine, end) => {
      if (line.type === 'stream' && local && line.active !== null) {
        elsewhere = line.active;
        if (!unreachable.has(line.active)) return end();
      }
      connected = true;
      pauseMs = retryMs;
      const step = follow(shown, line, Date.now());
      shown = step.shown;
      for (const event of step.events) print(event);
      complete ||= line.type === 'live';
      if (complete) sinceMs = Math.max(sinceMs, Date.now() - overlapMs);
      if (complete && !options.follow) end();
    }).then((result) => ({ ...result, elsewhere }));
  };
  /** Active coordinators that do not answer on the network: their standby is followed instead. */
  const unreachable = new Set<string>();

  for (;;) {
    const local = await read(socketPath, true);
    if (!local.heard && !connected)
      throw new CliError(`no coordinator answers at ${socketPath}: ${local.why}`, exitCode.unreachable);
    let why = local.why;
    if (local.elsewhere !== null && !unreachable.has(local.elsewhere)) {
      const remote = await read(local.elsewhere, false);
      why = remote.why;
      if (!remote.heard) {
        unreachable.add(local.elsewhere);
        process.stderr.write(
          `the active coordinator does not answer at ${local.elsewhere} (${remote.why}): ` +
            'following a standby, which sees everything but orders\n',
        );
        continue;
      }
    }
    if (!options.follow && complete) return;
    process.stderr.write(`connection lost (${why}): trying again\n`);
    complete = false;
    unreachable.clear();
    await delay(pauseMs);
    pauseMs = Math.min(longestRetryMs, pauseMs * 2);
  }
}
