// The keys that agents may prove: one that an operator mounted, or one that all coordinators derive alike from Swarm's
// worker join token. A rotated token makes a new key; the former stays good until the agents have got the new one.
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

export function createKeyRing(mounted: Buffer | undefined, now: () => number): KeyRing {
  let keys: { key: Buffer; name: string; untilMs: number }[] = [];
  const add = (key: Buffer) => {
    keys = [
      { key, name: keyName(key), untilMs: Number.POSITIVE_INFINITY },
      ...keys.map((each) => ({ ...each, untilMs: Math.min(each.untilMs, now() + formerKeyMs) })),
    ];
  };
  if (mounted) add(mounted);
  return {
    current: () => keys[0]?.key,
    find: (name) =>
      name === undefined
        ? keys[0]?.key
        : keys.find((each) => each.name === name && each.untilMs > now())?.key,
    renew(joinToken) {
      if (mounted) return false;
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
