// Status, snapshot and reports → what is commonly wrong, looked through one after the other; for `swarm-vip doctor`. It
// says how each thing was judged, and says "unknown" rather than "ok" where nothing tells.
import type { RunningInstance } from '../../shared/protocol.ts';
import type { NodeId } from '../../shared/words.ts';
import type { AgentRecords } from './agents.ts';
import type { RefusalKind } from './refusal.ts';
import type { Snapshot } from './snapshot.ts';
import { type GroupStatus, type Status, staleSnapshotMs } from './status.ts';

export interface Finding {
  check: string;
  verdict: 'ok' | 'unknown' | 'warning' | 'error';
  words: string;
  remedy: string | null;
}

export interface DoctorInput {
  status: Status;
  snapshot: Snapshot;
  agents: AgentRecords;
  /** Of connections, since this coordinator was started. */
  refused: ReadonlyMap<RefusalKind, number>;
  nowMs: number;
}

export const diagnose = (input: DoctorInput): Finding[] => [
  ...managers(input),
  ...coordinators(input),
  ...connections(input),
  ...refusals(input),
  ...versions(input),
  ...clocks(input),
  ...prerequisites(input),
  ...input.status.groups.flatMap((group) => [vrrp(group, input), successors(group)]),
  ...problems(input),
];

type Judge = (input: DoctorInput) => Finding[];
const finding = (
  check: string,
  verdict: Finding['verdict'],
  words: string,
  remedy: string | null = null,
): Finding => ({ check, verdict, words, remedy });
const names = (list: readonly { hostname: string }[]): string =>
  list.map(({ hostname }) => hostname).join(', ');

const managers: Judge = ({ status, snapshot }) => {
  const all = snapshot.nodes.filter(({ role }) => role === 'manager');
  const away = all.filter(({ state }) => state !== 'ready');
  const { ageMs, error } = status.snapshot;
  const fresh =
    ageMs < staleSnapshotMs
      ? finding('Swarm', 'ok', `read ${(ageMs / 1000).toFixed(1)} s ago`)
      : finding(
          'Swarm',
          'error',
          `not readable for ${Math.round(ageMs / 1000)} s: ${error ?? 'no answer'}`,
          'restore the quorum of managers, or the engine on this one; VRRP goes on by itself',
        );
  const count = `${all.length} ${all.length === 1 ? 'manager' : 'managers'}`;
  if (away.length > 0)
    return [
      fresh,
      finding('managers', 'warning', `${count}; not ready: ${names(away)}`, 'bring them back or demote them'),
    ];
  if (all.length % 2 === 0) {
    const spare = Math.max(0, all.length / 2 - 1);
    const words = `${count}, as many as survive the loss of ${spare}: an even number gains nothing`;
    return [fresh, finding('managers', 'warning', words, 'have three or five')];
  }
  if (all.length === 1)
    return [
      fresh,
      finding('managers', 'warning', `${count}: without it nothing can be changed`, 'have three'),
    ];
  return [fresh, finding('managers', 'ok', `${count}, all ready`)];
};

const coordinators: Judge = ({ status, snapshot }) => {
  const { active } = status.coordinator;
  if (!active) {
    const remedy = 'look for its service: docker service ps, docker service logs';
    return [finding('coordinators', 'error', 'none is active', remedy)];
  }
  const nodes = new Set(snapshot.services.flatMap(({ tasks }) => tasks.map(({ node }) => node)));
  const several = snapshot.nodes.filter(({ role }) => role === 'manager').length > 1;
  const words = `active on ${active.hostname}, ${nodes.size} run`;
  return nodes.size < 2 && several
    ? [finding('coordinators', 'warning', words, 'run one on each manager: mode: global')]
    : [finding('coordinators', 'ok', words)];
};

const membersOf = ({ status }: DoctorInput): Map<NodeId, string> =>
  new Map(
    status.groups.flatMap(({ members }) => members.map(({ node, hostname }) => [node, hostname] as const)),
  );

const missingAgents = (input: DoctorInput): [NodeId, string][] =>
  [...membersOf(input)].filter(([node]) => input.agents.get(node)?.connected !== true);

