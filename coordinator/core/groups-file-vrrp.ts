// What an entry of groups.yaml says of a virtual MAC and of strict VRRP → keys of a group. keepalived takes more than it
// can keep: strict_mode beside unicast or version 2 is ignored piece by piece, or makes the addresses unreachable.
import type { Problem } from '../../shared/problem.ts';
import type { Group } from './groups.ts';
import type { FieldContext } from './groups-file-entry.ts';
import type { Defaults, GroupEntry } from './groups-schema.ts';

type Entry = Pick<GroupEntry, 'vmac'> & Omit<Defaults, 'vmac'>;

export function readVrrpOptions(
  entry: Entry,
  { version, family }: Pick<Group, 'version' | 'family'>,
  context: FieldContext,
): Pick<Group, 'vmac' | 'strict' | 'skipCheckAdvAddr'> {
  const against = entry.strict ? whyNotStrict(entry, version, family) : undefined;
  if (against) {
    context.complain('strict', {
      code: 'strict-impossible',
      severity: 'error',
      message: against.message,
      instead: 'the group is served without strict',
      remedy: against.remedy,
    });
  }
  if (entry.vmac && family === 6) {
    context.complain('vmac', {
      code: 'vmac-impossible',
      severity: 'error',
      message:
        'a virtual MAC is for IPv4: a node that has lost IPv6 addresses still reports their multicast groups under it, ' +
        'which teaches switches the wrong port',
      instead: 'the addresses are served under the MAC of the interface',
      remedy: 'add an IPv4 address, or remove vmac',
    });
  }
  return {
    ...(entry.vmac && family === 4 ? { vmac: entry.vmac } : {}),
    ...(entry.strict && !against ? { strict: true } : {}),
    ...(entry.skip_check_adv_addr ? { skipCheckAdvAddr: true } : {}),
  };
}

/** keepalived.conf(5), vrrp_strict; each seen with keepalived 2.2.7. */
function whyNotStrict(
  entry: Entry,
  version: 2 | 3,
  family: 4 | 6,
): { message: string; remedy: string } | undefined {
  if (version === 2) {
    return {
      message:
        'strict VRRP version 2 has neither passwords nor accept mode: every packet to the addresses is dropped',
      remedy: 'remove auth and version: 2, or strict',
    };
  }
  if (entry.transport !== 'multicast')
    return {
      message: 'strict VRRP knows no unicast peers',
      remedy: 'write transport: multicast, or remove strict',
    };
  if (family === 6) {
    return {
      message:
        'strict VRRP advertises a link-local address first, which a group of IPv6 addresses alone does not do',
      remedy: 'add an IPv4 address, or remove strict',
    };
  }
  return undefined;
}

/** Two interfaces of one node cannot have one name: a name belongs to the first group that says it. */
export function claimVmacName(group: Group, owners: Map<string, string>, problems: Problem[]): Group {
  if (group.vmac === undefined || group.vmac === true) return group;
  const owner = owners.get(group.vmac);
  if (owner === undefined) {
    owners.set(group.vmac, group.name);
    return group;
  }
  problems.push({
    code: 'vmac-in-two-groups',
    severity: 'warning',
    where: group.provenance.vmac,
    group: group.name,
    value: group.vmac,
    message: `the interface belongs to group ${owner}`,
    instead: 'the interface gets a name of its own, vrrp. and the router id',
    remedy: 'choose another name, or write vmac: true',
  });
  return { ...group, vmac: true };
}
