// HTTP: pages that read, by GET, on the network and on the CLI's unix socket; actions, by POST, on the socket alone.
import { mkdirSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { dirname } from 'node:path';
import type { ListenAddress } from './settings.ts';

export interface Answer {
  status: number;
  type: 'application/json' | 'text/plain; version=0.0.4; charset=utf-8';
  body: string;
}

export type Routes = Readonly<Record<string, () => Answer | Promise<Answer>>>;

/** Actions by exact path; they get the parsed JSON of the request, still to be validated. */
export type Actions = Readonly<Record<string, (body: unknown) => Answer | Promise<Answer>>>;

const maxBodyBytes = 524_288;

export const json = (status: number, value: unknown): Answer => ({
  status,
  type: 'application/json',
  body: `${JSON.stringify(value)}\n`,
});

/** Serves `routes` by exact path for GET and HEAD, and `actions`, if there are any, for POST. */
export function createHttpServer(routes: Routes, actions: Actions = {}): Server {
  const limits = { requestTimeout: 10_000, headersTimeout: 5_000, maxHeaderSize: 8_192 };
  return createServer(limits, pageListener(routes, actions));
}

export function listenTcp(server: Server, { host, port }: ListenAddress): Promise<void> {
  return listening(server, () => server.listen(port, host));
}

/** Replaces a socket that an earlier life left behind; makes its folder, which a stack need not mount. */
export function listenUnix(server: Server, path: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  rmSync(path, { force: true });
  return listening(server, () => server.listen(path));
}

function listening(server: Server, listen: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      resolve();
    });
    listen();
  });
}

export function pageListener(routes: Routes, actions: Actions): RequestListener {
  return async (request, response) => {
    const answer = await answerTo(request, routes, actions).catch((error: unknown) =>
      json(500, { error: String(error) }),
    );
    response.writeHead(answer.status, {
      'content-type': answer.type,
      'content-length': Buffer.byteLength(answer.body),
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      ...(answer.status === 405 ? { allow: 'GET, HEAD' } : {}),
    });
    response.end(request.method === 'HEAD' ? undefined : answer.body);
  };
}

async function answerTo(request: IncomingMessage, routes: Routes, actions: Actions): Promise<Answer> {
  const path = (request.url ?? '/').split('?')[0] ?? '/';
  if (request.method === 'POST' && Object.hasOwn(actions, path)) {
    const body = await readJson(request);
    return body.ok ? (actions[path]?.(body.value) ?? json(404, {})) : json(400, { error: body.reason });
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return json(405, { error: `${request.method} is not served here: this interface is read-only` });
  }
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  return route ? route() : json(404, { error: `no such page: ${path}`, pages: Object.keys(routes) });
}

type Body = { ok: true; value: unknown } | { ok: false; reason: string };

async function readJson(request: IncomingMessage): Promise<Body> {
  let text = '';
  for await (const chunk of request) {
    text += String(chunk);
    if (text.length > maxBodyBytes) return { ok: false, reason: `expected at most ${maxBodyBytes} bytes` };
  }
  try {
    return { ok: true, value: JSON.parse(text) };
  } catch (error) {
    return { ok: false, reason: `expected JSON: ${String(error)}` };
  }
}
