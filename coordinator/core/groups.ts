// Operator's env → groups. A group is one virtual router: addresses that move together. Whatever keepalived would bend
// silently is bent here aloud, so that the address comes up and the operator learns why it differs.
import ipaddr from 'ipaddr.js';
import * as v from 'valibot';
import type { Problem } from '../../shared/problem.ts';
import { defaultIntervalMs } from '../../shared/timers.ts';
import { canonicalAddress, familyOf, GroupName, InterfaceName } from '../../shared/words.ts';
import type { CoordinatorService, Snapshot } from './snapshot.ts';

export interface Group {
  name: GroupName;
  /** Host addresses with /32 or /128, in the operator's order; at least one. */
  addresses: [string, ...string[]];
  /** Family of the adverts: 4 as soon as one address is IPv4. */
  family: 4 | 6;
  interface: string | undefined;
  /** Set by the operator, or undefined when the coordinator may choose. */
  routerId: number | undefined;
  password: string | undefined;
  version: 2 | 3;
  intervalMs: number;
  /** Provenance, for people: "service vip_coordinator, env KEEPALIVED_GROUP". */
  source: string;
}

export interface Groups {
  groups: Group[];
  /** Names that somebody defined, valid or not: a node that refers to one of them has made no mistake. */
  named: Set<string>;
  problems: Problem[];
}

const passwordLimit = 8;
const maxAddresses = 512;

/** All groups of all coordinator services, the older service first. */
export function groupsFromServices(snapshot: Snapshot): Groups {
  const result: Groups = { groups: [], named: new Set(), problems: [] };
  const byAge = [...snapshot.services].sort(
    (a, b) => a.createdAt.localeCompare(b.createdAt) || a.id.localeCompare(b.id),
  );
  for (const service of byAge) addService(result, service);
  return result;
}

function addService(result: Groups, service: CoordinatorService): void {
  const { env } = service;
  const place = (key: string) => `service ${service.name}, env ${key}`;
  const rawName = env['KEEPALIVED_GROUP']?.trim() ?? '';
  if (rawName === '') {
    if (!env['KEEPALIVED_VIRTUAL_IPS']) return;
    result.problems.push({
      code: 'group-without-name',
      severity: 'error',
      where: place('KEEPALIVED_GROUP'),
      message: 'expected the name of a group beside KEEPALIVED_VIRTUAL_IPS, found none',
      instead: 'the addresses are not served',
      remedy: 'set KEEPALIVED_GROUP on the service to the value of the nodes’ label keepalived_group',
    });
    return;
  }
  result.named.add(rawName);
  const name = v.safeParse(GroupName, rawName);
  if (!name.success) {
    result.problems.push({
      code: 'group-name-invalid',
      severity: 'error',
      where: place('KEEPALIVED_GROUP'),
      value: readable(rawName),
      message: name.issues[0].message,
      instead: 'the group is not served',
      remedy: 'choose another name, on the service and on the nodes',
    });
    return;
  }
  const rival = result.groups.find((group) => group.name === name.output);
  if (rival) {
    result.problems.push({
      code: 'group-defined-twice',
      severity: 'error',
      where: place('KEEPALIVED_GROUP'),
      group: name.output,
      value: name.output,
      message: `the group is already defined by ${rival.source}`,
      instead: 'the older service counts, this one is ignored',
      remedy: 'rename one of the two groups or remove one service',
    });
    return;
  }
  const context: Context = { group: name.output, place, problems: result.problems };
  const taken = new Map(
    result.groups.flatMap((group) => group.addresses.map((a) => [a, group.name] as const)),
  );
  const addresses = readAddresses(env['KEEPALIVED_VIRTUAL_IPS'] ?? '', taken, context);
  const [first, ...rest] = addresses;
  if (first === undefined) {
    result.problems.push({
      code: 'group-without-address',
      severity: 'error',
      where: place('KEEPALIVED_VIRTUAL_IPS'),
      group: name.output,
      message: 'expected at least one usable address, found none',
      instead: 'the group is not served',
      remedy: 'set KEEPALIVED_VIRTUAL_IPS to addresses such as 192.168.1.100, separated by commas',
    });
    return;
  }
  const password = readPassword(env['KEEPALIVED_PASSWORD'] ?? '', context);
  const version = password === undefined ? 3 : 2;
  result.groups.push({
    name: name.output,
    addresses: [first, ...rest],
    family: addresses.some((address) => familyOf(address) === 4) ? 4 : 6,
    interface: readInterface(env['KEEPALIVED_INTERFACE']?.trim() ?? '', context),
    routerId: readRouterId(env['KEEPALIVED_ROUTER_ID']?.trim() ?? '', context),
    password,
    version,
    intervalMs: defaultIntervalMs[version],
    source: place('KEEPALIVED_GROUP'),
  });
}

interface Context {
  group: GroupName;
  place: (key: string) => string;
  problems: Problem[];
}

