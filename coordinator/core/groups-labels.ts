// Labels of Swarm services (deploy.labels) → groups that follow their service: only nodes on which a task of it runs,
// and is healthy, can hold the addresses. Whoever deploys the service says so, within the operator's pools.
//   swarm-vip.GROUP.address=192.168.1.200
import * as v from 'valibot';
import { ServiceName } from '../../shared/checks.ts';
import { familyOf } from '../../shared/words.ts';
import { inPools, poolsKey, readPools } from './address-pools.ts';
import { agentLabel } from './agent-service.ts';
import { didYouMean } from './did-you-mean.ts';
import type { Group, Groups } from './groups.ts';
import { type FieldContext, groupFromEntry } from './groups-file-entry.ts';
import { GroupEntry } from './groups-schema.ts';
import { type Complaint, maxAddresses, readGroupName } from './groups-values.ts';
import { ownPrefix } from './labels.ts';
import { type Expression, readExpression } from './placement.ts';
import { byDefault } from './provenance.ts';
import { readable } from './readable.ts';
import type { Snapshot, SwarmService } from './snapshot.ts';
import { ownServiceLabels } from './swarm-services.ts';

/** Word of a label → key of groups.yaml, and how its text becomes the value there. */
const words = {
  address: { field: 'addresses', read: list },
  interface: { field: 'interface', read: (text: string) => text },
  router_id: { field: 'router_id', read: (text: string) => (/^\d{1,3}$/.test(text) ? Number(text) : text) },
  interval: { field: 'interval', read: (text: string) => text },
  preempt: { field: 'preempt', read: boolean },
  members: { field: 'members', read: clauses },
  preferred: { field: 'preferred', read: clauses },
} as const;
type Word = keyof typeof words;
const isWord = (word: string): word is Word => Object.hasOwn(words, word);

/** One service has no business with more. */
const maxGroups = 32;

