// Two stacks may put their coordinators on one host, and a port of a host belongs to one process. The other one passes
// what it is asked on its own unix socket to the owner of the port, over loopback and with the agents' key.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type RequestOptions, request } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import type { ConnectionOptions } from 'node:tls';
import type { Actions, Answer, Routes } from '../../shared/io/http.ts';
import { json } from '../../shared/io/http.ts';
import { pskIdentity } from '../../shared/io/psk-identity.ts';
import { pskTlsOptions } from '../../shared/tls.ts';
import type { KeyRing } from './key-ring.ts';

/** Both together end before the CLI's own patience does. */
const patienceMs = 11_000;
/** When the port changes hands, for a moment nobody has it. */
const handOverMs = 3_000;
const againMs = 100;

export interface RelayDeps {
  keys: Pick<KeyRing, 'current'>;
  port: number;
  /** True while this process has the port itself. */
  owns(): boolean;
}

/** The same pages and actions, answered by whoever owns the port; streams come as they are written. */
export function relayed(deps: RelayDeps, routes: Routes, actions: Actions): [Routes, Actions] {
  const silent = (error: unknown) =>
    json(503, {
      error: `another coordinator of this host has the port ${deps.port}, and does not answer: ${String(error)}`,
    });
  return [
    mapped(routes, (answer, path) => (query) => {
      if (deps.owns()) return answer(query);
      const whole = query.size > 0 ? `${path}?${query}` : path;
      return { stream: (response) => void passOn(deps, whole, response, silent) };
    }),
    mapped(
      actions,
      (act, path) => (body: unknown) => (deps.owns() ? act(body) : ask(deps, path, body).catch(silent)),
    ),
  ];
}

const mapped = <T>(record: Readonly<Record<string, T>>, change: (value: T, key: string) => T) =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value, key)]));

/** What is asked. The signal ends the request, also in the middle of the answer. */
interface Question {
  method: 'GET' | 'POST';
  path: string;
  body?: string;
  signal?: AbortSignal;
}

/** Resolves with the head of the answer. A refused connection has asked nothing yet, so it is tried again. */
async function asked(deps: RelayDeps, question: Question): Promise<IncomingMessage> {
  const untilMs = performance.now() + handOverMs;
  for (;;) {
    try {
      return await dialed(deps, question);
    } catch (error) {
      const refused = error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED';
      if (!refused || performance.now() > untilMs) throw error;
      await delay(againMs, undefined, question);
    }
  }
}

function dialed({ keys, port }: RelayDeps, { body, ...rest }: Question): Promise<IncomingMessage> {
  const key = keys.current();
  if (!key) throw new Error('Swarm has not been read yet');
  const options: RequestOptions & Pick<ConnectionOptions, 'pskCallback'> = {
    ...{ host: '127.0.0.1', port, ...rest, timeout: patienceMs, agent: false },
    ...pskTlsOptions,
    pskCallback: () => ({ psk: key, identity: pskIdentity('neighbour', key) }),
    checkServerIdentity: () => undefined,
  };
  return new Promise((resolve, reject) => {
    const outgoing = request(options, resolve);
    // Streams say something every few seconds.
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${patienceMs / 1000} s`)));
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

async function ask(deps: RelayDeps, path: string, body: unknown): Promise<Answer> {
  const incoming = await asked(deps, { method: 'POST', path, body: JSON.stringify(body) });
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk);
  return {
    status: incoming.statusCode ?? 502,
    type: 'application/json',
    body: Buffer.concat(chunks).toString('utf8'),
  };
}

async function passOn(
  deps: RelayDeps,
  path: string,
  response: ServerResponse,
  silent: (error: unknown) => Answer,
): Promise<void> {
  const fail = (error: unknown) => {
    if (response.headersSent) return void response.destroy();
    const { status, type, body } = silent(error);
    response.writeHead(status, { 'content-type': type }).end(body);
  };
  const gone = new AbortController();
  response.on('error', () => response.destroy());
  response.on('close', () => gone.abort());
  try {
    const incoming = await asked(deps, { method: 'GET', path, signal: gone.signal });
    incoming.on('error', fail);
    const { connection: _, 'keep-alive': __, 'transfer-encoding': ___, ...headers } = incoming.headers;
    response.writeHead(incoming.statusCode ?? 502, headers);
    response.flushHeaders();
    incoming.pipe(response);
  } catch (error) {
    fail(error);
  }
}
