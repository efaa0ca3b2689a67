// One group as the schema let it through → a group as the plan needs it. Values that VRRP cannot carry are bent aloud.
import { type Check, maxChecks } from '../../shared/checks.ts';
import { defaultIntervalMs } from '../../shared/timers.ts';
import { familyOf, type GroupName } from '../../shared/words.ts';
import { parseDurationMs } from './duration.ts';
import type { Group, Tier } from './groups.ts';
import { readChecks, readScript } from './groups-file-checks.ts';
import { readVrrpOptions } from './groups-file-vrrp.ts';
import type { Defaults, GroupEntry } from './groups-schema.ts';
import { bendInterval, type Complaint, readAddress, readInterface, readPassword } from './groups-values.ts';
import { type Expression, readExpression } from './placement.ts';
import { byDefault, type GroupField, provenanceOf } from './provenance.ts';
import { readable } from './readable.ts';

export interface FieldContext {
  name: GroupName;
  /** "config groups-7, line 12" */
  source: string;
  secrets: Readonly<Record<string, string>> | undefined;
  /** Provenance of a field. */
  originOf(field: keyof GroupEntry): string;
  complain(field: keyof GroupEntry, complaint: Complaint, ...more: (string | number)[]): void;
}

type Entry = Pick<GroupEntry, 'addresses' | 'router_id' | 'vmac'> & Omit<Defaults, 'vmac'>;

/** @returns undefined when no address, or no rule of membership, can be used */
export function groupFromEntry(entry: Entry, context: FieldContext): Group | undefined {
  const addresses = readAddresses(entry, context);
  const [first, ...rest] = addresses.keys();
  const members = entry.members && readExpressions(entry.members, context, 'members');
  const tiers = entry.tiers && readTiers(entry.tiers, context);
  if (first === undefined) {
    context.complain('addresses', {
      code: 'group-without-address',
      severity: 'error',
      message: 'expected at least one usable address, found none',
      instead: 'the group is not served',
      remedy: 'add an address such as 192.168.1.100',
    });
  }
  if (first === undefined || members === 'unusable' || tiers === 'unusable') return undefined;
  const password = readAuth(entry.auth, context);
  const version = readVersion(entry.version, password, context);
  const wishes = [...addresses].flatMap(([address, wish]) => (wish === undefined ? [] : [[address, wish]]));
  const preferred = entry.preferred && readExpressions(entry.preferred, context, 'preferred');
  const checks = readAllChecks(entry, context);
  const delayMs =
    entry.preempt_delay === undefined ? 0 : readDelay(parseDurationMs(entry.preempt_delay) ?? 0, context);
  const family = [first, ...rest].some((address) => familyOf(address) === 4) ? 4 : 6;
  return {
    name: context.name,
    addresses: [first, ...rest],
    family,
    interface: readInterface(entry.interface ?? '', (it) =>
      context.complain('interface', { ...it, severity: 'error' }),
    ),
    routerId: typeof entry.router_id === 'number' ? entry.router_id : undefined,
    password,
    version,
    intervalMs:
      entry.interval === undefined
        ? defaultIntervalMs[version]
        : bendInterval(parseDurationMs(entry.interval) ?? 0, version, (it) =>
            context.complain('interval', it),
          ),
    source: context.source,
    origin: 'file',
    provenance: provenanceOf((field) => provenance(field, entry, password, context)),
    ...(members ? { members } : {}),
    ...(tiers ? { tiers } : {}),
    ...(preferred && preferred !== 'unusable' ? { preferred } : {}),
    ...(entry.transport === 'multicast' ? { transport: 'multicast' as const } : {}),
    ...(entry.preempt === false ? { preempt: false } : {}),
    ...(delayMs > 0 ? { preemptDelayMs: delayMs } : {}),
    ...(wishes.length > 0 ? { addressInterfaces: Object.fromEntries(wishes) } : {}),
    ...(entry.track_interfaces ? { trackInterfaces: [...new Set(entry.track_interfaces)] } : {}),
    ...(entry.garp && Object.keys(entry.garp).length > 0 ? { garp: readGarp(entry.garp) } : {}),
    ...readVrrpOptions(entry, { version, family }, context),
    ...(checks.length > 0 ? { checks } : {}),
    ...(entry.notify === undefined ? {} : { notify: readScript(entry.notify) }),
  };
}

function provenance(
  field: GroupField,
  entry: Entry,
  password: string | undefined,
  context: FieldContext,
): string {
  if (field === 'members' && entry.members === undefined && entry.tiers !== undefined)
    return context.originOf('tiers');
  if (field === 'checks' && entry.checks === undefined && entry.follow !== undefined)
    return context.originOf('follow');
  const from = context.originOf(field);
  const forced = field === 'version' || (field === 'interval' && from === byDefault);
  return password !== undefined && forced ? `because of the password, ${context.originOf('auth')}` : from;
}

function readAddresses(entry: Entry, context: FieldContext): Map<string, string | undefined> {
  const addresses = new Map<string, string | undefined>();
  entry.addresses.forEach((item, index) => {
    const { address: text, interface: wish } =
      typeof item === 'string' ? { address: item, interface: undefined } : item;
    const address = readAddress(text, (it) => context.complain('addresses', it, index));
    if (address === undefined) return;
    if (addresses.has(address)) {
      context.complain(
        'addresses',
        {
          code: 'address-twice',
          severity: 'warning',
          value: readable(text),
          message: 'expected each address once',
          instead: 'the first one counts',
          remedy: 'remove one of the two',
        },
        index,
      );
      return;
    }
    const complain = (it: Complaint) => context.complain('addresses', { ...it, severity: 'error' }, index);
    addresses.set(address, wish === undefined ? undefined : readInterface(wish, complain));
  });
  return addresses;
}

