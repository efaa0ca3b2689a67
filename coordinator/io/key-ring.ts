// The keys that agents may prove: those that an operator mounted, or one that all coordinators derive alike from Swarm's
// worker join token. More than one while one replaces another, so that each agent changes when it is started with the
// new one, and none is cut off in between: a mounted key is good as long as it is mounted, a derived one for an hour
// after the token was rotated.
import { hkdfSync } from 'node:crypto';
import { keyName } from '../../shared/io/psk-identity.ts';

/** Longer than a rolling update of many agents takes. */
export const formerKeyMs = 3_600_000;

export interface KeyRing {
  /** The newest; undefined as long as Swarm has not been read. */
  current(): Buffer | undefined;
  /** By name; undefined for one that is not good, or no more. Without a name the newest. */
  find(name: string | undefined): Buffer | undefined;
  /** Returns whether that made a new key. */
  renew(joinToken: string): boolean;
}

/** @param mounted the newest first; none: the key is derived */
export function createKeyRing(mounted: readonly Buffer[], now: () => number): KeyRing {
  let keys = mounted.map((key) => ({ key, name: keyName(key), untilMs: Number.POSITIVE_INFINITY }));
  const add = (key: Buffer) => {
    keys = [
      { key, name: keyName(key), untilMs: Number.POSITIVE_INFINITY },
      ...keys.map((each) => ({ ...each, untilMs: Math.min(each.untilMs, now() + formerKeyMs) })),
    ];
  };
  return {
    current: () => keys[0]?.key,
    find: (name) =>
      name === undefined
        ? keys[0]?.key
        : keys.find((each) => each.name === name && each.untilMs > now())?.key,
    renew(joinToken) {
      if (mounted.length > 0) return false;
      const key = deriveKey(joinToken);
      if (keys[0]?.name === keyName(key)) return false;
      keys = keys.filter(({ name, untilMs }) => untilMs > now() && name !== keyName(key));
      add(key);
      return true;
    },
  };
}

/** As text, because agents read it from a file. The token has 128 random bits; who has it may join as a worker. */
export const deriveKey = (joinToken: string): Buffer =>
  Buffer.from(
    Buffer.from(hkdfSync('sha256', joinToken, '', 'swarm-vip agents 1', 32)).toString('hex'),
    'utf8',
  );
