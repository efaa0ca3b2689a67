// Two plans, as they are when everything has settled → what is different on each node. For `swarm-vip config diff`.
import type { AssignedInstance, RunningInstance } from '../../shared/protocol.ts';
import type { NodeId } from '../../shared/words.ts';
import {
  checkConfig,
  groupsFile,
  type Interfaces,
  type LocatedProblem,
  settledPlan,
} from './config-check.ts';
import { groupsFromConfigs } from './groups-configs.ts';
import type { Agents } from './plan.ts';
import { redacted } from './redact.ts';
import type { Renames } from './renames.ts';
import type { Snapshot } from './snapshot.ts';
import type { NodeRef } from './status.ts';

export interface ConfigDiff {
  /** What is compared with what, in words. */
  before: string;
  after: string;
  /** False: the file says nothing usable, so it would change nothing. */
  usable: boolean;
  /** Only those on which something is different, by host name. */
  nodes: (NodeRef & { groups: GroupDiff[] })[];
  /** Without an agent that tells its interfaces: what they are to run is not known. */
  unknown: NodeRef[];
  /** Groups that go on under another name: each node runs them under the former one until its label says the new one. */
  renamed: { from: string; to: string }[];
  /** Of the file. */
  problems: LocatedProblem[];
}

export interface GroupDiff {
  group: string;
  change: 'added' | 'removed' | 'changed' | 'renamed';
  /** Of a renamed group: what the node calls it now. */
  formerly?: string;
  /** Of an added group what it is to be; of a removed one nothing. */
  fields: FieldDiff[];
  /** Members would not understand each other on the way, so they change one after the other. */
  inOrder: boolean;
}

export interface FieldDiff {
  field: string;
  /** Null: not set. Secrets as asterisks. */
  from: unknown;
  to: unknown;
}

/** As reported, also by agents that are out of contact now. */
export const knownInterfaces = (agents: Agents): Interfaces =>
  new Map([...agents].flatMap(([node, { report }]) => (report ? [[node, report.interfaces]] : [])));

/** @param file undefined: what runs is compared with what is to run */
export function configDiff(
  snapshot: Snapshot,
  agents: Agents,
  file: { name: string; text: string } | undefined,
  nowMs: number,
): ConfigDiff {
  const known = { interfaces: knownInterfaces(agents), running: agents, nowMs };
  const nodes = new Set(known.interfaces.keys());
  const { assignments: now, renames: underWay = new Map() } = settledPlan(snapshot, known);
  if (!file) {
    const running = new Map([...agents].map(([node, { report }]) => [node, report?.instances ?? []]));
    return {
      ...{ before: 'what runs', after: 'what is to run', usable: true, problems: [] },
      ...diffPlans(
        snapshot,
        nodes,
        mapped(running, comparableReport),
        mapped(now, (each) => (each.observe ? [] : [comparableToReport(each)])),
        underWay,
      ),
      renamed: renamedGroups(underWay),
    };
  }
  const { usable, problems } = checkConfig(file.text, file.name, snapshot);
  // The newest of all, and the others stay behind it, as when it is a config of Swarm.
  const newest = { ...groupsFile(file), createdAt: '9999-12-31T23:59:59Z' };
  const { assignments: then, renames = new Map() } = settledPlan(
    { ...snapshot, configs: [...(snapshot.configs ?? []), newest] },
    known,
  );
  const inForce = groupsFromConfigs(snapshot).config?.name;
  return {
    before: inForce === undefined ? 'no config' : `config ${inForce}`,
    after: file.name,
    ...{ usable, problems },
    ...diffPlans(snapshot, nodes, mapped(now, comparable), mapped(then, comparable), renames),
    renamed: renamedGroups(renames),
  };
}

const mapped = <T>(
  perNode: ReadonlyMap<NodeId, readonly T[]>,
  change: (instance: T) => Comparable | Comparable[],
): PerNode => new Map([...perNode].map(([node, instances]) => [node, instances.flatMap(change)]));

