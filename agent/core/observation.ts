// Adverts on the wire, the kernel's addresses and foreign VRRP sockets → what somebody else's keepalived does here: what
// of it an observed group sees, what it makes our own instances stay out of, and what is wrong with that.
//
// A hand-run keepalived and ours are never one virtual router, even with the same VRID, password and interval: ours
// advertises its anchor, the other one its addresses, and keepalived refuses adverts with other addresses than its own.
import type { Problem } from '../../shared/problem.ts';
import type { AssignedInstance, ObservedInstance, SeenAdvert } from '../../shared/protocol.ts';
import { anchorOf, type PlacedAddress } from './anchor.ts';
import type { KernelInterface } from './kernel.ts';

/** An advert, and when it came last (monotonic). */
export interface Heard {
  readonly advert: SeenAdvert;
  readonly sentHere: boolean;
  readonly atMs: number;
}
/** By interface, source, VRID and version. */
export type HeardAdverts = ReadonlyMap<string, Heard>;

const limit = 256;
/** The sensor repeats itself every quarter of a second at most. */
const slackMs = 750;

/** Priority 0 is the last word of a holder that stops. */
export function hearAdvert(heard: HeardAdverts, news: Heard): HeardAdverts {
  const { interface: link, source, vrid, version, priority } = news.advert;
  const key = [link, source, vrid, version].join(' ');
  const next = new Map(heard);
  next.delete(key);
  if (priority > 0) next.set(key, news);
  return next.size > limit ? new Map([...next].slice(-limit)) : next;
}

/** Those whose sender has not fallen silent. */
export function livingAdverts(heard: HeardAdverts, nowMs: number): HeardAdverts {
  const living = [...heard].filter(([, { advert, atMs }]) => nowMs - atMs < 3 * advert.intervalMs + slackMs);
  return living.length === heard.size ? heard : new Map(living);
}

/** One that passes this host as a bridge leaves it, too; only one from an own address is sent by it. */
export function isOwnSource(kernel: readonly KernelInterface[], source: string): boolean {
  return kernel.some((link) => link.addresses.some(({ address }) => address === source));
}

export interface Surroundings {
  readonly kernel: readonly KernelInterface[];
  readonly heard: HeardAdverts;
  /** Somebody on this host, not the agent, has a VRRP socket open. */
  readonly keepalived: boolean;
}

const plain = (address: string) => address.replace(/\/.*/, '');

/** What is there of the group's addresses, whatever prefix an operator has given them. */
function present(
  kernel: readonly KernelInterface[],
  addresses: readonly string[],
): { found: string; placed: PlacedAddress }[] {
  return addresses.flatMap((found) =>
    kernel
      .filter((link) => !link.loopback)
      .flatMap((link) =>
        link.addresses
          .filter(({ address }) => address === plain(found))
          .map(({ address, prefix }) => ({
            found,
            placed: { address: `${address}/${prefix}`, interface: link.name },
          })),
      ),
  );
}

/** Which of its addresses the kernel has outside lo. */
export function presentOf({ addresses }: AssignedInstance, { kernel }: Surroundings): string[] {
  return [...new Set(present(kernel, addresses).map(({ found }) => found))];
}

/** Sent by one of ours: it carries nothing but the anchor of its VRID. */
export const isOurs = ({ addresses, vrid, source }: SeenAdvert): boolean =>
  addresses.length === 1 && addresses[0] === plain(anchorOf({ vrid, source }).address);

const shares = ({ addresses }: AssignedInstance, advert: SeenAdvert): boolean =>
  advert.addresses.some((address) => addresses.map(plain).includes(address));

function concerns(instance: AssignedInstance, advert: SeenAdvert): boolean {
  return (
    shares(instance, advert) || (advert.vrid === instance.vrid && advert.interface === instance.interface)
  );
}

export type Observed = Omit<ObservedInstance, 'stateSinceMs'>;

