// The keys by which this process proves to agents that it is a coordinator: one that an operator mounted, or those that
// follow from Swarm's manager join token, which no worker knows, so that all coordinators have the same without a word.
//
// A rotated token is gone from Swarm at once, and with it the key. Agents learn of the next one by an update of their
// service, one after the other, so the former keys are kept in Swarm (key-vault.ts): whatever an agent knows can be proved,
// by a coordinator that was started in between, too. A former key proves nothing to an agent that knows the next one.
import { createPrivateKey, hkdfSync, type KeyObject } from 'node:crypto';
import { publicKeyName, publicKeyText } from '../../shared/io/coordinator-proof.ts';
import type { JoinTokens } from './swarm.ts';

export interface SigningKey {
  /** The private half. */
  key: KeyObject;
  /** Its public half, as agents get it. */
  publicText: string;
  name: string;
}

export interface SigningRing {
  /** The newest; undefined without one, or as long as Swarm has not been read. */
  current(): SigningKey | undefined;
  /** By name; undefined for one that is not there. Without a name the newest. */
  find(name: string | undefined): SigningKey | undefined;
  /** Resolves with whether that made a new key. */
  renew(tokens: Pick<JoinTokens, 'manager' | 'cluster'>): Promise<boolean>;
}

/**
 * @param mounted the only one, then
 * @param kept reads what earlier tokens have made
 */
export function createSigningRing(
  mounted: KeyObject | undefined,
  kept: () => Promise<readonly KeyObject[]> = async () => [],
): SigningRing {
  let keys: readonly SigningKey[] = mounted ? [signingKey(mounted)] : [];
  return {
    current: () => keys[0],
    find: (name) => (name === undefined ? keys[0] : keys.find((each) => each.name === name)),
    async renew(tokens) {
      if (mounted) return false;
      const derived = signingKey(deriveSigningKey(tokens));
      if (keys[0]?.name === derived.name) return false;
      // A key is kept before the first agent knows it: what this process has missed meanwhile is there by now.
      const former = [...keys, ...(await kept()).map(signingKey)];
      keys = [...new Map([derived, ...former].map((each) => [each.name, each])).values()];
      return true;
    },
  };
}

export function signingKey(key: KeyObject): SigningKey {
  const publicText = publicKeyText(key);
  return { key, publicText, name: publicKeyName(publicText) };
}

/** RFC 8410 §7: what stands before the 32 bytes of an Ed25519 private key in PKCS #8. */
const pkcs8Head = Buffer.from('302e020100300506032b657004220420', 'hex');

/** The token has 128 random bits; who has it may join as a manager, which is more than a coordinator may. */
export function deriveSigningKey({ manager, cluster }: Pick<JoinTokens, 'manager' | 'cluster'>): KeyObject {
  const seed = Buffer.from(hkdfSync('sha256', manager, cluster, 'swarm-vip coordinators 1', 32));
  return createPrivateKey({ key: Buffer.concat([pkcs8Head, seed]), format: 'der', type: 'pkcs8' });
}
