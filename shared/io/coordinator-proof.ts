// How an agent tells a coordinator from a worker. All nodes have the pre-shared key, so it proves only "one of us". A
// coordinator signs the connection itself with a key that managers alone have; agents know the public half, and name it,
// so that a coordinator can have two keys while one replaces the other.
//
// What is signed is TLS' exported keying material (RFC 5705), which is never the same on two connections: whoever stands
// in the middle with the pre-shared key has two of them, and a signature for the one is worth nothing on the other.
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { TLSSocket } from 'node:tls';

const label = 'EXPORTER-swarm-vip-coordinator';

const markOf = (socket: unknown): Buffer | undefined =>
  socket instanceof TLSSocket ? socket.exportKeyingMaterial(32, label, Buffer.alloc(0)) : undefined;

/** @throws when the text is no Ed25519 private key in PEM */
export function readSigningKey(pem: string): KeyObject {
  const key = createPrivateKey(pem);
  if (key.asymmetricKeyType !== 'ed25519') throw new Error(`a key of type ${key.asymmetricKeyType}`);
  return key;
}

/** What `openssl pkey -pubout -outform DER | base64` prints. @throws when it is no Ed25519 public key */
export function readPublicKey(text: string): KeyObject {
  const key = createPublicKey({ key: Buffer.from(text, 'base64'), format: 'der', type: 'spki' });
  if (key.asymmetricKeyType !== 'ed25519') throw new Error(`a key of type ${key.asymmetricKeyType}`);
  return key;
}

/** What `readPublicKey` reads; of a private key its public half. */
export const publicKeyText = (key: KeyObject): string =>
  (key.type === 'private' ? createPublicKey(key) : key)
    .export({ type: 'spki', format: 'der' })
    .toString('base64');

/** 12 hex digits of a hash. */
export const publicKeyName = (publicText: string): string =>
  createHash('sha256')
    .update('swarm-vip coordinator key name\0')
    .update(publicText)
    .digest('hex')
    .slice(0, 12);

export function proveConnection(socket: unknown, key: KeyObject): string | undefined {
  const mark = markOf(socket);
  return mark && sign(null, mark, key).toString('base64');
}

export function isProven(socket: unknown, key: KeyObject, proof: string | undefined): boolean {
  const mark = markOf(socket);
  return mark !== undefined && proof !== undefined && verify(null, mark, key, Buffer.from(proof, 'base64'));
}
