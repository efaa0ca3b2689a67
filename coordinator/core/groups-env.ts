// Env of coordinator services (the operator's contract) → groups.
import { defaultIntervalMs } from '../../shared/timers.ts';
import { familyOf } from '../../shared/words.ts';
import type { Group, Groups } from './groups.ts';
import {
  type Complaint,
  maxAddresses,
  readAddress,
  readGroupName,
  readInterface,
  readPassword,
} from './groups-values.ts';
import { byDefault, type GroupField, provenanceOf } from './provenance.ts';
import { readable } from './readable.ts';
import type { CoordinatorService, Snapshot } from './snapshot.ts';

const keys: Partial<Record<GroupField, string>> = {
  addresses: 'KEEPALIVED_VIRTUAL_IPS',
  interface: 'KEEPALIVED_INTERFACE',
  router_id: 'KEEPALIVED_ROUTER_ID',
  auth: 'KEEPALIVED_PASSWORD',
};

/** All groups of all coordinator services, the older service first; names and addresses may still collide. */
export function groupsFromServices(snapshot: Snapshot): Groups {
  const result: Groups = { groups: [], named: new Set(), problems: [] };
  const byAge = [...snapshot.services].sort(
    (a, b) => a.createdAt.localeCompare(b.createdAt) || a.id.localeCompare(b.id),
  );
  for (const service of byAge) {
    const group = readService(result, service);
    if (group) result.groups.push(group);
  }
  return result;
}

function readService(
  { named, problems }: Groups,
  { env, name: service }: CoordinatorService,
): Group | undefined {
  const place = (key: string) => `service ${service}, env ${key}`;
  const rawName = env['KEEPALIVED_GROUP']?.trim() ?? '';
  const complain = (key: string, complaint: Complaint, group?: string) => {
    problems.push({ ...complaint, where: place(key), ...(group === undefined ? {} : { group }) });
  };
  if (rawName === '') {
    if (!env['KEEPALIVED_VIRTUAL_IPS']) return undefined;
    complain('KEEPALIVED_GROUP', {
      code: 'group-without-name',
      severity: 'error',
      message: 'expected the name of a group beside KEEPALIVED_VIRTUAL_IPS, found none',
      instead: 'the addresses are not served',
      remedy: 'set KEEPALIVED_GROUP on the service to the value of the nodes’ label keepalived_group',
    });
    return undefined;
  }
  named.add(rawName);
  const name = readGroupName(rawName, 'choose another name, on the service and on the nodes', (it) =>
    complain('KEEPALIVED_GROUP', it),
  );
  if (name === undefined) return undefined;
  const about = (key: string) => (complaint: Complaint) => complain(key, complaint, name);
  const addresses = readAddresses(env['KEEPALIVED_VIRTUAL_IPS'] ?? '', about('KEEPALIVED_VIRTUAL_IPS'));
  const [first, ...rest] = addresses;
  if (first === undefined) {
    about('KEEPALIVED_VIRTUAL_IPS')({
      code: 'group-without-address',
      severity: 'error',
      message: 'expected at least one usable address, found none',
      instead: 'the group is not served',
      remedy: 'set KEEPALIVED_VIRTUAL_IPS to addresses such as 192.168.1.100, separated by commas',
    });
    return undefined;
  }
  const password = readPassword(env['KEEPALIVED_PASSWORD'] ?? '', about('KEEPALIVED_PASSWORD'));
  const wishedInterface = readInterface(
    env['KEEPALIVED_INTERFACE']?.trim() ?? '',
    about('KEEPALIVED_INTERFACE'),
  );
  const routerId = readRouterId(env['KEEPALIVED_ROUTER_ID']?.trim() ?? '', about('KEEPALIVED_ROUTER_ID'));
  const version = password === undefined ? 3 : 2;
  const stated: Partial<Record<GroupField, boolean>> = {
    addresses: true,
    interface: wishedInterface !== undefined,
    router_id: routerId !== undefined,
    auth: password !== undefined,
  };
  return {
    name,
    addresses: [first, ...rest],
    family: addresses.some((address) => familyOf(address) === 4) ? 4 : 6,
    interface: wishedInterface,
    routerId,
    password,
    version,
    intervalMs: defaultIntervalMs[version],
    source: place('KEEPALIVED_GROUP'),
    origin: 'service',
    provenance: provenanceOf((field) => {
      if (stated[field]) return place(keys[field] ?? '');
      if (password !== undefined && (field === 'version' || field === 'interval'))
        return 'because of the password';
      return byDefault;
    }),
  };
}

function readAddresses(text: string, complain: (complaint: Complaint) => void): string[] {
  const addresses = new Set<string>();
  const items = text.split(/[\s,]+/).filter((part) => part !== '');
  for (const item of items.slice(0, maxAddresses)) {
    const address = readAddress(item, complain);
    if (address !== undefined) addresses.add(address);
  }
  if (items.length > maxAddresses) {
    complain({
      code: 'too-many-addresses',
      severity: 'error',
      message: `expected at most ${maxAddresses} addresses, found ${items.length}`,
      instead: `the first ${maxAddresses} are served`,
      remedy: 'split the group',
    });
  }
  return [...addresses];
}

function readRouterId(text: string, complain: (complaint: Complaint) => void): number | undefined {
  if (text === '' || text === 'auto') return undefined;
  if (/^\d{1,3}$/.test(text) && Number(text) >= 1 && Number(text) <= 255) return Number(text);
  complain({
    code: 'router-id-invalid',
    severity: 'warning',
    value: readable(text),
    message: 'expected a whole number from 1 to 255',
    instead: 'the coordinator chooses a free one',
    remedy: 'correct or remove the variable',
  });
  return undefined;
}
