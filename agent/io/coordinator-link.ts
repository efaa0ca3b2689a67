// One WebSocket connection to one manager: TLS with the pre-shared key, schema-checked frames, liveness, reconnect.
import type { KeyObject } from 'node:crypto';
import type { ConnectionOptions } from 'node:tls';
import { type ClientOptions, WebSocket } from 'ws';
import { isProven, publicKeyName, publicKeyText } from '../../shared/io/coordinator-proof.ts';
import type { Log } from '../../shared/io/log.ts';
import { pskIdentity } from '../../shared/io/psk-identity.ts';
import {
  type Assignment,
  CoordinatorFrame,
  closeCode,
  type Hello,
  maxFrameBytes,
  parseFrame,
  protocolVersion,
  silenceLimitMs,
  type Tasks,
  type Welcome,
} from '../../shared/protocol.ts';
import { pskTlsOptions } from '../../shared/tls.ts';
import type { NodeId } from '../../shared/words.ts';
import { reconnectDelayMs } from '../core/backoff.ts';
import { type Endpoint, endpointText } from '../core/endpoints.ts';

const queueLimitBytes = 4_194_304;
/** What a liar leaves of his connection must not keep us from asking again. */
const partingMs = 1_000;
const unprovenWords = 'does not prove that it is a coordinator';
/** The same manager under a second name: how often to look whether the other connection still stands. */
const duplicateDelayMs = 10_000;

export interface LinkDeps {
  readonly log: Log;
  readonly key: Buffer;
  /** Null: none is asked for. */
  readonly coordinatorKey: KeyObject | null;
  /** Said anew on each connection. */
  readonly hello: () => Hello;
  readonly random: () => number;
  readonly onWelcome: (welcome: Welcome) => void;
  readonly onAssignment: (assignment: Assignment) => void;
  readonly onTasks: (tasks: Tasks) => void;
  /** Whether somebody answers here who cannot prove to be a coordinator. */
  readonly onImpostor: (present: boolean) => void;
  readonly onChange: () => void;
  /** Whether another link talks to this manager already. */
  readonly isTaken: (manager: NodeId) => boolean;
}

export interface LinkStatus {
  readonly connected: boolean;
  readonly welcome: Welcome | null;
  readonly badFrames: number;
  /** How often who answered could not prove to be a coordinator. */
  readonly unproven: number;
  readonly lastError: string | null;
}

export interface CoordinatorLink {
  /** Sends when connected and welcomed; drops the connection when the other side does not read. */
  send(text: string): void;
  status(): LinkStatus;
  /** A newer link talks to the same manager: this one waits until that one is gone. */
  yieldToOther(): void;
  close(): void;
}

