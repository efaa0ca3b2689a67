// Connects to the coordinator's port as an agent would, from an address of choice.
import { connect, type Socket } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { type ClientOptions, WebSocket } from 'ws';
import { pskIdentity } from '../../shared/io/psk-identity.ts';
import { pskTlsOptions } from '../../shared/tls.ts';

export interface Way {
  readonly port: number;
  readonly key: string;
  readonly node: string;
  /** The peer's own address. */
  readonly from: string;
}

export function openAs({ port, key, node, from }: Way): WebSocket {
  const psk = Buffer.from(key);
  const options: ClientOptions & Pick<ConnectionOptions, 'pskCallback'> = {
    ...pskTlsOptions,
    localAddress: from,
    pskCallback: () => ({ psk, identity: pskIdentity(node, psk) }),
    checkServerIdentity: () => false,
    handshakeTimeout: 20_000,
    perMessageDeflate: false,
  };
  return new WebSocket(`wss://127.0.0.1:${port}/`, options);
}

/** Sends the frames once it is open; resolves with the close code, 0 for none. */
export function tell(way: Way, ...frames: (string | Buffer)[]): Promise<number> {
  return new Promise((resolve) => {
    const socket = openAs(way);
    socket.on('open', () => {
      for (const frame of frames) socket.send(frame);
    });
    socket.on('error', () => resolve(0));
    socket.on('close', (code) => resolve(code));
  });
}

/** Sends nothing but control frames; resolves with the close code. */
export function pong(way: Way, count: number): Promise<number> {
  return new Promise((resolve) => {
    const socket = openAs(way);
    socket.on('open', () => {
      for (let sent = 0; sent < count; sent++) socket.pong();
    });
    socket.on('error', () => resolve(0));
    socket.on('close', (code) => resolve(code));
  });
}

/** A connection without TLS, with `bytes` said on it. Resolves when the other side has ended it. */
export function plain({ port, from }: Pick<Way, 'port' | 'from'>, bytes = ''): Promise<void> {
  return new Promise((resolve) => {
    const socket: Socket = connect({ port, host: '127.0.0.1', localAddress: from }, () => {
      if (bytes !== '') socket.write(bytes);
    });
    socket.on('error', () => undefined).on('close', () => resolve());
    socket.resume();
  });
}
