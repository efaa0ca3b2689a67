// Each alert, and the fault that it names, on a Swarm of one manager (node1, which is preferred) and two workers.
import { define } from '../demo/live-steps.ts';
import { calm, cli, label, priorities, type Stage, settled } from '../demo/stage.ts';
import { CLIENT_HOST, hostAddress } from '../lab/names.ts';
import { until } from '../lab/run.ts';
import type { Monitor } from './monitor.ts';

export interface AlertRow {
  readonly name: string;
  readonly title: string;
  /** What is to be told, with labels that must be right. */
  readonly fires: readonly (readonly [alert: string, labels?: Readonly<Record<string, string>>])[];
  /** Played by `npm test`, too. */
  readonly core?: true;
  readonly patienceMs?: number;
  readonly act: (stage: Stage, monitor: Monitor) => Promise<void>;
  readonly mend: (stage: Stage, monitor: Monitor) => Promise<void>;
}

/** What the members' check asks, on the client. */
export const backendPort = 9098;

/** As the rows expect it: one fault check, answered by the client. */
export async function defineWatched(stage: Stage): Promise<void> {
  await define(stage, () => watched(stage));
}
const watched = ({ lab }: Stage) => ({
  checks: [
    {
      tcp: { address: `${hostAddress(lab.names, CLIENT_HOST)}:${backendPort}` },
      interval: '500ms',
      timeout: '400ms',
      rise: 1,
      fall: 2,
    },
  ],
});

const signalCoordinator = async ({ lab }: Stage, signal: 'STOP' | 'CONT') => {
  const command = `kill -${signal} $(pgrep -f '/opt/swarm-vip/[c]oordinator.js')`;
  const { code, stderr } = await lab.exec('node1', ['sh', '-c', command]);
  if (code !== 0) throw new Error(`could not send ${signal} to the coordinator: ${stderr}`);
};

const told = async (lab: Stage['lab'], ...args: string[]) => {
  const { code, stderr } = await cli(lab, args);
  if (code !== 0) throw new Error(`swarm-vip ${args.join(' ')} ended with ${code}: ${stderr}`);
};

/** In the container of node3's agent, whose /run is a tmpfs of 16 MB. */
const inAgent = async ({ lab }: Stage, command: string, ...options: string[]): Promise<boolean> => {
  const filter = 'label=com.docker.swarm.service.name=swarm-vip_agent';
  const { stdout } = await lab.docker('node3', ['ps', '-q', '-f', filter]);
  const [container = ''] = stdout.trim().split('\n');
  const { code } = await lab.exec('node3', ['docker', 'exec', ...options, container, 'sh', '-c', command]);
  return code === 0;
};
/** Again and again: keepalived's dump is written anew each 15 s, and what it frees would be room for a configuration. */
const keepFull =
  'mkdir /run/full; while [ -d /run/full ]; do cat /dev/zero >>/run/filler; sleep 0.1; done; rm /run/filler';
const isFull = 'test "$(df --output=avail /run | tail -n 1)" -eq 0';

