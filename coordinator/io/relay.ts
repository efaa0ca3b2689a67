// Two stacks may put their coordinators on one host, and a port of a host belongs to one process. The other one passes
// what it is asked on its own unix socket to the owner of the port, over loopback and with the agents' key.
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import { type RequestOptions, request } from 'node:https';
import type { ConnectionOptions } from 'node:tls';
import type { Actions, Answer, Routes } from '../../shared/io/http.ts';
import { json } from '../../shared/io/http.ts';
import { pskIdentity } from '../../shared/io/psk-identity.ts';
import { pskTlsOptions } from '../../shared/tls.ts';
import type { KeyRing } from './key-ring.ts';

const patienceMs = 14_000;

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
      const asked = query.size > 0 ? `${path}?${query}` : path;
      return { stream: (response) => passOn(deps, asked, response, silent) };
    }),
    mapped(
      actions,
      (act, path) => (body: unknown) => (deps.owns() ? act(body) : ask(deps, path, body).catch(silent)),
    ),
  ];
}

const mapped = <T>(record: Readonly<Record<string, T>>, change: (value: T, key: string) => T) =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value, key)]));

function dial(
  { keys, port }: RelayDeps,
  method: 'GET' | 'POST',
  path: string,
  answered: (response: IncomingMessage) => void,
): ClientRequest {
  const key = keys.current();
  if (!key) throw new Error('Swarm has not been read yet');
  const options: RequestOptions & Pick<ConnectionOptions, 'pskCallback'> = {
    ...{ host: '127.0.0.1', port, path, method, timeout: patienceMs, agent: false },
    ...pskTlsOptions,
    pskCallback: () => ({ psk: key, identity: pskIdentity('neighbour', key) }),
    checkServerIdentity: () => undefined,
  };
  const outgoing = request(options, answered);
  // Streams say something every few seconds.
  outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${patienceMs / 1000} s`)));
  return outgoing;
}

async function ask(deps: RelayDeps, path: string, body: unknown): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = dial(deps, 'POST', path, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 502,
          type: 'application/json',
          body: Buffer.concat(chunks).toString('utf8'),
        }),
      );
    });
    outgoing.on('error', reject);
    outgoing.end(JSON.stringify(body));
  });
}

function passOn(
  deps: RelayDeps,
  path: string,
  response: ServerResponse,
  silent: (error: unknown) => Answer,
): void {
  const fail = (error: unknown) => {
    if (response.headersSent) return void response.destroy();
    const { status, type, body } = silent(error);
    response.writeHead(status, { 'content-type': type }).end(body);
  };
  try {
    const outgoing = dial(deps, 'GET', path, (incoming) => {
      const { connection: _, 'keep-alive': __, 'transfer-encoding': ___, ...headers } = incoming.headers;
      response.writeHead(incoming.statusCode ?? 502, headers);
      response.flushHeaders();
      incoming.on('error', fail);
      incoming.pipe(response);
    });
    response.on('error', () => response.destroy());
    response.on('close', () => outgoing.destroy());
    outgoing.on('error', fail);
    outgoing.end();
  } catch (error) {
    fail(error);
  }
}
