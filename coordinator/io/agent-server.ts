// The WebSocket server for agents: TLS-PSK, one connection per node, frames validated at the edge. It knows sockets and
// frames; what they mean is decided by whoever gets the events. A coordinator of another stack on the same host, which
// has no port of its own, asks for pages and actions here (relay.ts).
import type { RequestListener } from 'node:http';
import { createServer } from 'node:https';
import { createServer as createTcpServer, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import { proveConnection } from '../../shared/io/coordinator-proof.ts';
import { type PskIdentity, readPskIdentity } from '../../shared/io/psk-identity.ts';
import type { ListenAddress } from '../../shared/io/settings.ts';
import {
  AgentFrame,
  type CoordinatorFrame,
  closeCode,
  type Hello,
  type History,
  maxFrameBytes,
  parseFrame,
  protocolVersion,
  type Report,
  silenceLimitMs,
} from '../../shared/protocol.ts';
import { pskTlsOptions } from '../../shared/tls.ts';
import type { NodeId } from '../../shared/words.ts';
import { fullBucket, takeFrom } from '../core/bucket.ts';
import { oversizedCode, type Refusal, type RefusalKind, refusalKind } from '../core/refusal.ts';
import { createGate } from './gate.ts';
import type { KeyRing } from './key-ring.ts';
import type { SigningRing } from './signing-ring.ts';

const maxQueuedBytes = 4 * 1_048_576;
/** An agent reports once a second, on changes up to 50 times, and tells each of 255 instances' transitions apart. */
const frameRate = { burst: 4_000, perSecond: 200 };
const byteRate = { burst: 16 * 1_048_576, perSecond: 2 * 1_048_576 };

export interface AgentServerEvents {
  /** Decides on a node that proved the key; undefined admits it. */
  admit(node: string, address: string): Refusal | undefined;
  hello(hello: Hello): void;
  report(node: NodeId, report: Report): void;
  history(node: NodeId, history: History): void;
  gone(node: NodeId): void;
  refused(address: string, refusal: Refusal, kind: RefusalKind): void;
}

export interface AgentServer {
  /** Resolves when the port listens; rejects when it cannot. */
  listen(address: ListenAddress): Promise<void>;
  /** False when the node is not connected. */
  send(node: NodeId, frame: CoordinatorFrame): boolean;
  connected(): NodeId[];
  disconnect(node: NodeId, refusal: Refusal): void;
  /** Gives the port back; `listen` takes it again. */
  close(): Promise<void>;
}

/**
 * @param signing with these this process proves to agents that it is a coordinator
 * @param neighbours answers what another coordinator of this host asks
 */
export function createAgentServer(
  keys: Pick<KeyRing, 'find'>,
  signing: Pick<SigningRing, 'find'>,
  events: AgentServerEvents,
  neighbours: RequestListener,
): AgentServer {
  const identities = new WeakMap<object, PskIdentity>();
  const sockets = new Map<NodeId, WebSocket>();
  const proofs = new WeakMap<WebSocket, string>();
  const refuseSocket = (address: string | undefined, reason: string, kind: RefusalKind) =>
    events.refused(plain(address), { code: 0, reason }, kind);
  const gate = createGate(refuseSocket, Date.now);
  const server = createServer(
    {
      ...pskTlsOptions,
      maxHeaderSize: 4_096,
      pskCallback: (socket, text) => {
        const identity = readPskIdentity(text);
        identities.set(socket, identity);
        // The types know no refusal; null ends the handshake.
        return keys.find(identity.key) ?? (null as unknown as Buffer);
      },
    },
    (request, response) => {
      // Agents have the key, too, but they run on other hosts or beside us.
      if (isLoopback(request.socket.remoteAddress)) {
        // Whoever asks for a page says no hello, and may follow a stream for as long as it likes.
        gate.known(request.socket.remoteAddress, request.socket.remotePort);
        return neighbours(request, response);
      }
      refuseSocket(request.socket.remoteAddress, 'expected a WebSocket', 'malformed');
      response.writeHead(426, { connection: 'close' }).end();
    },
  );
  server.on('tlsClientError', (error, socket) => {
    // Half open: the gate has counted it.
    if (socket.remoteAddress === undefined) return;
    refuseSocket(socket.remoteAddress, `TLS handshake failed: ${error.message}`, 'handshake');
  });
  server.on('clientError', (error, socket) => {
    if ('remoteAddress' in socket && typeof socket.remoteAddress === 'string')
      refuseSocket(socket.remoteAddress, error.message, 'malformed');
    socket.destroy();
  });
  const wss = new WebSocketServer({ server, maxPayload: maxFrameBytes, perMessageDeflate: false });
  wss.on('wsClientError', (error, socket, request) => {
    refuseSocket(request.socket.remoteAddress, error.message, 'malformed');
    socket.destroy();
  });
  const open = new Set<Socket>();
  const front = createTcpServer((socket) => {
    open.add(socket.once('close', () => open.delete(socket)));
    if (gate.admit(socket)) server.emit('connection', socket);
  });

  wss.on('connection', (socket, request) => {
    const address = plain(request.socket.remoteAddress);
    const identity = identities.get(request.socket as TLSSocket)?.node ?? '';
    const refuse = (refusal: Refusal) => {
      events.refused(address, refusal, refusalKind(refusal));
      socket.close(refusal.code, refusal.reason.slice(0, 120));
      // A peer that does not answer the close must not keep the socket.
      const timer = setTimeout(() => socket.terminate(), 1_000).unref();
      socket.once('close', () => clearTimeout(timer));
    };
    socket.on('error', (error) => {
      const code = isOversized(error) ? oversizedCode : closeCode.badFrame;
      const refusal = { code, reason: error.message };
      events.refused(address, refusal, refusalKind(refusal));
    });
    const refusal = events.admit(identity, address);
    if (refusal) return refuse(refusal);
    const { remoteAddress, remotePort } = request.socket;
    converse(socket, identity, refuse, ({ coordinatorKey }) => {
      gate.known(remoteAddress, remotePort);
      const found = signing.find(coordinatorKey);
      const proof = found && proveConnection(request.socket, found.key);
      if (proof !== undefined) proofs.set(socket, proof);
    });
    socket.on('close', (code) => {
      if (code !== closeCode.unproven) return;
      const reason = 'the agent knows another key of the coordinators';
      events.refused(address, { code, reason }, 'unproven');
    });
  });

  function converse(
    socket: WebSocket,
    identity: string,
    refuse: (refusal: Refusal) => void,
    greeted: (hello: Hello) => void,
  ): void {
    let node: NodeId | undefined;
    let heardMs = Date.now();
    let frames = fullBucket(frameRate, heardMs);
    let bytes = fullBucket(byteRate, heardMs);
    const alive = setInterval(() => {
      if (Date.now() - heardMs > silenceLimitMs) socket.terminate();
      else if (socket.bufferedAmount > maxQueuedBytes) {
        refuse({ code: closeCode.slowReader, reason: 'the send queue grew over its limit' });
      } else socket.ping();
    }, silenceLimitMs / 3);
    /** False: it has been refused. */
    const affords = (size: number): boolean => {
      frames = takeFrom(frames, frameRate, 1, heardMs);
      bytes = takeFrom(bytes, byteRate, size, heardMs);
      if (frames.tokens >= 0 && bytes.tokens >= 0) return true;
      refuse({ code: closeCode.tooFast, reason: 'more frames than any agent has to send' });
      return false;
    };
    // `ws` itself ends who sends pings faster than their answers go out.
    for (const control of ['ping', 'pong'] as const) {
      socket.on(control, (data) => {
        heardMs = Date.now();
        if (socket.readyState === socket.OPEN) affords(data.length);
      });
    }
    socket.on('close', () => {
      clearInterval(alive);
      if (node && sockets.get(node) === socket) {
        sockets.delete(node);
        events.gone(node);
      }
    });
    socket.on('message', (data, isBinary) => {
      heardMs = Date.now();
      if (socket.readyState !== socket.OPEN) return;
      const content = text(data);
      if (!affords(content.length)) return;
      const parsed = isBinary
        ? { ok: false as const, reason: 'expected a text frame' }
        : parseFrame(AgentFrame, content);
      if (!parsed.ok) return refuse({ code: closeCode.badFrame, reason: parsed.reason });
      const { frame } = parsed;
      if (frame.type !== 'hello') {
        if (!node)
          return refuse({ code: closeCode.outOfOrder, reason: `expected hello before ${frame.type}` });
        return frame.type === 'report' ? events.report(node, frame) : events.history(node, frame);
      }
      if (node) return refuse({ code: closeCode.outOfOrder, reason: 'expected hello only once' });
      if (frame.protocol !== protocolVersion) {
        const reason = `protocol ${frame.protocol} is not spoken here, ${protocolVersion} is`;
        return refuse({ code: closeCode.badVersion, reason });
      }
      if (frame.node !== identity) {
        const reason = 'hello.node differs from the identity of the handshake';
        return refuse({ code: closeCode.identityMismatch, reason });
      }
      const previous = sockets.get(frame.node);
      node = frame.node;
      greeted(frame);
      sockets.set(node, socket);
      if (previous && previous !== socket) previous.close(closeCode.replaced, 'the node has connected again');
      events.hello(frame);
    });
  }

  return {
    listen: ({ host, port }) =>
      new Promise((resolve, reject) => {
        front.once('error', reject);
        front.listen(port, host, () => {
          front.off('error', reject);
          resolve();
        });
      }),
    send(node, frame) {
      const socket = sockets.get(node);
      if (!socket || socket.readyState !== socket.OPEN) return false;
      const proof = proofs.get(socket);
      const proven = frame.type === 'welcome' && proof !== undefined ? { ...frame, proof } : frame;
      socket.send(JSON.stringify(proven));
      return true;
    },
    connected: () => [...sockets.keys()],
    disconnect(node, { code, reason }) {
      sockets.get(node)?.close(code, reason.slice(0, 120));
    },
    close: () =>
      new Promise((resolve) => {
        front.close(() => resolve());
        // Those who have not said hello, agents, and neighbours alike.
        for (const socket of open) socket.destroy();
      }),
  };
}

const text = (data: RawData): string =>
  Array.isArray(data) ? Buffer.concat(data).toString('utf8') : Buffer.from(data as Buffer).toString('utf8');

const isOversized = (error: Error): boolean =>
  'code' in error && error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH';

const isLoopback = (address: string | undefined): boolean => /^(127\.|::1$)/.test(plain(address));

/** "::ffff:10.0.0.1" → "10.0.0.1": a dual-stack socket shows IPv4 peers like this. */
const plain = (address: string | undefined): string => (address ?? 'unknown').replace(/^::ffff:/, '');