const connections: Judge = (input) => {
  const missing = missingAgents(input);
  const count = membersOf(input).size;
  if (count === 0) return [finding('agents', 'unknown', 'no node is a member of a group')];
  if (missing.length === 0) return [finding('agents', 'ok', `connected on all ${count} members`)];
  return missing.map(([node, hostname]) => {
    const why = input.status.problems.find((each) => each.code === 'agent-unreachable' && each.node === node);
    return finding(
      'agents',
      'error',
      why ? `${hostname}: ${why.message}` : `that of ${hostname} is not connected`,
      'let TCP 9166 pass to the managers; see COORDINATORS and docker service ps of the agents',
    );
  });
};

const refusals: Judge = (input) => {
  const count = (kind: RefusalKind) => input.refused.get(kind) ?? 0;
  const missing = missingAgents(input).length > 0;
  const found: Finding[] = [];
  if (count('handshake') > 0) {
    found.push(
      finding(
        'key',
        missing ? 'error' : 'warning',
        `${count('handshake')} connections without the right key were refused${missing ? ', and agents are missing' : ''}`,
        missing
          ? 'mount the same key into agents and coordinators'
          : 'the log names the addresses: agent-refused',
      ),
    );
  }
  if (count('wrong_address') > 0)
    found.push(
      finding(
        'key',
        'warning',
        `${count('wrong_address')} connections came from another address than that of the node`,
        'no address translation may be between agents and managers; see docker node inspect, Status.Addr',
      ),
    );
  if (count('wrong_version') > 0)
    found.push(
      finding(
        'key',
        'error',
        `${count('wrong_version')} connections spoke another protocol`,
        'update agents and coordinators',
      ),
    );
  if (count('unproven') > 0)
    found.push(
      finding(
        'key',
        missing ? 'error' : 'warning',
        `agents have refused this coordinator ${count('unproven')} times: they know another key of the coordinators`,
        'COORDINATOR_PUBLIC_KEY of the agents is to be the public half of COORDINATOR_KEY_FILE; where coordinators create the agents, their update mends it',
      ),
    );
  return found.length > 0
    ? found
    : [finding('key', 'ok', 'no connection was refused for its key, address or protocol')];
};

const versions: Judge = ({ status }) => {
  const connected = status.agents.filter((agent) => agent.connected);
  if (connected.length === 0) return [finding('versions', 'unknown', 'no agent is connected')];
  const other = connected.filter(({ version }) => version !== status.coordinator.version);
  const keepaliveds = [...new Set(connected.map(({ keepalivedVersion }) => keepalivedVersion))].sort();
  return [
    other.length === 0
      ? finding('versions', 'ok', `agents and coordinator are ${status.coordinator.version}`)
      : finding(
          'versions',
          'warning',
          `the coordinator is ${status.coordinator.version}; ${other.map(({ hostname, version }) => `${hostname} ${version}`).join(', ')}`,
          'finish the update of the other service',
        ),
    keepaliveds.length === 1
      ? finding('versions', 'ok', `keepalived is ${keepaliveds.join()} everywhere`)
      : finding(
          'versions',
          'warning',
          `keepalived is ${keepaliveds.join(' and ')}`,
          'run one image on all nodes',
        ),
  ];
};

/** More than that puts take-overs into the wrong order. */
const mostClockMs = 1_000;

const clocks: Judge = ({ agents, status }) => {
  const nameOf = (node: NodeId) => status.agents.find((each) => each.node === node)?.hostname ?? node;
  const known = [...agents].flatMap(([node, { connected, clockAheadMs }]) =>
    connected && clockAheadMs !== undefined ? [{ hostname: nameOf(node), aheadMs: clockAheadMs }] : [],
  );
  if (known.length === 0) return [finding('clocks', 'unknown', 'no agent tells its time')];
  const wrong = known.filter(({ aheadMs }) => Math.abs(aheadMs) > mostClockMs);
  const largest = Math.max(...known.map(({ aheadMs }) => Math.abs(aheadMs)));
  if (wrong.length === 0)
    return [finding('clocks', 'ok', `at most ${largest} ms from the coordinator's, when agents connected`)];
  const words = wrong.map(
    ({ hostname, aheadMs }) =>
      `${hostname} ${(Math.abs(aheadMs) / 1000).toFixed(1)} s ${aheadMs > 0 ? 'ahead of' : 'behind'} the coordinator`,
  );
  return [
    finding(
      'clocks',
      'warning',
      words.join('; '),
      'synchronise the clocks: history is told by them, windows go by them',
    ),
  ];
};

