// A change of state → words for people, and the fields of the one line that a log says of it, the same on the node and at
// the coordinators.
import type { StateTransition } from './protocol.ts';

/** For people: why an instance changed its state. */
export function causeWords(
  { cause, peer, detail, priority }: StateTransition,
  names: ReadonlyMap<string, string> = new Map(),
): string {
  const other = peer ? (names.get(peer.address) ?? peer.address) : 'another member';
  const theirs = peer?.priority === undefined ? '' : ` (${peer.priority} against ${priority})`;
  switch (cause) {
    case 'higher-priority':
      return `${other} has the higher priority${theirs}${detail === undefined ? '' : `; ${detail}`}`;
    case 'preempted':
      return `${other} has the lower priority${theirs}`;
    case 'resigned':
      return 'the holder gave it up';
    case 'silence':
      return 'the holder was not heard any more';
    case 'interface-down':
      return `interface ${detail ?? '?'} went down`;
    case 'address-removed':
      return `somebody removed ${detail ?? 'an address'} from the interface`;
    case 'held-back':
      return detail ?? 'held back';
    case 'crashed':
      return 'keepalived ended by itself';
    case 'stopped':
      return 'keepalived stopped running it';
    case 'started':
      return 'keepalived began to run it';
    case 'resumed':
      return 'takes part again';
    case 'unseen':
      return 'happened while no agent watched';
    case 'unknown':
      return 'keepalived did not say why';
  }
}

/** The cause, and whose will it was. */
export const reasonWords = (entry: StateTransition, names?: ReadonlyMap<string, string>): string =>
  [causeWords(entry, names), entry.order].filter(Boolean).join('; ');

/** @param basePriority what keepalived was given, as far as it is known; `priority` is what came of it */
export function transitionFields(entry: StateTransition, basePriority: number | undefined) {
  const { group, from, to, cause, priority, peer, atMs } = entry;
  return {
    event: 'transition',
    ...{ group, from, to, reason: reasonWords(entry), cause, priority, basePriority },
    ...(peer ? { peer: peer.address, peerPriority: peer.priority } : {}),
    at: new Date(atMs).toISOString(),
  };
}
