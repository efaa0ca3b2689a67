// Which label puts a node into a group, and under which name the node runs it. Mostly the label names the group. A name
// that the group had before counts as long as an agent runs it under that (renames.ts). And who names a group that nobody
// defines leaves the one that it runs only if somebody else is named for that: nobody means to give up an address by the
// first half of a change, or by a slip of the pen.
import type { Problem } from '../../shared/problem.ts';
import type { NodeId } from '../../shared/words.ts';
import { didYouMean } from './did-you-mean.ts';
import type { Group, Groups } from './groups.ts';
import { groupsNamedBy, type LabelValue, label } from './labels.ts';
import { readable } from './readable.ts';
import type { Renames } from './renames.ts';
import { nodeArgument, nodeName, type Snapshot, type SwarmNode } from './snapshot.ts';

export interface NamedGroups extends Groups {
  renames: Renames;
}

/** The word of a label for a group. */
export interface Calling extends LabelValue {
  /** The name under which the node is to run it. */
  runAs: string;
}

export interface Callings {
  of(node: SwarmNode, group: Group): Calling | undefined;
  /** Labels that name no group of today. */
  problems: Problem[];
}

/** Its members are chosen by placement, not by naming it in a label. */
export const isByRule = ({ members, tiers }: Group): boolean => members !== undefined || tiers !== undefined;

export function readCallings(
  { nodes }: Pick<Snapshot, 'nodes'>,
  { groups, named, renames }: NamedGroups,
  runs: (node: NodeId, group: string) => boolean,
): Callings {
  const labels = new Map(nodes.map((node) => [node.id, groupsNamedBy(node)]));
  const wanted = new Set<string>([...labels.values()].flat().map(({ text }) => renames.get(text) ?? text));
  const served = new Set<string>(groups.map(({ name }) => name));
  // Also one that is defined and has no address of its own: another stack may still have it.
  const isUnserved = ({ text }: LabelValue) => !served.has(text) && !renames.has(text);
  const staying = (node: NodeId, group: Group) =>
    !isByRule(group) && !wanted.has(group.name) && runs(node, group.name)
      ? labels.get(node)?.find(isUnserved)
      : undefined;
  const problems = nodes.flatMap(({ id }) => {
    const node: NamedNode = { id, called: nodeName({ nodes }, id), argument: nodeArgument({ nodes }, id) };
    return (labels.get(id) ?? []).flatMap((each): Problem[] => {
      const present = renames.get(each.text);
      if (present !== undefined) return [renamed(node, each, present)];
      if (!isUnserved(each)) return [];
      const staysIn = groups.find((group) => staying(id, group) === each)?.name;
      if (!named.has(each.text)) return [unknown(node, each, groups, staysIn)];
      return staysIn === undefined ? [] : [unserved(node, each, staysIn)];
    });
  });
  return {
    of(node, group) {
      const own = labels.get(node.id) ?? [];
      const present = own.find(({ text }) => text === group.name) ?? staying(node.id, group);
      if (present) return { ...present, runAs: group.name };
      const former = own.find(({ text }) => renames.get(text) === group.name);
      return former && { ...former, runAs: former.text };
    },
    problems,
  };
}

/** How it is called for people, and on a command line. */
interface NamedNode {
  id: NodeId;
  called: string;
  argument: string;
}

const placeOf = (node: NamedNode, { key, text }: LabelValue) => ({
  where: `node ${node.called}, label ${key}`,
  node: node.id,
  value: readable(text),
});

function unknown(
  node: NamedNode,
  named: LabelValue,
  groups: readonly Group[],
  staysIn: string | undefined,
): Problem {
  const known = groups.map((group) => group.name);
  return {
    code: 'group-unknown',
    severity: 'error',
    ...placeOf(node, named),
    message: `nothing defines this group; defined: ${known.join(', ') || 'none'}${didYouMean(named.text, known)}`,
    instead: staysIn === undefined ? 'the node takes part in no such group' : servesOn(staysIn),
    remedy:
      named.key === label.group
        ? 'correct the label, or deploy a service with this KEEPALIVED_GROUP'
        : 'correct the label, or define the group in groups.yaml',
  };
}

const servesOn = (group: string) =>
  `the node goes on serving group ${group}, for which no other node is left`;

function unserved(node: NamedNode, named: LabelValue, staysIn: string): Problem {
  return {
    code: 'group-unserved',
    severity: 'warning',
    ...placeOf(node, named),
    message: 'this group has no address of its own',
    instead: servesOn(staysIn),
    remedy: `remove what defines group ${staysIn}, or correct the label`,
  };
}

/** The group goes on under another name, and this node's label says the former one. */
function renamed(node: NamedNode, named: LabelValue, present: string): Problem {
  return {
    code: 'group-renamed',
    severity: 'warning',
    ...placeOf(node, named),
    group: present,
    message: `the addresses of this group now belong to group ${present}`,
    instead: 'the node goes on serving them under the former name; no router id changes meanwhile',
    remedy:
      named.key === label.group
        ? `docker node update --label-add ${label.group}=${present} ${node.argument}`
        : `write ${present} into the label instead`,
  };
}
