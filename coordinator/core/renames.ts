// A group that goes on under another name. An operator renames it in two places, one after the other: where it is defined,
// and on each of its nodes. In between agents run a group that is not defined any more, with addresses that now belong to
// one that nobody runs: that is the same virtual router, and its holder need not notice. Adverts carry no name, so every
// node may change it when its own label does:
//
//   defined as `new`, labels still say `old`  → the nodes stay members, and run it as `old`
//   a label says `new`                        → that node runs it as `new`, which it ran as `old` (`formerly`)
//   nobody runs it as `old`                   → the old name means nothing any more
//
// Stateless: that it is a rename is read off the reports.
import type { AssignedInstance, Report } from '../../shared/protocol.ts';
import type { GroupName, NodeId } from '../../shared/words.ts';
import type { AgentRecord } from './agents.ts';
import type { Group } from './groups.ts';

/** By former name: the present one. */
export type Renames = ReadonlyMap<string, GroupName>;

interface View {
  report: Report | undefined;
  claims?: AgentRecord['claims'];
  unheard?: AgentRecord['unheard'];
}

interface Running {
  vrids: Set<number>;
  addresses: Set<string>;
}

/** @param groups as they are defined now, in order of precedence */
export function findRenames(groups: readonly Group[], agents: ReadonlyMap<NodeId, View>): Renames {
  const running = new Map<string, Running>();
  for (const [, { report }] of [...agents].sort(([a], [b]) => a.localeCompare(b))) {
    for (const { group, vrid, addresses } of report?.instances ?? []) {
      const known = running.get(group) ?? { vrids: new Set(), addresses: new Set() };
      known.vrids.add(vrid);
      for (const address of addresses) known.addresses.add(address);
      running.set(group, known);
    }
  }
  const defined = new Set<string>(groups.map(({ name }) => name));
  const orphans = [...running].filter(([name]) => !defined.has(name));
  const renames = new Map<string, GroupName>();
  for (const { name, addresses } of orphans.length > 0 ? groups : []) {
    const shared = (old: Running) => addresses.filter((address) => old.addresses.has(address)).length;
    const heirs = orphans
      .filter(([old, runs]) => !renames.has(old) && shared(runs) > 0)
      .sort(([a, one], [b, other]) => shared(other) - shared(one) || a.localeCompare(b));
    // Where it runs already under its name, that virtual router counts; of several old ones, one goes on.
    const vrids = running.get(name)?.vrids ?? heirs[0]?.[1].vrids;
    for (const [old, runs] of heirs)
      if ([...runs.vrids].some((vrid) => vrids?.has(vrid))) renames.set(old, name);
  }
  return renames;
}

export const formerNames = (renames: Renames | undefined, name: string): string[] =>
  [...(renames ?? [])].filter(([, present]) => present === name).map(([former]) => former);

/** What agents report, with every group under its present name. */
export function underPresentNames<V extends View>(
  agents: ReadonlyMap<NodeId, V>,
  renames: Renames,
): ReadonlyMap<NodeId, V> {
  if (renames.size === 0) return agents;
  const present = (name: GroupName): GroupName => renames.get(name) ?? name;
  const presentKeys = <T>(map: ReadonlyMap<string, T>) =>
    new Map([...map].map(([name, value]) => [renames.get(name) ?? name, value]));
  return new Map(
    [...agents].map(([node, view]) => {
      const instances = view.report?.instances.map((each) => ({ ...each, group: present(each.group) }));
      return [
        node,
        {
          ...view,
          report: view.report && { ...view.report, instances: instances ?? [] },
          ...(view.claims ? { claims: presentKeys(view.claims) } : {}),
          ...(view.unheard ? { unheard: presentKeys(view.unheard) } : {}),
        },
      ];
    }),
  );
}

/**
 * An instance under the name by which its node is to run it.
 * @param runAs undefined for a node that only leaves
 * @param reported what the node runs now, by its own word
 */
export function underOwnName(
  instance: AssignedInstance,
  runAs: string | undefined,
  reported: Report['instances'],
  renames: Renames,
): AssignedInstance {
  const own = (name: string) => name === instance.group || renames.get(name) === instance.group;
  const before = reported.find(({ group }) => own(group))?.group;
  const group = (runAs ?? before ?? instance.group) as GroupName;
  if (before === undefined || before === group) return { ...instance, group };
  return { ...instance, group, formerly: before };
}
