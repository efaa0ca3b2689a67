// What a client says of itself in the TLS handshake: its node and which key it means. So a server can accept two keys
// while one replaces the other. The name of a key is a hash that tells nothing about it.
import { createHash } from 'node:crypto';

export const keyName = (key: Buffer): string =>
  createHash('sha256').update('swarm-vip key name\0').update(key).digest('hex').slice(0, 12);

export const pskIdentity = (node: string, key: Buffer): string => `${node}.${keyName(key)}`;

export interface PskIdentity {
  node: string;
  /** Undefined: the client named none, the newest is meant. */
  key: string | undefined;
}

export function readPskIdentity(text: string): PskIdentity {
  const [, node, key] = /^([^.]*)\.([0-9a-f]{12})$/.exec(text) ?? [];
  return node === undefined ? { node: text, key: undefined } : { node, key };
}