function readAddresses(
  text: string,
  taken: Map<string, string>,
  { group, place, problems }: Context,
): string[] {
  const where = place('KEEPALIVED_VIRTUAL_IPS');
  const addresses: string[] = [];
  const refuse = (code: string, value: string, message: string, remedy: string) =>
    problems.push({
      code,
      severity: 'error',
      where,
      group,
      value: readable(value),
      message,
      instead: 'this address is left out, the others are served',
      remedy,
    });
  for (const item of text.split(/[\s,]+/).filter((part) => part !== '')) {
    const [host = '', prefix, ...more] = item.split('/');
    const address = canonicalAddress(host);
    if (address === undefined || more.length > 0 || (prefix !== undefined && !/^\d{1,3}$/.test(prefix))) {
      refuse('address-invalid', item, 'expected an IPv4 or IPv6 address', 'correct or remove it');
      continue;
    }
    const range: string = ipaddr.parse(address).range();
    if (unusableRanges.has(range)) {
      refuse(
        'address-unusable',
        item,
        `a ${range} address cannot be a virtual IP`,
        'choose a unicast address',
      );
      continue;
    }
    const full = `${address}/${familyOf(address) === 4 ? 32 : 128}`;
    const owner = taken.get(full);
    if (owner !== undefined) {
      refuse(
        'address-in-two-groups',
        item,
        `the address belongs to group ${owner}`,
        'keep it in one group only',
      );
    } else if (addresses.length >= maxAddresses) {
      refuse('too-many-addresses', item, `expected at most ${maxAddresses} addresses`, 'split the group');
    } else if (!addresses.includes(full)) {
      addresses.push(full);
      if (prefix !== undefined && `${address}/${prefix}` !== full) {
        problems.push({
          code: 'prefix-narrowed',
          severity: 'warning',
          where,
          group,
          value: item,
          message:
            'a prefix wider than the host can take a node’s own addresses along when the address moves',
          instead: `${full} is used, which answers the same clients`,
          remedy: `write ${address}`,
        });
      }
    }
  }
  return addresses;
}

const unusableRanges = new Set([
  'unspecified',
  'loopback',
  'multicast',
  'broadcast',
  'linkLocal',
  'reserved',
]);

function readPassword(text: string, { group, place, problems }: Context): string | undefined {
  if (text === '') return undefined;
  const where = place('KEEPALIVED_PASSWORD');
  const literal = [...text].filter((c) => /^[\x21-\x7e]$/.test(c) && !'"\'{}!#$@\\'.includes(c)).join('');
  const used = literal.slice(0, passwordLimit);
  if (literal !== text) {
    problems.push({
      code: 'password-characters-dropped',
      severity: 'warning',
      where,
      group,
      message:
        'expected printable ASCII without spaces and " \' { } ! # $ @ \\, which keepalived.conf cannot carry',
      instead: used === '' ? 'no password is used' : 'all members use the password without these characters',
      remedy: 'choose a password of at most 8 letters and digits',
    });
  }
  if (literal.length > passwordLimit) {
    problems.push({
      code: 'password-cut',
      severity: 'warning',
      where,
      group,
      message: `expected at most ${passwordLimit} characters (RFC 2338 §5.3.6.1), found ${literal.length}`,
      instead: `all members use the first ${passwordLimit} characters, as keepalived does`,
      remedy: `set a password of at most ${passwordLimit} characters`,
    });
  }
  return used === '' ? undefined : used;
}

function readInterface(text: string, { group, place, problems }: Context): string | undefined {
  if (text === '' || text === 'auto') return undefined;
  const name = v.safeParse(InterfaceName, text);
  if (name.success) return name.output;
  problems.push({
    code: 'interface-invalid',
    severity: 'warning',
    where: place('KEEPALIVED_INTERFACE'),
    group,
    value: readable(text),
    message: name.issues[0].message,
    instead: 'each node uses the interface whose subnet holds the address',
    remedy: 'name an interface, or remove the variable',
  });
  return undefined;
}

function readRouterId(text: string, { group, place, problems }: Context): number | undefined {
  if (text === '' || text === 'auto') return undefined;
  if (/^\d{1,3}$/.test(text) && Number(text) >= 1 && Number(text) <= 255) return Number(text);
  problems.push({
    code: 'router-id-invalid',
    severity: 'warning',
    where: place('KEEPALIVED_ROUTER_ID'),
    group,
    value: readable(text),
    message: 'expected a whole number from 1 to 255',
    instead: 'the coordinator chooses a free one',
    remedy: 'correct or remove the variable',
  });
  return undefined;
}

/** A value as problems show it: control characters made visible, at most 80 characters. */
export function readable(value: string): string {
  const visible = JSON.stringify(value).slice(1, -1);
  return visible.length <= 80 ? visible : `${visible.slice(0, 77)}…`;
}
