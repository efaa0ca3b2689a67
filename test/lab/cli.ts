// The lab's command: `npm run lab -- COMMAND`. Data goes to stdout, the story to stderr.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Command, InvalidArgumentError } from 'commander';
import { purgeCache } from './cache.ts';
import { CHAOS_VERBS, type ChaosVerb } from './chaos.ts';
import { dockerEnvironment } from './docker.ts';
import { exitCodeOf, Interrupted, interruptible } from './interrupt.ts';
import { createLab, type Lab, type LabOptions } from './lab.ts';
import { knownLabs } from './state.ts';

const started = performance.now();
const say = (line: string): void => {
  process.stderr.write(`${((performance.now() - started) / 1000).toFixed(1).padStart(5)} s  ${line}\n`);
};

const program = new Command('lab')
  .description(
    'A real Docker Swarm on this one machine: engines in network namespaces, and ways to hurt them',
  )
  .enablePositionalOptions()
  .showHelpAfterError();

const named = (command: Command): Command => command.option('--name <name>', 'which lab', 'lab');
const open = (options: { readonly name: string }, more: LabOptions = {}): Lab =>
  createLab({ name: options.name, say, ...more });

interface UpOptions {
  readonly name: string;
  readonly nodes: number;
  readonly managers: number;
}

named(program.command('up'))
  .description('start a Swarm')
  .option('--nodes <n>', 'how many machines', count, 3)
  .option('--managers <m>', 'how many of them are managers, at most all', count, 3)
  .action(async (options: UpOptions) => {
    const lab = open(options, { nodes: options.nodes, managers: options.managers });
    await interruptible(async (signal) => {
      try {
        await lab.up(signal);
        signal.throwIfAborted();
      } catch (error) {
        // An interrupt in the last moment: the lab stood already.
        if (signal.aborted) await lab.down();
        throw error;
      }
    });
    say(`lab ${options.name} is up; its first virtual address is ${lab.vip}`);
  });

named(program.command('down'))
  .description('remove a lab, whole or half-built')
  .action(async (options: { name: string }) => {
    await interruptible(() => open(options).down());
    say(`lab ${options.name} is gone`);
  });

named(program.command('status'))
  .description('the machines of a lab')
  .option('--json', 'for programs')
  .action(async (options: { name: string; json?: boolean }) => {
    const lab = open(options);
    if (!existsSync(lab.names.dir))
      throw new Error(`no lab named ${options.name}; there are: ${knownLabs().join(', ') || 'none'}`);
    const nodes = await lab.status();
    if (options.json) return print({ name: options.name, vip: lab.vip, nodes });
    for (const node of nodes) {
      const role = node.manager ? 'manager' : 'worker';
      const engine = node.engine ? 'engine answers' : 'engine silent';
      process.stdout.write(
        `${node.name.padEnd(8)} ${node.address.padEnd(16)} ${role.padEnd(8)} ${node.powered ? `on, ${engine}` : 'off'}\n`,
      );
    }
  });

named(program.command('add-node'))
  .description('add one machine to the Swarm')
  .option('--manager', 'as a manager')
  .action(async (options: { name: string; manager?: boolean }) => {
    const node = await open(options).addNode(options.manager ? 'manager' : 'worker');
    say(`${node.name} (${node.address}) joined`);
  });

named(program.command('deploy'))
  .description('build what changed and deploy a stack')
  .option('--stack <file>', 'compose file', 'compose.yaml')
  .option('--stack-name <name>', 'name of the stack', 'swarm-vip')
  .option('--no-wait', 'do not wait until all tasks run')
  .action(async (options: { name: string; stack: string; stackName: string; wait: boolean }) => {
    const lab = open(options);
    const { stack, stackName, wait } = options;
    await interruptible((signal) => lab.deploy({ stack, stackName, wait }, signal));
    say(wait ? 'all tasks run' : 'deployed');
  });

named(program.command('docker'))
  .description("run the docker client against a node's engine")
  .argument('<node>')
  .argument('[args...]')
  .passThroughOptions()
  .action(async (node: string, args: string[], options: { name: string }) => {
    const lab = open(options);
    if (!lab.nodes().some(({ name }) => name === node))
      throw new Error(`no node named "${node}" in lab ${options.name}`);
    await become(['docker', ...args], dockerEnvironment(lab.names, node));
  });

named(program.command('exec'))
  .description("run a command in a node's network and mount world, or in client, control or lan")
  .argument('<node>')
  .argument('<command...>')
  .passThroughOptions()
  .action((node: string, command: string[], options: { name: string }) =>
    become(open(options).execCommand(node, command[0] === '--' ? command.slice(1) : command)),
  );

