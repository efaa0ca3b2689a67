// The schema of groups.yaml: what reads the file, and what editors complete from (coordinator/schema/).
// It knows the form of a value; what a value means is decided in groups-file.ts.
import * as v from 'valibot';
import { ServiceName } from '../../shared/checks.ts';
import { GroupName } from '../../shared/words.ts';
import { checkKeysAt, checkSchemas } from './checks-schema.ts';
import { NotificationEntry, ways } from './notifications.ts';

const text = (most: number) => v.pipe(v.string(), v.minLength(1), v.maxLength(most));
const list = <T extends v.GenericSchema>(item: T, most: number) =>
  v.pipe(v.array(item), v.minLength(1), v.maxLength(most));
const whole = (least: number, most: number) =>
  v.pipe(
    v.number(`expected a whole number from ${least} to ${most}`),
    v.integer(`expected a whole number from ${least} to ${most}`),
    v.minValue(least, `expected a whole number from ${least} to ${most}`),
    v.maxValue(most, `expected a whole number from ${least} to ${most}`),
  );
const described = <T extends v.GenericSchema>(schema: T, description: string) =>
  v.pipe(schema, v.description(description));

const durationWords = 'expected a duration such as 100ms, 1s or 1m';
const Duration = v.pipe(
  v.string(durationWords),
  v.maxLength(40, durationWords),
  v.regex(/^(\d+(\.\d+)?(ms|s|m|h|d))+$/, durationWords),
);

const interfaceWords = 'expected auto, default-route, an interface name or a pattern such as eth.*';
const Interface = v.pipe(
  v.string(interfaceWords),
  v.regex(/^[A-Za-z0-9_.@*+?[\]|^-]{1,64}$/, interfaceWords),
);

const addressWords = 'expected an address such as 192.168.1.100 or fd00::100';
const AddressText = v.pipe(v.string(addressWords), v.regex(/^[0-9A-Fa-f:./]{1,64}$/, addressWords));
const Address = v.union(
  [AddressText, v.strictObject({ address: AddressText, interface: v.optional(Interface) })],
  `${addressWords}, or {address: …, interface: …}`,
);

const expressionWords = 'expected a placement expression such as node.labels.zone == east';
const Members = list(
  v.pipe(v.string(expressionWords), v.minLength(1), v.maxLength(255, expressionWords)),
  32,
);

const priorityWords = 'expected a priority from 1 to 254 or a range such as 110-120';
const Tier = v.strictObject({
  members: described(Members, 'Placement expressions; all must hold for a node to be in this tier'),
  priority: described(
    v.union(
      [whole(1, 254), v.pipe(v.string(), v.regex(/^\d{1,3} ?[-–] ?\d{1,3}$/, priorityWords))],
      priorityWords,
    ),
    'Priority of the nodes of this tier, or the range they are spread over',
  ),
});

const Auth = v.strictObject({
  password: v.optional(described(text(255), 'At most 8 characters; prefer password_file')),
  password_file: v.optional(
    described(
      v.pipe(
        v.string(),
        v.regex(
          /^(\/run\/secrets\/)?[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}$/,
          'expected the name of a Docker secret, or /run/secrets/NAME',
        ),
      ),
      'Name of a Docker secret that the coordinator service mounts; it holds at most 8 characters',
    ),
  ),
});

const Garp = v.strictObject({
  delay: v.optional(described(whole(0, 3600), 'Seconds until the second set of announcements')),
  repeat: v.optional(described(whole(1, 100), 'Announcements per set')),
  refresh: v.optional(described(whole(0, 86_400), 'Seconds between announcements while holding; 0: none')),
  refresh_repeat: v.optional(described(whole(1, 100), 'Announcements per refresh')),
});

