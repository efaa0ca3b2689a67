// Before anybody has proved anything: how many connections one address may open, and for how long one may stand there
// without having said hello. Sits in front of TLS, so that a flood costs an accept and nothing more.
import type { Socket } from 'node:net';
import { type Bucket, fullBucket, takeFrom } from '../core/bucket.ts';
import type { RefusalKind } from '../core/refusal.ts';

/** An agent has one connection, two for a moment. */
const perAddress = 32;
/** A handshake costs about a millisecond; an agent that reconnects in vain tries less than once a second. */
const rate = { burst: 64, perSecond: 8 };
/** TLS, the WebSocket and hello together. */
const helloDeadlineMs = 5_000;
/** Strangers, from however many addresses: the oldest one has to go. */
const mostUnknown = 512;
const mostAddresses = 4_096;

export interface Gate {
  /** False: the socket has been destroyed. */
  admit(socket: Socket): boolean;
  /** Has said hello, or is a neighbour that asks for pages: it may stay. */
  known(address: string | undefined, port: number | undefined): void;
}

interface Visitor {
  open: number;
  bucket: Bucket;
}

export function createGate(
  refused: (address: string | undefined, reason: string, kind: RefusalKind) => void,
  now: () => number,
): Gate {
  const visitors = new Map<string, Visitor>();
  /** In the order of their arrival. */
  const unknown = new Map<string, { socket: Socket; timer: NodeJS.Timeout }>();

  const forget = (key: string) => {
    clearTimeout(unknown.get(key)?.timer);
    unknown.delete(key);
  };
  /** Who has nothing open and a full bucket is as good as new. */
  const sweep = () => {
    if (visitors.size < mostAddresses) return;
    for (const [address, { open, bucket }] of visitors) {
      if (open === 0 && takeFrom(bucket, rate, 0, now()).tokens >= rate.burst) visitors.delete(address);
    }
  };
  const end = (key: string, reason: string) => {
    const socket = unknown.get(key)?.socket;
    forget(key);
    refused(socket?.remoteAddress, reason, 'half_open');
    socket?.destroy();
  };

  return {
    admit(socket) {
      const { remoteAddress: address = 'unknown', remotePort } = socket;
      sweep();
      const visitor = visitors.get(address) ?? { open: 0, bucket: fullBucket(rate, now()) };
      const bucket = takeFrom(visitor.bucket, rate, 1, now());
      if (visitor.open >= perAddress || bucket.tokens < 0) {
        // What is refused costs no token, so that an honest agent at a flooding host gets its turn.
        visitors.set(address, { ...visitor, bucket: { ...bucket, tokens: bucket.tokens + 1 } });
        refused(address, 'too many connections from this address', 'too_many');
        socket.destroy();
        return false;
      }
      visitors.set(address, { open: visitor.open + 1, bucket });
      const key = `${address} ${remotePort}`;
      const timer = setTimeout(() => end(key, 'no hello in time'), helloDeadlineMs).unref();
      unknown.set(key, { socket, timer });
      socket.once('close', () => {
        forget(key);
        const found = visitors.get(address);
        if (found) visitors.set(address, { ...found, open: found.open - 1 });
      });
      const [oldest] = unknown.keys();
      if (unknown.size > mostUnknown && oldest !== undefined) end(oldest, 'no hello yet, and others wait');
      return true;
    },
    known(address, port) {
      forget(`${address} ${port}`);
    },
  };
}