export const rows: readonly AlertRow[] = [
  {
    name: 'flapping',
    title: 'the group moves six times',
    fires: [['SwarmVipFlapping', { group: 'main' }]],
    patienceMs: 60_000,
    act: async (stage) => {
      for (const to of ['node2', 'node3', 'node2', 'node3', 'node2']) {
        await told(stage.lab, 'switchover', 'main', '--to', to);
        await settled(stage, to);
      }
      await told(stage.lab, 'switchover', 'main', '--clear');
    },
    // It is told for as long as the window reaches back.
    mend: calm,
  },
  {
    name: 'backend',
    title: 'what the address is for fails on all members',
    core: true,
    fires: [
      ['SwarmVipNoHolder', { group: 'main', severity: 'critical' }],
      ['SwarmVipCheckFailing', { group: 'main', node: 'node2' }],
    ],
    act: (_, monitor) => monitor.closePort(backendPort),
    mend: async (stage, monitor) => {
      await monitor.openPort(backendPort);
      await calm(stage);
    },
  },
  {
    name: 'deaf',
    title: 'no coordinator runs, and a backup does not hear VRRP any more',
    core: true,
    fires: [
      ['SwarmVipTwoHolders', { group: 'main', severity: 'critical' }],
      ['SwarmVipNoCoordinator', {}],
    ],
    act: async (stage) => {
      await signalCoordinator(stage, 'STOP');
      await stage.lab.chaos('drop-vrrp', 'node2');
    },
    mend: async (stage) => {
      await stage.lab.chaos('restore-vrrp', 'node2');
      await signalCoordinator(stage, 'CONT');
      await calm(stage);
    },
  },
  {
    name: 'cut-off',
    title: 'two of three nodes are cut off, and a change waits for them',
    fires: [
      ['SwarmVipAgentGone', { node: 'node2' }],
      ['SwarmVipAgentGone', { node: 'node3' }],
      ['SwarmVipFewEligible', { group: 'main' }],
      ['SwarmVipRolloutWaiting', { group: 'main' }],
    ],
    act: async (stage) => {
      for (const node of ['node2', 'node3']) await stage.lab.chaos('isolate', node);
      // Not awaited: it cannot come into force.
      const keys = () => ({ ...watched(stage), router_id: 77 });
      define({ ...stage, signal: AbortSignal.timeout(30_000) }, keys).catch(() => undefined);
    },
    mend: async (stage) => {
      for (const node of ['node2', 'node3']) await stage.lab.chaos('heal', node);
      await defineWatched(stage);
      await calm(stage);
    },
  },
  {
    name: 'preferred',
    title: 'the check fails on the preferred node alone',
    fires: [
      ['SwarmVipNotPreferred', { group: 'main' }],
      ['SwarmVipCheckFailing', { group: 'main', node: 'node1' }],
    ],
    act: async ({ lab }) => {
      const rules = `add table inet watch; add chain inet watch out { type filter hook output priority 0; }; add rule inet watch out tcp dport ${backendPort} drop`;
      await lab.exec('node1', ['nft', rules]);
    },
    mend: async (stage) => {
      await stage.lab.exec('node1', ['nft', 'delete table inet watch']);
      await calm(stage);
    },
  },
  {
    name: 'full-disk',
    title: 'an agent cannot write what it is to run',
    fires: [['SwarmVipGenerationLag', {}]],
    act: async (stage) => {
      await inAgent(stage, keepFull, '--detach');
      await until('the disk to be full', async () => (await inAgent(stage, isFull)) || undefined, {
        ...{ timeoutMs: 20_000, signal: stage.signal },
      });
      await label(stage.lab, 'node3', { KEEPALIVED_PRIORITY: '50' });
    },
    mend: async (stage) => {
      await inAgent(stage, 'rmdir /run/full');
      await until('room again', async () => (await inAgent(stage, 'test ! -e /run/filler')) || undefined, {
        ...{ timeoutMs: 20_000, signal: stage.signal },
      });
      await label(stage.lab, 'node3', { KEEPALIVED_PRIORITY: String(priorities.node3) });
      await calm(stage);
    },
  },
  {
    name: 'engine',
    title: 'the engine of the manager stands still',
    fires: [['SwarmVipSnapshotStale', { coordinator: 'node1' }]],
    patienceMs: 120_000,
    act: ({ lab }) => lab.chaos('stop-engine', 'node1'),
    mend: async (stage) => {
      await stage.lab.chaos('start-engine', 'node1');
      await calm(stage);
    },
  },
  {
    name: 'paused',
    title: 'somebody has paused the plan and forgets it',
    fires: [['SwarmVipPaused', { severity: 'warning' }]],
    act: ({ lab }) => told(lab, 'pause', '--reason', 'raft'),
    mend: ({ lab }) => told(lab, 'resume'),
  },
];