/** What `defaults` may say for all groups, and each group for itself. */
const shared = {
  members: v.optional(
    described(
      Members,
      'Placement expressions; all must hold. Without members and tiers: the nodes labelled with the group ' +
        '(swarm-vip.groups or keepalived_group)',
    ),
  ),
  tiers: v.optional(
    described(list(Tier, 16), 'First match counts, e.g. main site 110-120, same city 100-110'),
  ),
  preferred: v.optional(
    described(
      Members,
      'Placement expressions; nodes for which all hold lead where no label and no tier says who',
    ),
  ),
  follow: v.optional(
    described(
      ServiceName,
      'A Swarm service: only nodes on which a task of it runs, and is healthy, can hold the addresses',
    ),
  ),
  interface: v.optional(
    described(
      Interface,
      'auto (the one whose subnet holds the address), default-route, a name, or a pattern such as eth.*',
    ),
  ),
  interval: v.optional(described(Duration, 'VRRP advertisement interval; with a password whole seconds')),
  version: v.optional(described(v.picklist([2, 3], 'expected 2 or 3'), 'VRRP version; a password means 2')),
  auth: v.optional(described(Auth, 'VRRP simple password')),
  preempt: v.optional(
    described(
      v.boolean('expected true or false'),
      'false: a holder keeps the addresses when a higher member returns',
    ),
  ),
  preempt_delay: v.optional(described(Duration, 'How long a member that joins leaves a lower holder alone')),
  transport: v.optional(
    described(v.picklist(['unicast', 'multicast'], 'expected unicast or multicast'), 'How adverts travel'),
  ),
  track_interfaces: v.optional(
    described(
      list(
        v.pipe(v.string(), v.regex(/^[A-Za-z0-9][A-Za-z0-9_.@-]{0,14}$/, 'expected an interface name')),
        16,
      ),
      'Interfaces whose loss is a fault of the group on that node',
    ),
  ),
  garp: v.optional(described(Garp, 'Gratuitous ARP, as in keepalived.conf(5)')),
  vmac: v.optional(
    described(
      v.boolean('expected true or false'),
      'true: IPv4 addresses are on a macvlan with the MAC of the virtual router, 00:00:5e:00:01:ROUTER-ID',
    ),
  ),
  strict: v.optional(
    described(
      v.boolean('expected true or false'),
      'keepalived’s strict_mode: adherence to RFC 5798; needs transport multicast and an IPv4 address, no password',
    ),
  ),
  skip_check_adv_addr: v.optional(
    described(
      v.boolean('expected true or false'),
      'true: adverts of the same holder are not compared address by address',
    ),
  ),
  ...checkSchemas,
};

const vmacWords =
  'expected true, false, or a name of at most 15 characters for the interface, not beginning with vrrp';

export const GroupEntry = v.strictObject({
  addresses: described(list(Address, 512), 'Addresses that move together, IPv4 and IPv6'),
  router_id: v.optional(
    described(
      v.union([v.literal('auto'), whole(1, 255)], 'expected auto or a whole number from 1 to 255'),
      'Virtual router id, unique on the network',
    ),
  ),
  ...shared,
  vmac: v.optional(
    described(
      v.union(
        [
          v.boolean(),
          v.pipe(v.string(), v.regex(/^(?!vrrp|lo$)[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$/, vmacWords)),
        ],
        vmacWords,
      ),
      'true: IPv4 addresses are on a macvlan with the MAC of the virtual router, 00:00:5e:00:01:ROUTER-ID; a name: that of the macvlan',
    ),
  ),
});
export type GroupEntry = v.InferOutput<typeof GroupEntry>;

export const Defaults = v.strictObject(shared);
export type Defaults = v.InferOutput<typeof Defaults>;

/** The whole file, for editors; the coordinator reads group by group, so that one never stops another. */
export const GroupsFile = v.strictObject({
  defaults: v.optional(described(Defaults, 'For every group that does not say otherwise')),
  groups: described(v.record(GroupName, GroupEntry), 'Groups by name'),
  notifications: v.optional(
    described(v.record(GroupName, NotificationEntry), 'Who is told what happens, by name'),
  ),
});

/** Known words of the design that this version cannot do. */
export const notYet: ReadonlySet<string> = new Set(['real_servers', 'routes', 'virtual_servers']);

/** The keys that may stand where a path leads, within a group or the defaults. */
export function keysAt(
  schema: typeof GroupEntry | typeof Defaults | typeof NotificationEntry,
  path: readonly (string | number)[],
): string[] {
  const [field] = path;
  if (field === 'checks' && path.length > 2) return checkKeysAt(path);
  const inner = path.length < 2 ? undefined : { auth: Auth, garp: Garp, tiers: Tier, ...ways }[String(field)];
  return Object.keys((inner ?? schema).entries);
}