export function observe(instance: AssignedInstance, around: Surroundings): Observed {
  const { heard, keepalived } = around;
  const held = presentOf(instance, around);
  const adverts = [...heard.values()]
    .filter(({ advert }) => concerns(instance, advert) && !isOurs(advert))
    // What this host says itself first, then the addresses before the mere number, then the strongest.
    .sort(
      (a, b) =>
        Number(b.sentHere) - Number(a.sentHere) ||
        b.advert.addresses.length - a.advert.addresses.length ||
        b.advert.priority - a.advert.priority,
    );
  const [best] = adverts;
  return {
    group: instance.group,
    vrid: instance.vrid,
    interface: instance.interface,
    addresses: instance.addresses,
    state: held.length > 0 ? 'MASTER' : keepalived ? 'BACKUP' : 'INIT',
    held,
    keepalived,
    advert: best ? { ...best.advert, sentHere: best.sentHere } : null,
  };
}

/** Adverts of this host that are not ours and mean an instance: its number on its interface, or its addresses. */
export function foreignAdvert(instance: AssignedInstance, heard: HeardAdverts): SeenAdvert | undefined {
  return [...heard.values()].find(
    ({ advert, sentHere }) => sentHere && !isOurs(advert) && concerns(instance, advert),
  )?.advert;
}

/** Somebody sends adverts for its addresses; ours carry the anchor alone. The number of a stranger's router says nothing. */
export function isAdvertised(instance: AssignedInstance, heard: HeardAdverts, byThisHost: boolean): boolean {
  const means = (advert: SeenAdvert) =>
    shares(instance, advert) ||
    (isOurs(advert) && advert.vrid === instance.vrid && advert.interface === instance.interface);
  return [...heard.values()].some(({ advert, sentHere }) => sentHere === byThisHost && means(advert));
}

/**
 * Why an instance that does not run yet must not begin: keepalived would take over, and later take away, what somebody
 * else has put on this node.
 */
export function whyOccupied(
  instance: AssignedInstance,
  { kernel, heard }: Surroundings,
  recorded: readonly PlacedAddress[],
): string | undefined {
  const own = new Set(recorded.map(({ address, interface: link }) => `${address} ${link}`));
  const foreign = present(kernel, instance.addresses).find(
    ({ placed }) => !own.has(`${placed.address} ${placed.interface}`),
  );
  if (foreign) {
    const { address, interface: link } = foreign.placed;
    return `${address} is on ${link} of this node already, and this agent did not put it there`;
  }
  const advert = foreignAdvert(instance, heard);
  return advert && `another keepalived on this node ${advertWords(advert)}`;
}

export function advertWords({ vrid, interface: link, priority, addresses }: SeenAdvert): string {
  return `sends adverts of VRID ${vrid} on ${link}, priority ${priority}, for ${addresses.join(' ') || 'nothing'}`;
}

export function occupiedProblem(group: string, message: string): Problem {
  return {
    code: 'occupied',
    severity: 'error',
    where: `group ${group}`,
    group,
    message,
    instead: 'this node stays out of the group, and leaves alone what is there',
    remedy:
      'stop the other keepalived (systemctl disable --now keepalived) or take the address away; until then the node ' +
      'label swarm-vip.observe=yes makes the agent look on only',
  };
}

/** @param touches one of our groups is meant */
export function foreignProblem(adverts: readonly SeenAdvert[], touches: boolean): Problem {
  const words = [...new Set(adverts.map(advertWords))].slice(0, 5);
  return {
    code: 'foreign-keepalived',
    severity: touches ? 'error' : 'warning',
    where: 'this host',
    message: `a VRRP daemon that is not the agent’s runs on this host: it ${words.join('; it ') || 'sends nothing now'}`,
    instead: touches
      ? 'it is left alone, and so is what it has put up; it may hold an address of ours at the same time'
      : 'it is left alone',
    remedy:
      'if it is for other addresses and another VRID, nothing; else stop it (systemctl disable --now keepalived), or ' +
      'set the node label swarm-vip.observe=yes',
  };
}
