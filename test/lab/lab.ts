// One lab, as tests, demo, benchmarks and the command line use it: a real Docker Swarm of real engines in network
// namespaces of this machine. This file wires the parts; each part has a file of its own.
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Base, describeBase } from './base-image.ts';
import { cgroupTrees, inCgroup, killAll, removeCgroups } from './cgroups.ts';
import { type ChaosVerb, wreak } from './chaos.ts';
import { docker } from './docker.ts';
import { answers, initOf, startNodeEngine } from './engine.ts';
import { type HolderSampler, startHolderSampler } from './holders.ts';
import { ensureImages, type ImageSpec, PROJECT_IMAGES, PROJECT_ROOT } from './images.ts';
import {
  hostAddress,
  type LabNames,
  labNames,
  type NodeNames,
  nodeNames,
  nodeSocket,
  VIP_HOST,
} from './names.ts';
import { createLan, createNodeNetwork, inNamespace, namespacesOf, removeNetwork } from './network.ts';
import { type ProbeOptions, type RunningProbe, startProbe } from './probe.ts';
import { startLanRegistry } from './registry.ts';
import { allDone, attempt, type RunOptions, type RunResult } from './run.ts';
import { sow } from './seed.ts';
import { createDir, isMounted, type LabState, readState, removeDir, writeState } from './state.ts';
import { deployStack, ensureSecret, initSwarm, joinSwarm, labEnvironment, waitForNodes } from './swarm.ts';

export interface LabOptions {
  readonly name?: string;
  /** Of a lab that `up` will make; one that runs already knows its own. */
  readonly nodes?: number;
  readonly managers?: number;
  /** Told what is going on, one line at a time. */
  readonly say?: (line: string) => void;
}

export interface LabDeploy {
  /** A compose file, or several, of which the later ones overrule. */
  readonly stack?: string | readonly string[];
  readonly stackName?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly wait?: boolean;
  readonly timeoutMs?: number;
  /** Name of the node whose engine takes the command; the first manager that answers unless told otherwise. */
  readonly via?: string;
}

export interface NodeStatus {
  readonly name: string;
  readonly address: string;
  readonly manager: boolean;
  readonly powered: boolean;
  readonly engine: boolean;
}

