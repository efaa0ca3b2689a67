// Adverts that keepalived refuses → named problems. It only writes them to its log, line by line; one line may be the
// trace of a change that is under way, lines that go on are somebody who does not understand us or whom we do not know.
// Texts: keepalived 2.2.7 (vrrp.c), with the sender that later versions add.
import type { Problem } from '../../shared/problem.ts';

type Kind = 'password' | 'interval' | 'version' | 'vrid' | 'source' | 'ttl';

export interface AdvertFault {
  readonly group: string;
  readonly kind: Kind;
  /** keepalived's own words. */
  readonly words: string;
}

const patterns: readonly (readonly [Kind, RegExp])[] = [
  ['password', /^received an invalid passwd/],
  ['interval', /^advertisement interval mismatch/],
  ['version', /^wrong version\./],
  ['vrid', /^received an unexpected ip number count|^ip address associated with VRID \d+ not present/],
  ['source', /^unicast source address \S+ not a unicast peer/],
  ['ttl', /^TTL\/HL \d+ .*not in range/],
];

/** Undefined for a line that is none. Never throws. */
export function readAdvertFault(text: string): AdvertFault | undefined {
  const [, group, words] = /^\(([^)]{1,63})\) (.*)$/.exec(text) ?? [];
  if (group === undefined || words === undefined) return undefined;
  const kind = patterns.find(([, pattern]) => pattern.test(words))?.[0];
  return kind && { group, kind, words: words.slice(0, 200) };
}

/** Heard for longer than an ordered change takes, without a break of so much. */
const lastsMs = 5_000;
const breakMs = 10_000;

interface Heard {
  readonly fault: AdvertFault;
  readonly firstMs: number;
  readonly lastMs: number;
}
/** By group and kind. */
export type AdvertFaults = ReadonlyMap<string, Heard>;

export function hearFault(faults: AdvertFaults, fault: AdvertFault, nowMs: number): AdvertFaults {
  const key = `${fault.group} ${fault.kind}`;
  const known = faults.get(key);
  const firstMs = known && nowMs - known.lastMs < breakMs ? known.firstMs : nowMs;
  return new Map(faults).set(key, { fault, firstMs, lastMs: nowMs });
}

/** Those that go on. */
export function lasting(faults: AdvertFaults, nowMs: number): AdvertFault[] {
  return [...faults.values()]
    .filter(({ firstMs, lastMs }) => lastMs - firstMs >= lastsMs && nowMs - lastMs < breakMs)
    .map(({ fault }) => fault);
}

export function faultProblem({ group, kind, words }: AdvertFault): Problem {
  return {
    code: `advert-${kind}`,
    severity: 'warning',
    where: `group ${group}`,
    group,
    message: `keepalived refuses adverts that reach it: ${words}`,
    instead: 'they are ignored; whoever sends them may hold the addresses at the same time',
    remedy: remedies[kind],
  };
}

const remedies: Readonly<Record<Kind, string>> = {
  password: 'look for a router outside this Swarm with the same VRID, or for a node that missed a change',
  interval: 'look for a router outside this Swarm with the same VRID, or for a node that missed a change',
  version: 'look for a router outside this Swarm with the same VRID, or for a node that missed a change',
  vrid: 'somebody else uses this VRID on the network: give the group another router_id',
  source: 'a node sends adverts that is no member any more, or from another address than its peers know',
  ttl: 'something forwards or forges adverts: VRRP does not cross routers',
};
