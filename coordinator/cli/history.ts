// `swarm-vip history`: who held a group when, and why it moved.
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import type { HistoryDocument } from '../core/history.ts';
import type { Paint } from '../io/paint.ts';
import { historyTable, transitionsTable } from '../io/tables.ts';
import { CliError, type Client, exitCode, refusalText } from './client.ts';
import { duration, examples } from './options.ts';
import { lookOf, type Output, outputOption, writeDocument } from './output.ts';

interface HistoryOptions {
  all?: boolean;
  since?: number;
  limit: number;
  output: Output;
}

export function addHistoryCommand(program: Command, client: Client, paint: Paint): void {
  program
    .command('history')
    .description(
      'show which node took a group over, when and why; each node keeps its last 200 changes of state',
    )
    .argument('[group]', 'only this group')
    .option('--all', 'every change of state on every node, not only take-overs')
    .option('--since <duration>', 'not older than that', duration)
    .option('--limit <n>', 'at most so many, the newest', wholeNumber, 20)
    .addOption(outputOption())
    .addHelpText(
      'after',
      examples(
        ['history web --since 1d', 'who held web since yesterday, and why it moved'],
        ['history --all --limit 100', 'every change of state on every node'],
      ),
    )
    .action((group: string | undefined, options: HistoryOptions) => history(client, group, options, paint));
}

async function history(
  client: Client,
  group: string | undefined,
  options: HistoryOptions,
  paint: Paint,
): Promise<void> {
  const reply = await client.get('/api/v1/history');
  if (reply.status !== 200) throw new CliError(refusalText(reply), exitCode.error);
  const document = reply.body as HistoryDocument;
  const sinceMs = options.since === undefined ? 0 : Date.now() - options.since;
  const chosen = <T extends { group: string; atMs: number }>(entries: readonly T[]): T[] =>
    entries
      .filter((entry) => (group === undefined || entry.group === group) && entry.atMs >= sinceMs)
      .slice(-options.limit);
  const switches = chosen(document.switches);
  const transitions = options.all ? chosen(document.transitions) : [];
  if (writeDocument(options.output, 'History', { switches, ...(options.all ? { transitions } : {}) })) return;
  const look = lookOf(options.output, paint);
  if (switches.length + transitions.length === 0) {
    const groups = [...new Set(document.transitions.map((entry) => entry.group))].sort();
    const known =
      groups.length === 0 ? 'no node remembers anything' : `there is a history of: ${groups.join(', ')}`;
    process.stderr.write(`nothing to show${group === undefined ? '' : ` of ${group}`}; ${known}\n`);
    return;
  }
  process.stdout.write(options.all ? transitionsTable(transitions, look) : historyTable(switches));
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!/^\d{1,6}$/.test(text) || value < 1)
    throw new InvalidArgumentError('Expected a whole number above 0.');
  return value;
}