/** To follow a service is a check of it, before all others. */
function readAllChecks({ follow, checks = [] }: Entry, context: FieldContext): Check[] {
  const followed = follow === undefined ? [] : [{ name: 'follow', service: follow }];
  const read = readChecks([...followed, ...checks], (complaint, index, ...more) => {
    if (index < followed.length) context.complain('follow', complaint);
    else context.complain('checks', complaint, index - followed.length, ...more);
  });
  if (read.length > maxChecks) {
    context.complain('checks', {
      code: 'too-many-checks',
      severity: 'error',
      message: `expected at most ${maxChecks} checks, the one that follow stands for included`,
      instead: 'the last one is left out',
      remedy: 'remove one',
    });
  }
  return read.slice(0, maxChecks);
}

function readExpressions(
  texts: readonly string[],
  context: FieldContext,
  field: 'members' | 'tiers' | 'preferred',
  ...more: (string | number)[]
): Expression[] | 'unusable' {
  const expressions: Expression[] = [];
  texts.forEach((text, index) => {
    const read = readExpression(text);
    if (read.ok) {
      expressions.push(read.expression);
      return;
    }
    const { message, remedy } = read;
    const instead = field === 'preferred' ? 'nobody is preferred' : 'the group is not served';
    const complaint: Complaint = { code: 'placement-invalid', severity: 'error', message, instead, remedy };
    context.complain(field, { ...complaint, value: readable(text) }, ...more, index);
  });
  return expressions.length === texts.length ? expressions : 'unusable';
}

function readTiers(entries: NonNullable<Entry['tiers']>, context: FieldContext): Tier[] | 'unusable' {
  const tiers = entries.map(({ members, priority }, index): Tier | 'unusable' => {
    const expressions = readExpressions(members, context, 'tiers', index, 'members');
    const [from = 0, to = from] = String(priority)
      .split(/[-–]/)
      .map((part) => Number(part.trim()));
    const lowest = Math.min(from, to);
    const highest = Math.max(from, to);
    if (lowest < 1 || highest > 254) {
      context.complain(
        'tiers',
        {
          code: 'priority-invalid',
          severity: 'error',
          value: readable(String(priority)),
          message: 'expected priorities from 1 to 254',
          instead: 'the group is not served',
          remedy: 'write a range such as 110-120',
        },
        index,
        'priority',
      );
      return 'unusable';
    }
    return expressions === 'unusable' ? 'unusable' : { members: expressions, lowest, highest };
  });
  const usable = tiers.filter((tier) => tier !== 'unusable');
  return usable.length === tiers.length ? usable : 'unusable';
}

function readAuth(auth: Entry['auth'], context: FieldContext): string | undefined {
  if (!auth) return undefined;
  const complain = (code: string, message: string, instead: string, remedy: string) =>
    context.complain('auth', { code, severity: 'error', message, instead, remedy });
  if (auth.password_file === undefined) {
    if (auth.password === undefined) {
      complain(
        'auth-empty',
        'expected password or password_file',
        'no password is used',
        'add one, or remove auth',
      );
    }
    return readPassword(auth.password ?? '', (it) => context.complain('auth', it, 'password'));
  }
  if (auth.password !== undefined) {
    complain(
      'auth-twice',
      'expected password or password_file, found both',
      'password_file counts',
      'remove one',
    );
  }
  // Offline nobody knows the secret; the asterisks stand for it.
  if (context.secrets === undefined) return '********';
  const name = auth.password_file.replace(/^\/run\/secrets\//, '');
  const secret = Object.hasOwn(context.secrets, name) ? context.secrets[name] : undefined;
  if (secret === undefined || secret === '') {
    complain(
      'password-file-missing',
      `the coordinator has no secret ${readable(name)} with a password of 1 to 8 characters`,
      'no password is used',
      `docker service update --secret-add ${name} the coordinator service`,
    );
    return undefined;
  }
  return readPassword(secret, (it) => context.complain('auth', it, 'password_file'));
}

function readVersion(version: 2 | 3 | undefined, password: string | undefined, context: FieldContext): 2 | 3 {
  if (password === undefined) return version ?? 3;
  if (version === 3) {
    context.complain('version', {
      code: 'version-bent',
      severity: 'warning',
      value: '3',
      message: 'VRRP version 3 has no password (RFC 5798 §9)',
      instead: 'version 2 is used',
      remedy: 'write version: 2, or remove the password',
    });
  }
  return 2;
}

const maxDelayMs = 1_000_000;

function readDelay(delayMs: number, context: FieldContext): number {
  if (delayMs <= maxDelayMs) return delayMs;
  context.complain('preempt_delay', {
    code: 'preempt-delay-bent',
    severity: 'warning',
    value: `${delayMs} ms`,
    message: 'expected at most 1000 s, as keepalived does',
    instead: '1000 s are used',
    remedy: 'write 1000s or less',
  });
  return maxDelayMs;
}

function readGarp({ delay, repeat, refresh, refresh_repeat: refreshRepeat }: NonNullable<Entry['garp']>) {
  return {
    ...(delay === undefined ? {} : { delay }),
    ...(repeat === undefined ? {} : { repeat }),
    ...(refresh === undefined ? {} : { refresh }),
    ...(refreshRepeat === undefined ? {} : { refreshRepeat }),
  };
}