named(program.command('probe'))
  .description('ask an address from a client, and a control address beside it')
  .argument('<address>')
  .option('--interval <time>', 'between two probes', milliseconds, 1)
  .option('--for <time>', 'how long', milliseconds, 10_000)
  .option('--json', 'for programs')
  .action(
    async (address: string, options: { name: string; interval: number; for: number; json?: boolean }) => {
      const probe = await open(options).probe(address, { intervalMs: options.interval });
      // Ctrl-C ends the measurement early; what was measured is still worth showing.
      await interruptible((signal) => delay(options.for, undefined, { signal })).catch((error) => {
        if (!(error instanceof Interrupted)) throw error;
      });
      const report = await probe.stop();
      if (options.json) return print(report);
      const { sent, received, lost, longestGapMs, controlGapMs, controlLost } = report;
      process.stdout.write(
        `${address}: ${sent} sent, ${received} answered, ${lost} lost, longest gap ${longestGapMs.toFixed(1)} ms\n` +
          `control: ${controlLost} lost, longest gap ${controlGapMs.toFixed(1)} ms\n`,
      );
      for (const run of report.answeredBy) {
        process.stdout.write(
          `${clock(run.fromMs)} to ${clock(run.toMs)}  ${run.node} (${run.mac})  ${run.count} answers\n`,
        );
      }
    },
  );

named(program.command('holders'))
  .description("which nodes have an address, by their kernels' own word")
  .argument('<address>')
  .option('--for <time>', 'watch that long', milliseconds, 0)
  .option('--json', 'for programs')
  .action(async (address: string, options: { name: string; for: number; json?: boolean }) => {
    const sampler = await open(options).holders(address);
    await delay(options.for);
    const report = await sampler.stop();
    if (options.json) return print(report);
    process.stdout.write(`${report.now.join(' ') || 'nobody'}\n`);
    if (options.for === 0) return;
    for (const [node, intervals] of Object.entries(report.byNode)) {
      for (const { fromMs, toMs } of intervals)
        process.stdout.write(`${clock(fromMs)} to ${clock(toMs)}  ${node}\n`);
    }
    process.stdout.write(
      `two holders ${report.twoHoldersMs.toFixed(1)} ms, none ${report.noHolderMs.toFixed(1)} ms\n`,
    );
  });

named(program.command('chaos'))
  .description(`hurt or heal a node: ${CHAOS_VERBS.join(', ')}`)
  .argument('<verb>', 'what to do', chaosVerb)
  .argument('<node>')
  .action(async (verb: ChaosVerb, node: string, options: { name: string }) => {
    await open(options).chaos(verb, node);
    say(`${verb} ${node}`);
  });

program
  .command('purge')
  .description('remove the cache of base image, build layers and built images')
  .action(() => {
    if (knownLabs().length > 0)
      throw new Error(`labs still use the cache: ${knownLabs().join(', ')}; remove them first`);
    purgeCache();
  });

function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('expected a whole number from 1');
  return value;
}

function milliseconds(text: string): number {
  const found = text.match(/^(\d+(?:\.\d+)?)(ms|s|m)$/);
  if (found === null) throw new InvalidArgumentError('expected a time such as 1ms, 10s or 2m');
  return Number(found[1]) * ({ ms: 1, s: 1000 }[String(found[2])] ?? 60_000);
}

function chaosVerb(text: string): ChaosVerb {
  const verb = CHAOS_VERBS.find((known) => known === text);
  if (verb === undefined) throw new InvalidArgumentError(`expected one of ${CHAOS_VERBS.join(', ')}`);
  return verb;
}

const print = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
const clock = (ms: number): string => new Date(ms).toISOString().slice(11, 23);

/** Runs a command in the terminal's foreground and ends with its exit code. */
async function become(command: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<void> {
  const [file = '', ...args] = command;
  // A Ctrl-C is the command's to handle; it reaches it by the terminal.
  const ignore = () => undefined;
  process.on('SIGINT', ignore);
  const child = spawn(file, args, { stdio: 'inherit', env: { ...process.env, ...env } });
  process.exitCode = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? (signal === null ? 1 : exitCodeOf(signal))));
  });
}

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`lab: ${error instanceof Error ? error.message : String(error)}\n`);
  // Our own errors explain themselves; a bug needs its place.
  if (error instanceof TypeError || error instanceof RangeError) process.stderr.write(`${error.stack}\n`);
  process.exitCode = error instanceof Interrupted ? exitCodeOf(error.signal) : 1;
}
