// `swarm-vip config check|diff|render`: what a groups.yaml would do, before it is in Swarm, and what a node is to run.
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { problemText } from '../../shared/problem.ts';
import { assignmentOf, type ConfigCheck, checkConfig, groupsFile } from '../core/config-check.ts';
import type { ConfigDiff } from '../core/config-diff.ts';
import { findNode } from '../core/drain-plan.ts';
import { redacted } from '../core/redact.ts';
import type { SwarmNode } from '../core/snapshot.ts';
import { readNodes } from '../core/swarm-node.ts';
import { diffText } from '../io/diff-text.ts';
import type { Paint } from '../io/paint.ts';
import { CliError, type Client, exitCode, refusalText } from './client.ts';
import { examples } from './options.ts';
import { type Output, outputOption, writeDocument } from './output.ts';

export function addConfigCommands(program: Command, client: Client, paint: Paint): void {
  const config = program
    .command('config')
    .description('groups.yaml: check a file, see what it would change, show what a node is to run');
  config
    .command('check')
    .description(
      'check a groups.yaml against the schema and, unless --offline, against this Swarm; exit 1 on errors',
    )
    .argument('<file>', 'path, or - for standard input')
    .option('--offline', 'do not ask the coordinator')
    .addOption(outputOption())
    .addHelpText(
      'after',
      examples(
        ['config check - <groups.yaml', 'by docker exec -i: the file is outside'],
        ['config check --offline groups.yaml', 'the schema alone, anywhere'],
      ),
    )
    .action(async (file: string, { offline, output }: { offline?: boolean; output: Output }) => {
      const [name, text] = read(file);
      const check = offline
        ? checkConfig(text, name)
        : await ask<ConfigCheck>(client, 'check', { name, text });
      const shown = { ...check, groups: redacted(check.groups) };
      if (!writeDocument(output, 'ConfigCheck', shown)) process.stdout.write(checkText(name, check, paint));
      const failed = check.problems.some(({ severity }) => severity === 'error');
      process.exitCode = failed || !check.usable ? exitCode.error : exitCode.ok;
    });
  config
    .command('diff')
    .description('show per node what a groups.yaml would change; without one, what is still to change')
    .option('--file <groups.yaml>', 'path, or - for standard input')
    .addOption(outputOption())
    .addHelpText(
      'after',
      examples(
        ['config diff --file - <groups.yaml', 'before docker config create'],
        ['config diff', 'what nodes are still to take over'],
      ),
    )
    .action(async ({ file, output }: { file?: string; output: Output }) => {
      const [name, text] = file === undefined ? [] : read(file);
      const body = name === undefined ? {} : { file: { name, text } };
      const diff = await ask<ConfigDiff>(client, 'diff', body);
      if (!writeDocument(output, 'ConfigDiff', diff)) process.stdout.write(diffText(diff, paint));
      const failed = diff.problems.some(({ severity }) => severity === 'error');
      process.exitCode = failed || !diff.usable ? exitCode.error : exitCode.ok;
    });
  config
    .command('render')
    .description('show what a node is to run, as the agent gets it; passwords as asterisks')
    .argument('<node>', 'host name or node id')
    .option('--file <groups.yaml>', 'as if this file were in force')
    .option(
      '--nodes <file>',
      'offline: the output of `docker node inspect $(docker node ls -q)`; needs --file',
    )
    .addOption(outputOption(['json', 'yaml']))
    .action(async (node: string, { output, ...options }: RenderOptions) => {
      writeDocument(output, 'Assignment', await render(client, node, options));
    });
}

interface RenderOptions {
  file?: string;
  nodes?: string;
  output: Output;
}

async function render(client: Client, node: string, options: Omit<RenderOptions, 'output'>): Promise<object> {
  if (options.file === undefined) {
    if (options.nodes !== undefined) throw new CliError('--nodes needs --file', exitCode.usage);
    return ask(client, 'render', { node });
  }
  const [name, text] = read(options.file);
  if (options.nodes === undefined) return ask(client, 'render', { node, file: { name, text } });
  const snapshot = { nodes: nodesFrom(options.nodes), services: [], configs: [groupsFile({ name, text })] };
  const found = findNode(snapshot, node);
  if ('reason' in found) throw new CliError(`${node} ${found.reason}`, exitCode.error);
  const { instances } = assignmentOf(snapshot, found.node);
  return { node: found.node, instances: redacted(instances) };
}

function nodesFrom(file: string): SwarmNode[] {
  try {
    return readNodes(JSON.parse(read(file)[1]));
  } catch (error) {
    if (error instanceof CliError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new CliError(`${file}: expected the output of docker node inspect: ${why}`, exitCode.error);
  }
}

function read(file: string): [name: string, text: string] {
  try {
    return file === '-' ? ['standard input', readFileSync(0, 'utf8')] : [file, readFileSync(file, 'utf8')];
  } catch (error) {
    throw new CliError(
      `cannot read ${file}: ${error instanceof Error ? error.message : error}`,
      exitCode.error,
    );
  }
}

async function ask<T>(client: Client, action: 'check' | 'diff' | 'render', body: unknown): Promise<T> {
  const reply = await client.post(`/api/v1/config/${action}`, body);
  if (reply.status !== 200) throw new CliError(refusalText(reply), exitCode.error);
  return reply.body as T;
}

function checkText(name: string, { usable, groups, problems }: ConfigCheck, paint: Paint): string {
  const lines = problems.map(
    (problem) => `${paint.severity(problem.severity.toUpperCase())} ${problemText(problem)}`,
  );
  const served = groups.map((group) => `${group.name}: ${group.addresses.join(' ')}`);
  return `${[...lines, ...(usable ? served : [`${name} says nothing usable`])].join('\n')}\n`;
}