export function createCoordinatorLink(endpoint: Endpoint, deps: LinkDeps): CoordinatorLink {
  const { log, hello } = deps;
  const name = endpointText(endpoint);
  let socket: WebSocket | undefined;
  let welcome: Welcome | null = null;
  let attempt = 0;
  let badFrames = 0;
  let unproven = 0;
  let lastError: string | null = null;
  let saidError: string | null = null;
  let closed = false;
  let retryTimer: NodeJS.Timeout | undefined;
  /** The manager that another link talks to, while this one waits. */
  let yielded: NodeId | null = null;

  const asked = deps.coordinatorKey && { coordinatorKey: publicKeyName(publicKeyText(deps.coordinatorKey)) };
  const options: ClientOptions & Pick<ConnectionOptions, 'pskCallback'> = {
    ...pskTlsOptions,
    pskCallback: () => ({ psk: deps.key, identity: pskIdentity(hello().node, deps.key) }),
    // There is no certificate, hence no complaint about it: the key is the proof of identity.
    checkServerIdentity: () => false,
    maxPayload: maxFrameBytes,
    perMessageDeflate: false,
    // Masks keep the bytes of a browser from an old proxy on the way (RFC 6455, 10.3). Here is no browser, and TLS lets
    // no proxy see a byte: a mask of zeros is as valid, and saves an agent a pass over each report to each manager.
    generateMask: (mask) => void mask.fill(0),
    handshakeTimeout: 5_000,
  };

  const connect = () => {
    if (yielded && deps.isTaken(yielded)) {
      retryTimer = setTimeout(connect, duplicateDelayMs);
      return;
    }
    yielded = null;
    const current = new WebSocket(`wss://${name}/`, options);
    socket = current;
    let channel: unknown;
    current.on('upgrade', (response) => {
      channel = response.socket;
    });
    let heard = performance.now();
    const alive = setInterval(() => {
      if (performance.now() - heard > silenceLimitMs) {
        lastError = `silent for ${silenceLimitMs} ms`;
        current.terminate();
      } else if (current.readyState === WebSocket.OPEN) current.ping();
    }, silenceLimitMs / 3);
    const hear = () => {
      heard = performance.now();
    };
    current.on('pong', hear).on('ping', hear);
    current.on('open', () => {
      hear();
      current.send(JSON.stringify({ ...hello(), ...asked }));
    });
    current.on('message', (data, binary) => {
      hear();
      receive(current, channel, binary ? '' : String(data));
    });
    current.on('error', (error) => {
      lastError = error.message;
    });
    current.on('close', (code, reason) => {
      clearInterval(alive);
      if (socket === current) ended(code, String(reason));
    });
  };

  const receive = (current: WebSocket, channel: unknown, text: string) => {
    // Whoever was turned away may go on talking.
    if (current.readyState !== WebSocket.OPEN) return;
    const parsed = parseFrame(CoordinatorFrame, text);
    if (!parsed.ok) {
      badFrames += 1;
      lastError = `bad frame: ${parsed.reason}`;
      current.close(closeCode.badFrame, parsed.reason.slice(0, 100));
      return;
    }
    const { frame } = parsed;
    if (frame.type === 'assignment') {
      if (welcome) deps.onAssignment(frame);
      return;
    }
    if (frame.type === 'tasks') {
      if (welcome) deps.onTasks(frame);
      return;
    }
    if (frame.protocol !== protocolVersion) {
      lastError = `speaks protocol ${frame.protocol}, expected ${protocolVersion}`;
      current.close(closeCode.badVersion, lastError);
      return;
    }
    if (deps.coordinatorKey && !welcome && !isProven(channel, deps.coordinatorKey, frame.proof)) {
      lastError = unprovenWords;
      unproven += 1;
      current.close(closeCode.unproven, 'no proof of a coordinator');
      setTimeout(() => current.terminate(), partingMs).unref();
      return;
    }
    if (!welcome || welcome.role !== frame.role) {
      log.info(
        { event: 'coordinator', endpoint: name, manager: frame.node, role: frame.role },
        'coordinator answers',
      );
    }
    welcome = frame;
    // A connection that is closed right after its welcome must not be retried without delay.
    attempt = 0;
    lastError = null;
    saidError = null;
    deps.onImpostor(false);
    deps.onWelcome(frame);
    deps.onChange();
  };

  const ended = (code: number, reason: string) => {
    const was = welcome !== null;
    if (code === closeCode.replaced) yielded = welcome?.node ?? yielded;
    welcome = null;
    socket = undefined;
    if (closed) return;
    deps.onImpostor(lastError === unprovenWords);
    if (code >= 4000 && lastError === null) lastError = `closed by the coordinator: ${code} ${reason}`;
    const why = lastError ?? `closed: ${code} ${reason}`;
    if (was || why !== saidError) {
      saidError = why;
      log.warn({ event: 'coordinator-lost', endpoint: name, why }, 'no connection to this coordinator');
    }
    const delayMs = yielded ? duplicateDelayMs : reconnectDelayMs(attempt, deps.random());
    attempt += 1;
    retryTimer = setTimeout(connect, delayMs);
    deps.onChange();
  };

  connect();
  return {
    send(text) {
      if (!socket || !welcome || socket.readyState !== WebSocket.OPEN) return;
      if (socket.bufferedAmount > queueLimitBytes) {
        lastError = 'does not read';
        socket.terminate();
        return;
      }
      socket.send(text);
    },
    status: () => ({ connected: welcome !== null, welcome, badFrames, unproven, lastError }),
    yieldToOther() {
      yielded = welcome?.node ?? null;
      socket?.close(1000, 'connected to this manager already');
    },
    close() {
      closed = true;
      clearTimeout(retryTimer);
      socket?.close(1000, 'agent stops');
      const last = socket;
      setTimeout(() => last?.terminate(), 500).unref();
    },
  };
}
