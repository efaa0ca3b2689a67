// The lab's cables: a namespace with a bridge is the switch, and one namespace per node, per client and for the
// control probe hang on it by veth pairs. Nothing of it is visible in, or routed to, the host's own namespace.
import { readdirSync } from 'node:fs';
import {
  belongsTo,
  CLIENT_HOST,
  CONTROL_HOST,
  hostAddress,
  hostAddress6,
  LAN_HOST,
  type LabNames,
  macOf,
  type NodeNames,
  namespaceOf,
  namespacePath,
} from './names.ts';
import { attempt, run } from './run.ts';

/** Runs `ip` commands, one per line, inside a namespace: one process for many changes. */
export async function ipBatch(
  lab: LabNames,
  part: string,
  lines: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  await run(['ip', '-n', namespaceOf(lab, part), '-batch', '-'], {
    input: `${lines.join('\n')}\n`,
    ...(signal ? { signal } : {}),
  });
}

/** A command that runs in a part's network namespace and nowhere else. */
export const inNamespace = (lab: LabNames, part: string, command: readonly string[]): string[] => [
  'nsenter',
  `--net=${namespacePath(lab, part)}`,
  '--',
  ...command,
];

// Sets that chaos fills: a port in `cut` is off the network, one in `novrrp` loses VRRP alone (IP protocol 112), one in
// `noraft` what Swarm's managers say to each other and to their nodes (TCP 2377), and
// between two ports in `lossy` three of ten frames are lost.
// Input and output matter as well as forward: the bridge's own address is a station on the same network.
const RULES = `
table bridge lab {
  set cut { type ifname; }
  set novrrp { type ifname; }
  set noraft { type ifname; }
  set lossy { type ifname; }
  chain judge {
    iifname @cut drop
    oifname @cut drop
    iifname @novrrp ip protocol 112 drop
    oifname @novrrp ip protocol 112 drop
    iifname @novrrp ip6 nexthdr 112 drop
    oifname @novrrp ip6 nexthdr 112 drop
    iifname @noraft tcp dport 2377 drop
    iifname @noraft tcp sport 2377 drop
    oifname @noraft tcp dport 2377 drop
    oifname @noraft tcp sport 2377 drop
  }
  chain forward {
    type filter hook forward priority 0;
    jump judge;
    iifname @lossy oifname @lossy numgen random mod 10 < 3 drop
  }
  chain input { type filter hook input priority 0; jump judge; }
  chain output { type filter hook output priority 0; jump judge; }
}
`;

export type PortSet = 'cut' | 'novrrp' | 'noraft' | 'lossy';

export async function createLan(lab: LabNames, signal: AbortSignal): Promise<void> {
  await run(['ip', 'netns', 'add', namespaceOf(lab, 'lan')], { signal });
  await ipBatch(
    lab,
    'lan',
    [
      'link set lo up',
      // No spanning tree and no snooping: a port must forward at once, a gratuitous ARP must reach everyone.
      'link add lan0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0',
      `addr add ${hostAddress(lab, LAN_HOST)}/24 dev lan0`,
      `addr add ${hostAddress6(lab, LAN_HOST)}/64 dev lan0 nodad`,
      'link set lan0 up',
    ],
    signal,
  );
  await run(inNamespace(lab, 'lan', ['nft', '-f', '-']), { input: RULES, signal });
  await createStation(lab, 'client', CLIENT_HOST, signal);
  await createStation(lab, 'control', CONTROL_HOST, signal);
}

export async function createNodeNetwork(lab: LabNames, node: NodeNames, signal: AbortSignal): Promise<void> {
  await createStation(lab, node.name, Number(node.address.split('.').at(-1)), signal);
}

async function createStation(lab: LabNames, part: string, host: number, signal: AbortSignal): Promise<void> {
  await run(['ip', 'netns', 'add', namespaceOf(lab, part)], { signal });
  await ipBatch(
    lab,
    'lan',
    [
      `link add ${part} type veth peer name eth0 address ${macOf(lab, host)} netns ${namespaceOf(lab, part)}`,
      `link set ${part} master lan0 up`,
    ],
    signal,
  );
  await ipBatch(lab, part, ['link set lo up', ...addressing(lab, host)], signal);
}

const addressing = (lab: LabNames, host: number): string[] => [
  `addr add ${hostAddress(lab, host)}/24 dev eth0`,
  `addr add ${hostAddress6(lab, host)}/64 dev eth0 nodad`,
  'link set eth0 up',
  `route replace default via ${hostAddress(lab, LAN_HOST)}`,
];

export async function setPort(lab: LabNames, node: string, state: 'up' | 'down'): Promise<void> {
  await run(['ip', '-n', namespaceOf(lab, 'lan'), 'link', 'set', node, state]);
}

export async function setPortRule(lab: LabNames, set: PortSet, node: string, member: boolean): Promise<void> {
  const verb = member ? 'add' : 'delete';
  const result = await attempt(
    inNamespace(lab, 'lan', ['nft', verb, 'element', 'bridge', 'lab', set, `{ "${node}" }`]),
  );
  // Deleting what is not in the set is the state we wanted.
  if (result.code !== 0 && (member || !result.stderr.includes('No such file'))) {
    throw new Error(`nft could not ${verb} ${node} in ${set}: ${result.stderr.trim()}`);
  }
}

/**
 * What a reboot does to a machine's network: everything that processes had left there is gone. The namespace
 * itself stays, because it outlives the node's processes and observers are attached to it.
 */
export async function resetNodeNetwork(lab: LabNames, node: NodeNames): Promise<void> {
  const links = await run(['ip', '-n', namespaceOf(lab, node.name), '-o', 'link', 'show']);
  const extra = links.stdout
    .split('\n')
    .map((line) => line.match(/^\d+: ([^:@]+)/)?.[1])
    .filter((name) => name !== undefined && name !== 'lo' && name !== 'eth0');
  // A veth disappears together with its peer, so a later delete may find nothing: one process each.
  for (const name of extra)
    await attempt(['ip', '-n', namespaceOf(lab, node.name), 'link', 'del', `${name}`]);
  await run(inNamespace(lab, node.name, ['nft', 'flush', 'ruleset']));
  await ipBatch(lab, node.name, [
    'addr flush dev eth0',
    'addr flush dev lo',
    'addr add 127.0.0.1/8 dev lo',
    'addr add ::1/128 dev lo nodad',
    ...addressing(lab, Number(node.address.split('.').at(-1))),
  ]);
}

/** Every network namespace that this lab made, found by name. */
export function namespacesOf(lab: LabNames): string[] {
  try {
    return readdirSync('/run/netns').filter((entry) => belongsTo(lab, entry));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}

export async function removeNetwork(lab: LabNames): Promise<void> {
  for (const namespace of namespacesOf(lab)) await run(['ip', 'netns', 'del', namespace]);
}
