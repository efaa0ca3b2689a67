// `swarm-vip status`, `groups`, `nodes`: what is, once or for as long as somebody looks.
import type { Command } from 'commander';
import type { Status } from '../core/status.ts';
import type { Look, Paint } from '../io/paint.ts';
import { statusTable } from '../io/status-table.ts';
import { groupsTable, nodesTable } from '../io/tables.ts';
import { type Client, exitCode } from './client.ts';
import { followView } from './follow-view.ts';
import { examples } from './options.ts';
import { documentText, isDocument, lookOf, type Output, outputOption } from './output.ts';
import { readStatus } from './watch.ts';

interface View {
  name: string;
  description: string;
  kind: string;
  part(status: Status): object;
  text(status: Status, look: Look): string;
  examples: readonly (readonly [command: string, what: string])[];
}

const views: readonly View[] = [
  {
    name: 'status',
    description: 'show who holds what, every member, and what is wrong; exit 6 when not all is well',
    kind: 'Status',
    part: (status) => status,
    text: statusTable,
    examples: [
      ['status', 'once; its exit code says whether all is well'],
      ['status -w', 'on and on, in place'],
      ['status -o json', 'one document for programs'],
    ],
  },
  {
    name: 'groups',
    description: 'show groups and their holders',
    kind: 'Groups',
    part: ({ groups }) => ({ groups }),
    text: groupsTable,
    examples: [['groups -o wide', 'with the next in line, the bound, and where each group is defined']],
  },
  {
    name: 'nodes',
    description: 'show nodes, their agents and what they hold',
    kind: 'Nodes',
    part: ({ agents, groups }) => ({ agents, groups }),
    text: nodesTable,
    examples: [['nodes -o wide', 'with node ids, versions and when each was last heard']],
  },
];

interface ViewOptions {
  output: Output;
  watch?: boolean;
}

export function addViews(program: Command, client: Client, paint: Paint): void {
  for (const { name, description, kind, part, text, examples: shown } of views) {
    program
      .command(name)
      .description(description)
      .option('-w, --watch', 'go on showing it; on a terminal in place, elsewhere whenever it has changed')
      .addOption(outputOption(['table', 'wide', 'json', 'yaml']))
      .addHelpText('after', examples(...shown))
      .action(async ({ output, watch = false }: ViewOptions) => {
        const show = (status: Status) =>
          isDocument(output)
            ? documentText(output, kind, part(status), watch)
            : text(status, lookOf(output, paint));
        const status = await readStatus(client);
        const inPlace = process.stdout.isTTY && !isDocument(output);
        if (watch) return followView(status, () => readStatus(client), show, inPlace);
        process.stdout.write(show(status));
        if (name === 'status') process.exitCode = status.verdict === 'OK' ? exitCode.ok : exitCode.degraded;
      });
  }
}