/** What a node runs, or is to run, field by field. */
type Comparable = Readonly<Record<string, unknown>> & { group: string };
type PerNode = ReadonlyMap<NodeId, readonly Comparable[]>;

/** @param nodes those to compare */
function diffPlans(
  snapshot: Pick<Snapshot, 'nodes'>,
  nodes: ReadonlySet<NodeId>,
  before: PerNode,
  after: PerNode,
  renames: Renames,
): Pick<ConfigDiff, 'nodes' | 'unknown'> {
  const refs = [...snapshot.nodes]
    .map(({ id, hostname }) => ({ node: id, hostname }))
    .sort((a, b) => a.hostname.localeCompare(b.hostname) || a.node.localeCompare(b.node));
  return {
    nodes: refs
      .filter(({ node }) => nodes.has(node))
      .map((ref) => ({
        ...ref,
        groups: diffNode(before.get(ref.node) ?? [], after.get(ref.node) ?? [], renames),
      }))
      .filter(({ groups }) => groups.length > 0),
    unknown: refs.filter(({ node }) => !nodes.has(node)),
  };
}

function diffNode(
  before: readonly Comparable[],
  after: readonly Comparable[],
  renames: Renames,
): GroupDiff[] {
  const named = (all: readonly Comparable[], name: string | undefined) =>
    all.find(({ group }) => group === name);
  const successor = ({ group }: Comparable) => named(after, group) ?? named(after, renames.get(group));
  const removed = before
    .filter((old) => !successor(old))
    .map(({ group }): GroupDiff => ({ group, change: 'removed', fields: [], inOrder: false }));
  const others = after.flatMap((next): GroupDiff[] => {
    const { group } = next;
    const old = named(before, group) ?? before.find((each) => successor(each) === next);
    const fields = diffFields(old, next);
    if (!old) return [{ group, change: 'added', fields, inOrder: false }];
    const inOrder = old['agreement'] !== next['agreement'];
    if (old.group !== group) return [{ group, change: 'renamed', formerly: old.group, fields, inOrder }];
    return fields.length === 0 ? [] : [{ group, change: 'changed', fields, inOrder }];
  });
  return [...others, ...removed];
}

const renamedGroups = (renames: Renames): ConfigDiff['renamed'] =>
  [...renames].map(([from, to]) => ({ from, to }));

function diffFields(old: Comparable | undefined, next: Comparable): FieldDiff[] {
  return [...new Set([...Object.keys(old ?? {}), ...Object.keys(next)])]
    .filter((field) => field !== 'group' && field !== 'agreement')
    .filter((field) => JSON.stringify(old?.[field]) !== JSON.stringify(next[field]))
    .map((field) => ({ field, from: shown(field, old?.[field]), to: shown(field, next[field]) }));
}

/** Secrets as asterisks. */
function shown(field: string, value: unknown): unknown {
  if (value === undefined) return null;
  const [instance] = redacted([{ [field]: value }]);
  return instance?.[field] ?? null;
}

/** What is to run, without what goes from step to step and the mark that stands for checks. */
function comparable(assigned: AssignedInstance): Comparable {
  const {
    peersConfirmed: _c,
    checksMark: _m,
    floor: _f,
    order: _o,
    transition: _t,
    contested: _d,
    ...rest
  } = assigned;
  return rest;
}

/** The same as far as reports can tell: of passwords and checks agents report marks alone. */
function comparableToReport(assigned: AssignedInstance): Comparable {
  const { password: _p, checks: _k, notify: _n, standAside: _s, ...rest } = comparable(assigned);
  return {
    ...rest,
    group: assigned.group,
    ...(assigned.checksMark ? { checksMark: assigned.checksMark } : {}),
  };
}

function comparableReport(running: RunningInstance): Comparable {
  const {
    state: _s,
    stateSinceMs: _m,
    effectivePriority: _e,
    pause: _p,
    held: _h,
    checks: _c,
    ...rest
  } = running;
  return rest;
}
