// The keys that agents may prove. More than one while one replaces another, so that each agent changes when it is
// started with the new one, and none is cut off in between.
import { keyName } from '../../shared/io/psk-identity.ts';

export interface KeyRing {
  /** By name; undefined for one that is not good. Without a name the newest. */
  find(name: string | undefined): Buffer | undefined;
}

/** @param mounted the newest first */
export function createKeyRing(mounted: readonly Buffer[]): KeyRing {
  const byName = new Map(mounted.map((key) => [keyName(key), key]));
  return { find: (name) => (name === undefined ? mounted[0] : byName.get(name)) };
}