/** Problems of agents that mean that something is missing around them: a capability, a tool, a volume, a setting. */
const missingThings = new Set([
  'address-in-use',
  'arp-announce',
  'cannot-listen',
  'cannot-observe',
  'check-engine-missing',
  'check-interpreter-missing',
  'check-script-missing',
  'foreign-keepalived',
  'keepalived-down',
  'leases-not-renewed',
  'leases-unsafe',
  'metrics-not-served',
  'priority-refused',
  'state-unreadable',
  'vmac-refused',
]);

const prerequisites: Judge = ({ status }) => {
  const found = status.problems.filter(({ code }) => missingThings.has(code));
  if (!status.agents.some(({ connected }) => connected)) return [];
  return found.length === 0
    ? [
        finding(
          'nodes',
          'ok',
          'no agent lacks a capability, a tool or its volume, none is beside another keepalived',
        ),
      ]
    : found.map(({ severity, where, message, remedy }) =>
        finding('nodes', severity, `${where}: ${message}`, remedy),
      );
};

/** A backup that did not hear the holder would hold itself, so that it is one proves that it does. */
function vrrp({ name, holders, members }: GroupStatus, { agents, status }: DoctorInput): Finding {
  const check = `VRRP of ${name}`;
  if (holders.length > 1) {
    const cause = status.problems.find(({ code, group }) => code === 'two-holders' && group === name);
    return finding(
      check,
      'error',
      cause?.message ?? `held by ${names(holders)} at once`,
      cause?.remedy ?? null,
    );
  }
  const [holder] = holders;
  if (!holder)
    return finding(check, 'error', 'nobody holds it', 'swarm-vip status says what keeps each member');
  const runs = (node: NodeId): RunningInstance | undefined =>
    agents.get(node)?.report?.instances.find(({ group }) => group === name);
  const others = members.filter(({ node, observed }) => node !== holder.node && !observed);
  const deaf = others.filter(({ node }) => runs(node)?.pause?.reason === 'joining');
  if (deaf.length > 0) {
    const words = deaf.map(({ node, hostname }) => `${hostname}: ${runs(node)?.pause?.detail}`);
    return finding(
      check,
      'warning',
      `waiting to hear ${holder.hostname}: ${words.join('; ')}`,
      `if it lasts: let IP protocol 112 pass from ${holder.hostname} to ${names(deaf)}; hosts' firewalls count, too`,
    );
  }
  const hearing = others.filter(({ node, state }) => state === 'BACKUP' && !runs(node)?.pause);
  if (hearing.length === 0)
    return finding(check, 'unknown', `${holder.hostname} holds it, and no other member listens`);
  return finding(
    check,
    'ok',
    `${names(hearing)} ${hearing.length === 1 ? 'hears' : 'hear'} ${holder.hostname}`,
  );
}

function successors({ name, members, holders }: GroupStatus): Finding {
  const ready = members.filter(
    ({ node, eligible }) => eligible && !holders.some((each) => each.node === node),
  );
  const check = `successors of ${name}`;
  if (ready.length > 0) return finding(check, 'ok', `${names(ready)} could take over`);
  const remedy =
    members.length < 2 ? 'put a second node into the group' : 'swarm-vip status says what keeps the others';
  return finding(check, 'warning', 'nobody could take over', remedy);
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

const problems: Judge = ({ status }) => {
  const count = (severity: 'error' | 'warning') =>
    status.problems.filter((problem) => problem.severity === severity).length;
  const [errors, warnings] = [count('error'), count('warning')];
  if (errors + warnings === 0) return [finding('problems', 'ok', 'status names none')];
  const words = `status names ${counted(errors, 'error')} and ${counted(warnings, 'warning')}`;
  return [
    finding(
      'problems',
      errors > 0 ? 'error' : 'warning',
      words,
      'swarm-vip status says each with its remedy',
    ),
  ];
};
