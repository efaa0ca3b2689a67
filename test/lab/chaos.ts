// Failures, inflicted from outside: on cables, machines, engines and processes, never through our own software.
import { signalBackend } from './backend.ts';
import { freeze, processesOf, thaw } from './cgroups.ts';
import { firstsOf, type Program } from './containers.ts';
import { commandLineOf, engineProcessOf, initOf, killMachine, readProc, startNodeEngine } from './engine.ts';
import { hostAddress, type LabNames, type NodeNames, VIP_HOST } from './names.ts';
import { inNamespace, resetNodeNetwork, setPort, setPortRule } from './network.ts';
import { run, signalProcess } from './run.ts';
import { writeJournal } from './state.ts';
import { fillVolume, protectVolume, removeVolume, restoreVolume } from './state-volume.ts';

type Act = (lab: LabNames, node: NodeNames) => Promise<void> | void;

const ACTS = {
  /** The machine stops between two instructions, and its network card goes dark. */
  'power-off': async (lab, node) => {
    // The card first: a namespace without processes still answers for its addresses.
    await setPort(lab, node.name, 'down');
    await killMachine(lab, node.name);
  },
  boot: async (lab, node) => {
    if (initOf(lab, node.name) !== undefined) throw new Error(`${node.name} is running: power it off first`);
    await resetNodeNetwork(lab, node);
    await setPort(lab, node.name, 'up');
    await startNodeEngine(lab, node.name);
  },
  /** Nothing passes between this node and anybody else; its link stays up. */
  isolate: (lab, node) => setPortRule(lab, 'cut', node.name, true),
  heal: (lab, node) => setPortRule(lab, 'cut', node.name, false),
  /** The cable is pulled: the node sees it at once. */
  'link-down': (lab, node) => setPort(lab, node.name, 'down'),
  'link-up': (lab, node) => setPort(lab, node.name, 'up'),
  /** Every process stops, the kernel lives on: it still answers ARP and ping for the addresses it has. */
  freeze: (lab, node) => freeze(lab, node.name),
  thaw: (lab, node) => thaw(lab, node.name),
  'kill-agent': (lab, node) => killContainer(lab, node, 'agent'),
  'kill-coordinator': (lab, node) => killContainer(lab, node, 'coordinator'),
  /** The agent's Node process alone; PID 1 of its container and keepalived live on. */
  'kill-node-process': (lab, node) => signalNodeProcess(lab, node, 'SIGKILL'),
  'stop-node-process': (lab, node) => signalNodeProcess(lab, node, 'SIGSTOP'),
  'continue-node-process': (lab, node) => signalNodeProcess(lab, node, 'SIGCONT'),
  /** Parent and children at once: nobody is left to remove the address. */
  'kill-keepalived': (lab, node) => killKeepalived(lab, node, () => true),
  'kill-keepalived-parent': (lab, node) => killKeepalived(lab, node, isParent),
  'kill-keepalived-child': (lab, node) => killKeepalived(lab, node, (pid, all) => !isParent(pid, all)),
  /** As an operator does it who does not know what the address is for. */
  'remove-address': async (lab, node) => {
    await run(
      inNamespace(lab, node.name, ['ip', 'addr', 'del', `${hostAddress(lab, VIP_HOST)}/32`, 'dev', 'eth0']),
    );
  },
  /** Where keepalived does not hold it. */
  'add-address': async (lab, node) => {
    await run(
      inNamespace(lab, node.name, ['ip', 'addr', 'add', `${hostAddress(lab, VIP_HOST)}/32`, 'dev', 'eth0']),
    );
  },
  /** The agent's state: its volume has no room left, may not be written, is gone; and all of that mended. */
  'fill-volume': (lab, node) => fillVolume(lab, node.name),
  'protect-volume': (lab, node) => protectVolume(lab, node.name),
  'remove-volume': (lab, node) => removeVolume(lab, node.name),
  'restore-volume': (lab, node) => restoreVolume(lab, node.name),
  /** The service that the address is for, where a test has started one. */
  'kill-backend': (lab, node) => signalBackend(lab, node.name, 'SIGKILL'),
  'stop-backend': (lab, node) => signalBackend(lab, node.name, 'SIGSTOP'),
  'stop-engine': (lab, node) => signalEngine(lab, node, 'SIGSTOP'),
  'start-engine': (lab, node) => signalEngine(lab, node, 'SIGCONT'),
  /** The engine dies; the machine starts it again, as its service manager would. */
  'kill-engine': (lab, node) => signalEngine(lab, node, 'SIGKILL'),
  /** The engine ends in good order, and the machine starts it again. */
  'restart-engine': (lab, node) => signalEngine(lab, node, 'SIGTERM'),
  /** VRRP alone is lost, both ways; everything else passes. */
  'drop-vrrp': (lab, node) => setPortRule(lab, 'novrrp', node.name, true),
  'restore-vrrp': (lab, node) => setPortRule(lab, 'novrrp', node.name, false),
  /** Swarm alone is lost: a manager is cut off from the others, its agent and its coordinator from nobody. */
  'cut-raft': (lab, node) => setPortRule(lab, 'noraft', node.name, true),
  'restore-raft': (lab, node) => setPortRule(lab, 'noraft', node.name, false),
  /** Three of ten frames to and from other lossy nodes are lost. */
  lose: (lab, node) => setPortRule(lab, 'lossy', node.name, true),
  'lose-none': (lab, node) => setPortRule(lab, 'lossy', node.name, false),
} as const satisfies Record<string, Act>;

