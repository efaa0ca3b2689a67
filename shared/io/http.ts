// HTTP: pages that read, by GET, on the network and on the CLI's unix socket; actions, by POST, on the socket alone.
// A client that has a page already, by its ETag, gets 304; long pages are compressed.
import { mkdirSync, rmSync } from 'node:fs';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { ListenAddress } from './settings.ts';

export interface Answer {
  status: number;
  type:
    | 'application/json'
    | 'text/plain; version=0.0.4; charset=utf-8'
    | 'text/html; charset=utf-8'
    | 'text/css; charset=utf-8'
    | 'text/javascript; charset=utf-8'
    | 'image/svg+xml';
  body: string;
  /** Names the content: who has it already gets 304 (RFC 9110 §13.1.2). Weak, because the body may be compressed. */
  etag?: `W/"${string}"`;
  headers?: Readonly<Record<string, string>>;
}

/** Takes the response over: it goes on after the route has returned. */
export type Stream = { stream: (response: ServerResponse) => void };

export type Routes = Readonly<
  Record<string, (query: URLSearchParams) => Answer | Stream | Promise<Answer | Stream>>
>;

/** Actions by exact path; they get the parsed JSON of the request, still to be validated. */
export type Actions = Readonly<Record<string, (body: unknown) => Answer | Promise<Answer>>>;

const maxBodyBytes = 524_288;
/** Shorter bodies are not worth the work. */
const compressBytes = 16_384;
const maxConnections = 512;
const compress = promisify(gzip);

export const json = (status: number, value: unknown): Answer => ({
  status,
  type: 'application/json',
  body: `${JSON.stringify(value)}\n`,
});

/** Serves `routes` by exact path for GET and HEAD, and `actions`, if there are any, for POST. */
export function createHttpServer(routes: Routes, actions: Actions = {}): Server {
  const limits = { requestTimeout: 10_000, headersTimeout: 5_000, maxHeaderSize: 8_192 };
  const server = createServer(limits, pageListener(routes, actions));
  server.maxConnections = maxConnections;
  return server;
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
    try {
      const answer = await answerTo(request, routes, actions);
      if (!('stream' in answer)) await send(request, response, answer);
      else if (request.method === 'HEAD') response.end();
      else answer.stream(response);
    } catch (error) {
      // Whoever asks can end no more than his own request.
      if (response.headersSent) response.destroy();
      else
        response
          .writeHead(500, { 'content-type': 'application/json' })
          .end(json(500, { error: String(error) }).body);
    }
  };
}

async function send(request: IncomingMessage, response: ServerResponse, answer: Answer): Promise<void> {
  const known = answer.etag !== undefined && answer.status === 200 && knows(request, answer.etag);
  const zipped = !known && accepts(request) && answer.body.length >= compressBytes;
  const body = known ? '' : zipped ? await compress(answer.body, { level: 1 }) : answer.body;
  response.writeHead(known ? 304 : answer.status, {
    'cache-control': answer.etag === undefined ? 'no-store' : 'no-cache',
    'x-content-type-options': 'nosniff',
    ...(answer.etag === undefined ? {} : { etag: answer.etag }),
    ...(known ? {} : { 'content-type': answer.type, 'content-length': Buffer.byteLength(body) }),
    ...(zipped ? { 'content-encoding': 'gzip' } : {}),
    ...(answer.body.length >= compressBytes ? { vary: 'accept-encoding' } : {}),
    ...(answer.status === 405 ? { allow: 'GET, HEAD' } : {}),
    ...answer.headers,
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

const knows = ({ headers }: IncomingMessage, etag: string): boolean =>
  (headers['if-none-match'] ?? '').split(',').some((each) => each.trim() === etag);

const accepts = ({ headers }: IncomingMessage): boolean =>
  /\bgzip\b(?!;q=0)/.test(String(headers['accept-encoding'] ?? ''));

async function answerTo(
  request: IncomingMessage,
  routes: Routes,
  actions: Actions,
): Promise<Answer | Stream> {
  const [path = '/', query = ''] = (request.url ?? '/').split('?');
  if (request.method === 'POST' && Object.hasOwn(actions, path)) {
    const body = await readJson(request);
    return body.ok ? (actions[path]?.(body.value) ?? json(404, {})) : json(400, { error: body.reason });
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return json(405, { error: `${request.method} is not served here: this interface is read-only` });
  }
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  return route
    ? route(new URLSearchParams(query))
    : json(404, { error: `no such page: ${path}`, pages: Object.keys(routes) });
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
