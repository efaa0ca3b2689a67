// Values of a group, the same for the operator's env and groups.yaml. Whatever keepalived would bend silently is bent
// here aloud, so that the address comes up and the operator learns why it differs.
import ipaddr from 'ipaddr.js';
import * as v from 'valibot';
import type { Problem } from '../../shared/problem.ts';
import { canonicalAddress, familyOf, GroupName, InterfaceName } from '../../shared/words.ts';
import { readable } from './readable.ts';

/** A problem without its place. */
export type Complaint = Omit<Problem, 'where' | 'group' | 'node'>;
export type Complain = (complaint: Complaint) => void;

const passwordLimit = 8;
export const maxAddresses = 512;

/** @param remedy where else the name stands */
export function readGroupName(text: string, remedy: string, complain: Complain): GroupName | undefined {
  const read = v.safeParse(GroupName, text);
  if (read.success) return read.output;
  const [{ message }] = read.issues;
  complain({
    ...{ code: 'group-name-invalid', severity: 'error', value: readable(text), message },
    ...{ instead: 'the group is not served', remedy },
  });
  return undefined;
}

/** "10.0.0.1", "10.0.0.1/24" → "10.0.0.1/32"; undefined when it cannot be a virtual address. */
export function readAddress(item: string, complain: Complain): string | undefined {
  const refuse = (code: string, message: string, remedy: string) => {
    const instead = 'this address is left out, the others are served';
    complain({ code, severity: 'error', value: readable(item), message, instead, remedy });
    return undefined;
  };
  const [host = '', prefix, ...more] = item.split('/');
  const address = canonicalAddress(host);
  if (address === undefined || more.length > 0 || (prefix !== undefined && !/^\d{1,3}$/.test(prefix))) {
    return refuse('address-invalid', 'expected an IPv4 or IPv6 address', 'correct or remove it');
  }
  const range: string = ipaddr.parse(address).range();
  if (unusableRanges.has(range)) {
    const message = `a ${range} address cannot be a virtual IP`;
    return refuse('address-unusable', message, 'choose a unicast address');
  }
  const full = `${address}/${familyOf(address) === 4 ? 32 : 128}`;
  if (prefix !== undefined && `${address}/${prefix}` !== full) {
    complain({
      code: 'prefix-narrowed',
      severity: 'warning',
      value: readable(item),
      message: 'a prefix wider than the host can take a node’s own addresses along when the address moves',
      instead: `${full} is used, which answers the same clients`,
      remedy: `write ${address}`,
    });
  }
  return full;
}

const unusableRanges = new Set([
  'unspecified',
  'loopback',
  'multicast',
  'broadcast',
  'linkLocal',
  'reserved',
  'ipv4Mapped',
]);

/** The first 8 characters that keepalived.conf can carry; never quoted in a complaint. */
export function readPassword(text: string, complain: Complain): string | undefined {
  if (text === '') return undefined;
  const literal = [...text].filter((c) => /^[\x21-\x7e]$/.test(c) && !'"\'{}!#$@\\'.includes(c)).join('');
  const used = literal.slice(0, passwordLimit);
  if (literal !== text) {
    complain({
      code: 'password-characters-dropped',
      severity: 'warning',
      message:
        'expected printable ASCII without spaces and " \' { } ! # $ @ \\, which keepalived.conf cannot carry',
      instead: used === '' ? 'no password is used' : 'all members use the password without these characters',
      remedy: 'choose a password of at most 8 letters and digits',
    });
  }
  if (literal.length > passwordLimit) {
    complain({
      code: 'password-cut',
      severity: 'warning',
      message: `expected at most ${passwordLimit} characters (RFC 2338 §5.3.6.1), found ${literal.length}`,
      instead: `all members use the first ${passwordLimit} characters, as keepalived does`,
      remedy: `set a password of at most ${passwordLimit} characters`,
    });
  }
  return used === '' ? undefined : used;
}

export const defaultRoute = 'default-route';

/** Which interface is meant: a name, a pattern that must match all of a name, or the one of the default route. */
export type InterfaceWish = { name: string } | { pattern: RegExp } | { defaultRoute: true };

/** Undefined when the text is none of them. Patterns have no groups and few repetitions, so that matching stays cheap. */
export function readInterfaceWish(text: string): InterfaceWish | undefined {
  if (text === defaultRoute) return { defaultRoute: true };
  const name = v.safeParse(InterfaceName, text);
  if (name.success) return { name: name.output };
  if (!/^[A-Za-z0-9_.@*+?[\]|^-]{1,64}$/.test(text)) return undefined;
  if ((text.match(/[*+?]/g) ?? []).length > 4) return undefined;
  try {
    return { pattern: new RegExp(`^(?:${text})$`) };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** "auto" and "" → undefined, which means: the interface whose subnet holds the address. */
export function readInterface(text: string, complain: Complain): string | undefined {
  if (text === '' || text === 'auto') return undefined;
  if (readInterfaceWish(text)) return text;
  complain({
    code: 'interface-invalid',
    severity: 'warning',
    value: readable(text),
    message:
      'expected auto, default-route, an interface name of at most 15 characters, or a pattern such as eth.*',
    instead: 'each node uses the interface whose subnet holds the address',
    remedy: 'name an interface, or remove the value',
  });
  return undefined;
}

/** Advertisement interval as VRRP can carry it; milliseconds. Sources: RFC 3768 §5.3.7, RFC 5798 §5.2.7. */
export function bendInterval(wantedMs: number, version: 2 | 3, complain: Complain): number {
  const unit = version === 2 ? 1_000 : 10;
  const most = version === 2 ? 40_000 : 40_950;
  const usedMs = Math.min(most, Math.max(unit, Math.ceil(wantedMs / unit - 1e-9) * unit));
  if (usedMs !== wantedMs) {
    complain({
      code: 'interval-bent',
      severity: 'warning',
      value: `${wantedMs} ms`,
      message: `version ${version} carries intervals from ${unit} ms to ${most} ms in steps of ${unit} ms`,
      instead: `${usedMs} ms is used`,
      remedy:
        version === 2 ? 'write whole seconds, or leave the password and version 2 out' : 'write such a value',
    });
  } else if (usedMs < 50) {
    complain({
      code: 'interval-short',
      severity: 'warning',
      value: `${wantedMs} ms`,
      message: 'below 50 ms a busy or throttled node can miss adverts, which is a false failover',
      instead: 'it is used as written',
      remedy: 'write 100ms, unless you measured that your nodes keep up',
    });
  }
  return usedMs;
}