export type ChaosVerb = keyof typeof ACTS;
export const CHAOS_VERBS = Object.keys(ACTS) as ChaosVerb[];

export async function wreak(lab: LabNames, node: NodeNames, verb: ChaosVerb): Promise<void> {
  const act: Act = ACTS[verb];
  const before = Date.now();
  await act(lab, node);
  // The holder sampler reads these: a cut counts from its completion, a heal from its beginning, so that the time
  // in which two holders could be seen is never made shorter than it was.
  writeJournal(lab, { atMs: verb === 'heal' ? before : Date.now(), verb, node: node.name });
}

/** As the OOM killer would do it: the container's first process, and the kernel takes the rest of it along. */
function killContainer(lab: LabNames, node: NodeNames, program: Program): void {
  for (const pid of firstsOf(lab, node.name, program)) signalProcess(pid, 'SIGKILL');
}

function signalNodeProcess(lab: LabNames, node: NodeNames, signal: NodeJS.Signals): void {
  const pids = processesOf(lab, node.name).filter(
    (pid) => /^node\b/.test(commandLineOf(pid)) && commandLineOf(pid).includes('/opt/swarm-vip/agent'),
  );
  if (pids.length === 0) throw new Error(`no agent runs on ${node.name}`);
  for (const pid of pids) signalProcess(pid, signal);
}

function killKeepalived(
  lab: LabNames,
  node: NodeNames,
  chosen: (pid: number, all: readonly number[]) => boolean,
): void {
  const pids = processesOf(lab, node.name).filter((pid) =>
    readProc(pid, 'comm').trim().startsWith('keepalived'),
  );
  if (pids.length === 0) throw new Error(`no keepalived runs on ${node.name}`);
  for (const pid of pids.filter((each) => chosen(each, pids))) signalProcess(pid, 'SIGKILL');
}

const isParent = (pid: number, all: readonly number[]): boolean =>
  !all.includes(Number(/^PPid:\s+(\d+)$/m.exec(readProc(pid, 'status'))?.[1]));

function signalEngine(lab: LabNames, node: NodeNames, signal: NodeJS.Signals): void {
  const pid = engineProcessOf(lab, node.name);
  if (pid === undefined) throw new Error(`no engine runs on ${node.name}`);
  signalProcess(pid, signal);
}
