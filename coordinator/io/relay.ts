// Two stacks may put their coordinators on one host, and a port of a host belongs to one process. The other one passes
// what it is asked on its own unix socket to the owner of the port, over loopback and with the agents' key.
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

/** The same pages and actions, answered by whoever owns the port. */
export function relayed(deps: RelayDeps, routes: Routes, actions: Actions): [Routes, Actions] {
  const passOn = (method: 'GET' | 'POST', path: string, body?: unknown) =>
    ask(deps, method, path, body).catch((error: unknown) =>
      json(503, {
        error: `another coordinator of this host has the port ${deps.port}, and does not answer: ${String(error)}`,
      }),
    );
  return [
    mapped(routes, (answer, path) => () => (deps.owns() ? answer() : passOn('GET', path))),
    mapped(actions, (act, path) => (body: unknown) => (deps.owns() ? act(body) : passOn('POST', path, body))),
  ];
}

const mapped = <T>(record: Readonly<Record<string, T>>, change: (value: T, key: string) => T) =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value, key)]));

function ask({ keys, port }: RelayDeps, method: string, path: string, body: unknown): Promise<Answer> {
  const key = keys.current();
  if (!key) return Promise.reject(new Error('Swarm has not been read yet'));
  const options: RequestOptions & Pick<ConnectionOptions, 'pskCallback'> = {
    ...{ host: '127.0.0.1', port, path, method, timeout: patienceMs, agent: false },
    ...pskTlsOptions,
    pskCallback: () => ({ psk: key, identity: pskIdentity('neighbour', key) }),
    checkServerIdentity: () => undefined,
  };
  return new Promise((resolve, reject) => {
    const outgoing = request(options, (response) => {
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
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${patienceMs / 1000} s`)));
    outgoing.on('error', reject);
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