function list(text: string): string[] {
  return text.split(/[\s,]+/).filter((item) => item !== '');
}
function boolean(text: string): boolean | string {
  return text === 'true' || (text === 'false' ? false : text);
}
function clauses(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

/** All groups of all services, the older service first; names and addresses may still collide. */
export function groupsFromLabels(snapshot: Snapshot): Groups {
  const result: Groups = { groups: [], named: new Set(), problems: [] };
  const { pools, problems } = readPools(snapshot);
  result.problems.push(...problems);
  const coordinators = new Set(snapshot.services.map(({ id }) => id));
  const labelled = (snapshot.allServices ?? [])
    // Swarm names no service otherwise; what is followed must be nameable in a check.
    .filter(({ name }) => v.is(ServiceName, name))
    .filter(({ id, labels = {} }) => !coordinators.has(id) && Object.keys(labels).some(isOurs))
    .sort((a, b) => (a.createdAt ?? '').localeCompare(b.createdAt ?? '') || a.id.localeCompare(b.id));
  for (const service of labelled) {
    const byGroup = wordsByGroup(service, result);
    if (byGroup.size === 0) continue;
    if (pools.length === 0) {
      result.problems.push(switchedOff(service, [...byGroup.keys()]));
      continue;
    }
    for (const [name, texts] of [...byGroup].slice(0, maxGroups)) {
      result.named.add(name);
      const group = readGroup(service, name, texts, result);
      const allowed = group && withinPools(group, service, pools, result);
      if (allowed) result.groups.push(allowed);
    }
  }
  return result;
}

const isOurs = (key: string): boolean => key.startsWith(ownPrefix);
const place = ({ name }: SwarmService, key: string): string =>
  `service ${readable(name)}, label ${readable(key)}`;

function wordsByGroup(service: SwarmService, { problems }: Groups): Map<string, Map<Word, string>> {
  const byGroup = new Map<string, Map<Word, string>>();
  for (const [key, text] of Object.entries(service.labels ?? {}).sort(([a], [b]) => a.localeCompare(b))) {
    if (!isOurs(key)) continue;
    const rest = key.slice(ownPrefix.length);
    const dot = rest.lastIndexOf('.');
    const word = rest.slice(dot + 1);
    if (ownServiceLabels.includes(key) || key === agentLabel) continue;
    if (dot > 0 && isWord(word)) {
      const group = rest.slice(0, dot);
      byGroup.set(group, (byGroup.get(group) ?? new Map<Word, string>()).set(word, text.trim()));
      continue;
    }
    const known = Object.keys(words);
    problems.push({
      code: 'label-unknown',
      severity: 'warning',
      where: place(service, key),
      value: readable(key),
      message: `expected ${ownPrefix}GROUP. and one of ${known.join(', ')}${didYouMean(word, known)}`,
      instead: 'the label is ignored',
      remedy: 'correct or remove it, in deploy.labels of the stack',
    });
  }
  return byGroup;
}

function switchedOff(service: SwarmService, names: readonly string[]) {
  return {
    code: 'service-labels-off',
    severity: 'warning' as const,
    where: `service ${readable(service.name)}`,
    value: readable(names.join(', ')),
    message: 'its labels ask for addresses, but no pool of addresses is named for labels',
    instead: 'the labels are ignored',
    remedy: `set ${poolsKey} on the coordinator service, such as ${poolsKey}=192.168.1.200-192.168.1.220`,
  };
}

function readGroup(
  service: SwarmService,
  name: string,
  texts: ReadonlyMap<Word, string>,
  { problems }: Groups,
): Group | undefined {
  const keyOf = (word: string) => `${ownPrefix}${name}.${word}`;
  const wordOf = (field: string) => Object.entries(words).find(([, each]) => each.field === field)?.[0];
  const complain = (word: string, complaint: Complaint) =>
    problems.push({ ...complaint, where: place(service, keyOf(word)), group: readable(name) });
  const groupName = readGroupName(name, 'choose another name', (it) => complain('address', it));
  if (groupName === undefined) return undefined;
  // Addresses are read one by one, below: one that is wrong leaves the others.
  const entry: Record<string, unknown> = {
    addresses: list(texts.get('address') ?? '').slice(0, maxAddresses),
  };
  for (const [word, text] of texts) {
    if (word === 'address') continue;
    const { field, read } = words[word];
    const value = v.safeParse(GroupEntry.entries[field], read(text));
    if (value.success) {
      entry[field] = value.output;
      continue;
    }
    // A rule of membership that is left out would let in every node.
    const stops = word === 'members';
    complain(word, {
      code: 'value-invalid',
      severity: 'error',
      value: readable(text),
      message: value.issues[0].message,
      instead: stops ? 'the group is not served' : 'the label is ignored',
      remedy: 'correct or remove it',
    });
    if (stops) return undefined;
  }
  const context: FieldContext = {
    name: groupName,
    source: `service ${readable(service.name)}`,
    secrets: {},
    originOf(field) {
      const word = wordOf(field);
      if (word !== undefined && texts.has(word as Word)) return place(service, keyOf(word));
      if (field === 'follow') return `service ${readable(service.name)}, which the group follows`;
      return field === 'members' ? `placement of service ${readable(service.name)}` : byDefault;
    },
    complain: (field, complaint) => complain(wordOf(field) ?? 'address', complaint),
  };
  const group = groupFromEntry(
    { ...(entry as Pick<GroupEntry, 'addresses'>), follow: service.name },
    context,
  );
  if (!group) return undefined;
  return { ...group, origin: 'labels', members: [...placementOf(service), ...(group.members ?? [])] };
}

/** Where Swarm may put its tasks. What we cannot read lets in more nodes, and those have no task. */
function placementOf({ constraints = [] }: SwarmService): Expression[] {
  return constraints.flatMap((text) => {
    const read = readExpression(text);
    return read.ok ? [read.expression] : [];
  });
}

function withinPools(
  group: Group,
  service: SwarmService,
  pools: Parameters<typeof inPools>[1],
  { problems }: Groups,
): Group | undefined {
  const allowed = group.addresses.filter((address) => {
    const within = inPools(address.split('/')[0] ?? '', pools);
    if (!within) {
      problems.push({
        code: 'address-outside-pools',
        severity: 'error',
        where: place(service, `${ownPrefix}${group.name}.address`),
        group: group.name,
        value: address,
        message: `expected an address of a pool that the operator has named (${poolsKey}): ${pools
          .map(({ first, last }) => (first === last ? first : `${first}-${last}`))
          .join(', ')}`,
        instead: 'this address is left out, the others are served',
        remedy: 'choose an address of a pool, or name another pool on the coordinator service',
      });
    }
    return within;
  });
  const [first, ...rest] = allowed;
  if (first === undefined) return undefined;
  const family = allowed.some((address) => familyOf(address) === 4) ? 4 : 6;
  return { ...group, addresses: [first, ...rest], family };
}