export interface Lab {
  readonly names: LabNames;
  /** The first virtual address of this lab, host part .100. */
  readonly vip: string;
  nodes(): readonly (NodeNames & { readonly manager: boolean })[];
  up(signal?: AbortSignal): Promise<void>;
  /** Removes everything of this lab, from whatever state. */
  down(): Promise<void>;
  /** What is left of the lab; empty after `down`. */
  remains(): string[];
  status(): Promise<readonly NodeStatus[]>;
  /** Adds one machine to the Swarm and returns it. */
  addNode(role?: 'manager' | 'worker', signal?: AbortSignal): Promise<NodeNames>;
  /** Builds what changed and makes it pullable; the references come in the order of the specs. */
  images(specs?: readonly ImageSpec[], signal?: AbortSignal): Promise<string[]>;
  deploy(options?: LabDeploy, signal?: AbortSignal): Promise<void>;
  docker(node: string, args: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** The command line that runs `command` on a node, or in `client`, `control` or `lan`. */
  execCommand(part: string, command: readonly string[]): string[];
  /** Runs a command there. A non-zero exit code is a result, not an error. */
  exec(part: string, command: readonly string[], options?: RunOptions): Promise<RunResult>;
  probe(address: string, options?: ProbeOptions): Promise<RunningProbe>;
  holders(address: string): Promise<HolderSampler>;
  chaos(verb: ChaosVerb, node: string): Promise<void>;
  /** The name of a manager whose engine answers. */
  manager(): Promise<string>;
}

export function createLab(options: LabOptions = {}): Lab {
  const names = labNames(options.name ?? 'lab');
  const say = options.say ?? (() => undefined);
  const never = new AbortController().signal;

  const state = (): LabState => {
    const found = readState(names);
    if (found === undefined)
      throw new Error(`no lab named ${names.name} is up: start one with "up --name ${names.name}"`);
    return found;
  };
  const nodes = () =>
    state().nodes.map((node) => ({ ...nodeNames(names, node.index), manager: node.manager }));
  const nodeNamed = (name: string) => {
    const found = nodes().find((node) => node.name === name);
    if (found) return found;
    throw new Error(
      `lab ${names.name} has ${nodes()
        .map((node) => node.name)
        .join(', ')}; found "${name}"`,
    );
  };

  async function up(signal: AbortSignal = never): Promise<void> {
    if (lab.remains().length > 0) {
      throw new Error(
        `a lab named ${names.name} exists, perhaps half-built: "down --name ${names.name}" removes it`,
      );
    }
    try {
      await build(signal);
    } catch (error) {
      say(`removing the half-built lab ${names.name}`);
      await down();
      throw error;
    }
  }

  async function build(signal: AbortSignal): Promise<void> {
    const count = options.nodes ?? 3;
    const managers = Math.min(options.managers ?? 3, count);
    if (managers < 1) throw new Error(`a Swarm needs at least one manager; found ${managers}`);
    const all = Array.from({ length: count }, (_, k) => nodeNames(names, k + 1));
    await createDir(names);
    const members = all.map((node, k) => ({ index: node.index, manager: k < managers }));
    writeState(names, { name: names.name, phase: 'starting', nodes: members });
    say(`network: ${count} nodes on ${hostAddress(names, 0)}/24`);
    const base = await describeBase();
    await createLan(names, signal);
    await startLanRegistry(names, signal);
    await allDone(all.map((node) => createNodeNetwork(names, node, signal)));
    say('engines');
    await allDone(all.map((node) => startNode(node, base, signal)));
    const [first, ...others] = all;
    if (first === undefined) throw new Error('a lab needs at least one node');
    say(`swarm: ${managers} ${managers === 1 ? 'manager' : 'managers'}, ${count - managers} workers`);
    await initSwarm(names, first, signal);
    // Managers one at a time: raft takes one membership change at a time and refuses a second.
    for (const node of others.slice(0, managers - 1)) await joinSwarm(names, first, node, 'manager', signal);
    await allDone(others.slice(managers - 1).map((node) => joinSwarm(names, first, node, 'worker', signal)));
    await waitForNodes(names, first.name, count, signal);
    signal.throwIfAborted();
    writeState(names, { name: names.name, phase: 'up', nodes: members });
  }

  async function startNode(node: NodeNames, base: Base, signal: AbortSignal): Promise<void> {
    await sow(names, base, node.name, signal);
    await startNodeEngine(names, node.name, signal);
  }

  async function down(): Promise<void> {
    // Twice: a command that an interrupt caught between two steps may have started one more process.
    for (let round = 0; round < 2; round++) {
      await killAll(names);
      await removeNetwork(names);
      await removeCgroups(names);
      await removeDir(names);
      if (lab.remains().length === 0) return;
    }
    throw new Error(`could not remove all of lab ${names.name}: ${lab.remains().join(', ')}`);
  }

  async function addNode(
    role: 'manager' | 'worker' = 'worker',
    signal: AbortSignal = never,
  ): Promise<NodeNames> {
    const current = state();
    const node = nodeNames(names, Math.max(...current.nodes.map(({ index }) => index)) + 1);
    const via = nodeNamed(await manager());
    await createNodeNetwork(names, node, signal);
    // Recorded first: chaos and holders must see the node even if the join fails.
    writeState(names, {
      ...current,
      nodes: [...current.nodes, { index: node.index, manager: role === 'manager' }],
    });
    await startNode(node, await describeBase(), signal);
    await joinSwarm(names, via, node, role, signal);
    return node;
  }

  async function manager(): Promise<string> {
    for (const node of nodes().filter((node) => node.manager)) {
      if (initOf(names, node.name) !== undefined && (await answers(nodeSocket(names, node.name))))
        return node.name;
    }
    throw new Error(`no manager of lab ${names.name} answers`);
  }

  async function deploy(wanted: LabDeploy = {}, signal: AbortSignal = never): Promise<void> {
    const via = wanted.via ?? (await manager());
    const [agent = '', coordinator = ''] = await ensureImages(names, PROJECT_IMAGES, say, signal);
    await ensureSecret(names, via);
    const env = { ...(await labEnvironment(names, via, { agent, coordinator })), ...wanted.env };
    const files = [wanted.stack ?? `${PROJECT_ROOT}/compose.yaml`].flat().map((file) => resolve(file));
    for (const file of files) if (!existsSync(file)) throw new Error(`no such compose file: ${file}`);
    say(`deploying ${files.join(' and ')}`);
    const { stackName = 'swarm-vip', wait = true, timeoutMs = 90_000 } = wanted;
    await deployStack(names, via, { files, stackName, env, wait, timeoutMs }, signal);
  }

  function execCommand(part: string, command: readonly string[]): string[] {
    if (['lan', 'client', 'control'].includes(part))
      return inCgroup(names, 'guests', inNamespace(names, part, command));
    const node = nodeNamed(part);
    const init = initOf(names, node.name);
    if (init === undefined) throw new Error(`${node.name} is powered off: nothing can run there`);
    const world = [
      'nsenter',
      `--target=${init}`,
      '--mount',
      '--uts',
      '--ipc',
      '--net',
      '--pid',
      '--',
      ...command,
    ];
    return inCgroup(names, 'guests', world);
  }

  const lab: Lab = {
    names,
    vip: hostAddress(names, VIP_HOST),
    nodes,
    up,
    down,
    remains: () => [
      ...cgroupTrees(names),
      ...namespacesOf(names).map((entry) => `/run/netns/${entry}`),
      ...(isMounted(names) || existsSync(names.dir) ? [names.dir] : []),
    ],
    status: () =>
      Promise.all(
        nodes().map(async ({ name, address, manager }) => {
          const powered = initOf(names, name) !== undefined;
          return {
            name,
            address,
            manager,
            powered,
            engine: powered && (await answers(nodeSocket(names, name))),
          };
        }),
      ),
    addNode,
    images: (specs = PROJECT_IMAGES, signal = never) => ensureImages(names, specs, say, signal),
    deploy,
    docker: (node, args, runOptions) => docker(names, nodeNamed(node).name, args, runOptions),
    execCommand,
    exec: (part, command, runOptions) => attempt(execCommand(part, command), runOptions),
    probe: (address, probeOptions) => startProbe(names, nodes(), address, probeOptions),
    holders: (address) => startHolderSampler(names, nodes(), address),
    chaos: (verb, node) => wreak(names, nodeNamed(node), verb),
    manager,
  };
  return lab;
}
