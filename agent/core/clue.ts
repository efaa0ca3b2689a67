// keepalived's log lines → what they tell about the next change of state. Texts: keepalived 2.2.7, with -D.
import { canonicalAddress } from '../../shared/words.ts';

export type Clue =
  | { readonly kind: 'silence' }
  | { readonly kind: 'resigned' }
  | { readonly kind: 'lower' | 'higher'; readonly address: string; readonly priority: number | undefined }
  | { readonly kind: 'track-file'; readonly name: string }
  | { readonly kind: 'interface-down'; readonly name: string }
  | { readonly kind: 'address-removed'; readonly address: string };

export interface FoundClue {
  /** Undefined: it concerns every instance on the node. */
  readonly group: string | undefined;
  readonly clue: Clue;
}

const ofInstance = /^\((?<group>[^)]{1,63})\):? (?<rest>.*)$/;
const lower = /^received lower priority \((?<priority>\d+)\) advert from (?<address>\S+) - discarding/;
const higher =
  /^Master received advert from (?<address>\S+) with (?:higher priority (?<priority>\d+)|same priority (?<same>\d+) but higher IP address)/;
const trackFile = /^tracked file (?<name>\S+) now FAULT state/;
const linkDown = /^Netlink reports (?<name>\S+) down/;
const removed = /^Netlink reflector reports IP (?<address>\S+) removed from /;

/** Undefined for a line that explains nothing. Never throws. */
export function readClue(text: string): FoundClue | undefined {
  const { group, rest } = ofInstance.exec(text)?.groups ?? {};
  if (group !== undefined && rest !== undefined) {
    const clue = instanceClue(rest);
    return clue && { group, clue };
  }
  const link = linkDown.exec(text)?.groups?.['name'];
  if (link !== undefined) return { group: undefined, clue: { kind: 'interface-down', name: link } };
  const address = canonicalAddress(removed.exec(text)?.groups?.['address'] ?? '');
  return address === undefined ? undefined : { group: undefined, clue: { kind: 'address-removed', address } };
}

function instanceClue(rest: string): Clue | undefined {
  if (rest === 'Receive advertisement timeout') return { kind: 'silence' };
  if (rest.startsWith('Backup received priority 0')) return { kind: 'resigned' };
  const file = trackFile.exec(rest)?.groups?.['name'];
  if (file !== undefined) return { kind: 'track-file', name: file };
  return advertClue('lower', lower.exec(rest)) ?? advertClue('higher', higher.exec(rest));
}

function advertClue(kind: 'lower' | 'higher', match: RegExpExecArray | null): Clue | undefined {
  const { address: text = '', priority, same } = match?.groups ?? {};
  const address = canonicalAddress(text);
  const digits = priority ?? same;
  return address === undefined
    ? undefined
    : { kind, address, priority: digits === undefined ? undefined : Number(digits) };
}
