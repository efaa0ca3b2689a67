// The WebSocket server for agents: TLS-PSK, one connection per node, frames validated at the edge. It knows sockets and
// frames; what they mean is decided by whoever gets the events. A coordinator of another stack on the same host, which
// has no port of its own, asks for pages and actions here (relay.ts).
import type { RequestListener } from 'node:http';
import { createServer } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
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
import type { KeyRing } from './key-ring.ts';

const maxQueuedBytes = 4 * 1_048_576;
const helloDeadlineMs = 5_000;

/** Why a connection is not wanted: close code and words. */
export interface Refusal {
  code: number;
  reason: string;
}

export interface AgentServerEvents {
  /** Decides on a node that proved the key; undefined admits it. */
  admit(node: string, address: string): Refusal | undefined;
  hello(hello: Hello): void;
  report(node: NodeId, report: Report): void;
  history(node: NodeId, history: History): void;
  gone(node: NodeId): void;
  refused(address: string, refusal: Refusal): void;
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

export function createAgentServer(
  keys: Pick<KeyRing, 'find'>,
  events: AgentServerEvents,
  neighbours: RequestListener,
): AgentServer {
  const identities = new WeakMap<object, PskIdentity>();
  const sockets = new Map<NodeId, WebSocket>();
  const options = {
    ...pskTlsOptions,
    pskCallback: (socket: TLSSocket, text: string) => {
      const identity = readPskIdentity(text);
      identities.set(socket, identity);
      // The types know no refusal; null ends the handshake.
      return keys.find(identity.key) ?? (null as unknown as Buffer);
    },
  };
  const server = createServer(options, (request, response) => {
    // Agents have the key, too, but they run on other hosts or beside us.
    if (isLoopback(request.socket.remoteAddress)) return neighbours(request, response);
    response.writeHead(403).end();
  });
  server.on('tlsClientError', (error, socket) => {
    events.refused(plain(socket.remoteAddress), {
      code: 0,
      reason: `TLS handshake failed: ${error.message}`,
    });
  });
  const wss = new WebSocketServer({ server, maxPayload: maxFrameBytes, perMessageDeflate: false });
  wss.on('error', () => undefined); // `listen` rejects with the same error

  wss.on('connection', (socket, request) => {
    const address = plain(request.socket.remoteAddress);
    const identity = identities.get(request.socket as TLSSocket)?.node ?? '';
    const refuse = (refusal: Refusal) => {
      events.refused(address, refusal);
      socket.close(refusal.code, refusal.reason.slice(0, 120));
      // A peer that does not answer the close must not keep the socket.
      setTimeout(() => socket.terminate(), 1_000).unref();
    };
    socket.on('error', (error) =>
      events.refused(address, { code: closeCode.badFrame, reason: error.message }),
    );
    const refusal = events.admit(identity, address);
    if (refusal) return refuse(refusal);
    converse(socket, identity, refuse);
  });

  function converse(socket: WebSocket, identity: string, refuse: (refusal: Refusal) => void): void {
    let node: NodeId | undefined;
    let heardMs = Date.now();
    const alive = setInterval(() => {
      if (Date.now() - heardMs > silenceLimitMs) socket.terminate();
      else if (socket.bufferedAmount > maxQueuedBytes) {
        refuse({ code: closeCode.slowReader, reason: 'the send queue grew over its limit' });
      } else socket.ping();
    }, silenceLimitMs / 3);
    const impatience = setTimeout(() => {
      if (!node) refuse({ code: closeCode.badFrame, reason: 'expected hello as first frame' });
    }, helloDeadlineMs);
    socket.on('pong', () => {
      heardMs = Date.now();
    });
    socket.on('close', () => {
      clearInterval(alive);
      clearTimeout(impatience);
      if (node && sockets.get(node) === socket) {
        sockets.delete(node);
        events.gone(node);
      }
    });
    socket.on('message', (data, isBinary) => {
      heardMs = Date.now();
      if (socket.readyState !== socket.OPEN) return;
      const parsed = isBinary
        ? { ok: false as const, reason: 'expected a text frame' }
        : parseFrame(AgentFrame, text(data));
      if (!parsed.ok) return refuse({ code: closeCode.badFrame, reason: parsed.reason });
      const { frame } = parsed;
      if (frame.type !== 'hello') {
        if (!node) return refuse({ code: closeCode.badFrame, reason: `expected hello before ${frame.type}` });
        return frame.type === 'report' ? events.report(node, frame) : events.history(node, frame);
      }
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
      sockets.set(node, socket);
      if (previous && previous !== socket) previous.close(closeCode.replaced, 'the node has connected again');
      events.hello(frame);
    });
  }

  return {
    listen: ({ host, port }) =>
      new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, host, () => {
          server.off('error', reject);
          resolve();
        });
      }),
    send(node, frame) {
      const socket = sockets.get(node);
      if (!socket || socket.readyState !== socket.OPEN) return false;
      socket.send(JSON.stringify(frame));
      return true;
    },
    connected: () => [...sockets.keys()],
    disconnect(node, { code, reason }) {
      sockets.get(node)?.close(code, reason.slice(0, 120));
    },
    close: () =>
      new Promise((resolve) => {
        for (const socket of wss.clients) socket.terminate();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const text = (data: RawData): string =>
  Array.isArray(data) ? Buffer.concat(data).toString('utf8') : Buffer.from(data as Buffer).toString('utf8');

const isLoopback = (address: string | undefined): boolean => /^(127\.|::1$)/.test(plain(address));

/** "::ffff:10.0.0.1" → "10.0.0.1": a dual-stack socket shows IPv4 peers like this. */
const plain = (address: string | undefined): string => (address ?? 'unknown').replace(/^::ffff:/, '');
