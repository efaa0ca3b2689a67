// groups.yaml, labels of services and the operator's env → groups. A group is one virtual router: addresses that move together.
// Where two define one group, or one address, the first in this order counts: file, labels of
// services, env of coordinator services; within one kind the older service.
import type { Check, Script } from '../../shared/checks.ts';
import type { Problem } from '../../shared/problem.ts';
import type { Instance } from '../../shared/protocol.ts';
import { familyOf, type GroupName } from '../../shared/words.ts';
import { type ConfigInUse, groupsFromConfigs } from './groups-configs.ts';
import { groupsFromServices } from './groups-env.ts';
import { claimVmacName } from './groups-file-vrrp.ts';
import { groupsFromLabels } from './groups-labels.ts';
import { type Receiver, unknownGroups } from './notifications.ts';
import type { Expression } from './placement.ts';
import type { GroupField, Provenance } from './provenance.ts';
import type { Snapshot } from './snapshot.ts';

export { readable } from './readable.ts';

/** Nodes with priorities of their own; they are spread over the range. */
export interface Tier {
  members: Expression[];
  lowest: number;
  highest: number;
}

export interface Group {
  name: GroupName;
  /** Host addresses with /32 or /128, in the operator's order; at least one. */
  addresses: [string, ...string[]];
  /** Family of the adverts: 4 as soon as one address is IPv4. */
  family: 4 | 6;
  /** A name, a pattern, default-route; undefined: the interface whose subnet holds the address. */
  interface: string | undefined;
  /** Set by the operator, or undefined when the coordinator may choose. */
  routerId: number | undefined;
  password: string | undefined;
  version: 2 | 3;
  intervalMs: number;
  /** Where the group is defined, for people: "service vip_coordinator, env KEEPALIVED_GROUP". */
  source: string;
  /** groups.yaml, labels of a service that it follows, env of a coordinator service. */
  origin: 'file' | 'labels' | 'service';
  provenance: Provenance<GroupField>;
  /** Which nodes are members; absent together with tiers: those labelled with the group. */
  members?: Expression[];
  /** The first that fits a node counts; without `members`, only nodes of a tier are members. */
  tiers?: Tier[];
  /** Absent keys mean VRRP's and keepalived's defaults, as in shared/protocol.ts. */
  transport?: 'multicast';
  preempt?: boolean;
  preemptDelayMs?: number;
  /** By address: a name, a pattern or default-route. */
  addressInterfaces?: Readonly<Record<string, string>>;
  trackInterfaces?: string[];
  garp?: NonNullable<Instance['garp']>;
  /** True: with the name that keepalived gives. */
  vmac?: string | true;
  strict?: true;
  skipCheckAdvAddr?: true;
  /** Lead where no label and no tier says who does. */
  preferred?: Expression[];
  checks?: Check[];
  notify?: Script;
}

export interface Groups {
  groups: Group[];
  /** Names that somebody defined, valid or not: a node that refers to one of them has made no mistake. */
  named: Set<string>;
  problems: Problem[];
}

export interface AllGroups extends Groups {
  /** The Docker config that groups come from; undefined when there is none. */
  config: ConfigInUse | undefined;
  /** Who is told what happens. */
  receivers: readonly Receiver[];
}

/** All groups of a snapshot, every name and every address once, in order of precedence. */
export function collectGroups(snapshot: Snapshot): AllGroups {
  const file = groupsFromConfigs(snapshot);
  const labels = groupsFromLabels(snapshot);
  const services = groupsFromServices(snapshot);
  const problems = [...file.problems, ...labels.problems, ...services.problems];
  const byName = new Map<string, Group>();
  for (const group of [...file.groups, ...labels.groups, ...services.groups]) {
    const rival = byName.get(group.name);
    if (rival) problems.push(definedTwice(group, rival));
    else byName.set(group.name, group);
  }
  const owners = new Map<string, string>();
  const vmacNames = new Map<string, string>();
  const claimed = [...byName.values()]
    .flatMap((group) => claimAddresses(group, owners, problems))
    .map((group) => claimVmacName(group, vmacNames, problems));
  const named = new Set([...file.named, ...labels.named, ...services.named]);
  problems.push(...unknownGroups(file.receivers, named));
  const place = ({ name, origin }: Group) =>
    origin === 'file' ? file.listed.indexOf(name) : file.listed.length;
  return {
    config: file.config,
    receivers: file.receivers,
    groups: claimed.sort((a, b) => place(a) - place(b)),
    named,
    problems,
  };
}

function definedTwice(loser: Group, winner: Group): Problem {
  return {
    code: 'group-defined-twice',
    severity: 'error',
    where: loser.source,
    group: loser.name,
    value: loser.name,
    message: `the group is already defined by ${winner.source}`,
    instead: `${reasonToWin(winner, loser)} counts, this one is ignored`,
    remedy: 'rename one of the two groups or remove one definition',
  };
}

function reasonToWin(winner: Group, loser: Group): string {
  if (winner.origin === 'file') return 'the file';
  return winner.origin === loser.origin ? 'the older service' : 'the label of the service';
}

/** An address belongs to the first group that names it; a group that is left with none is not served. */
function claimAddresses(group: Group, owners: Map<string, string>, problems: Problem[]): Group[] {
  const free = group.addresses.filter((address) => {
    const owner = owners.get(address);
    if (owner === undefined) owners.set(address, group.name);
    else
      problems.push({
        code: 'address-in-two-groups',
        severity: 'error',
        where: group.provenance.addresses,
        group: group.name,
        value: address,
        message: `the address belongs to group ${owner}`,
        instead: 'this address is left out, the others are served',
        remedy: 'keep it in one group only',
      });
    return owner === undefined;
  });
  const [first, ...rest] = free;
  if (first !== undefined) {
    return [{ ...group, addresses: [first, ...rest], family: free.some((a) => familyOf(a) === 4) ? 4 : 6 }];
  }
  problems.push({
    code: 'group-without-address',
    severity: 'error',
    where: group.provenance.addresses,
    group: group.name,
    message: 'expected at least one usable address, found none',
    instead: 'the group is not served',
    remedy: 'give the group an address of its own',
  });
  return [];
}
