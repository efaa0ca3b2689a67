// Read-only HTTP: the same routes on the network and on the CLI's unix socket.
import { rmSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { ListenAddress } from './settings.ts';

export interface Answer {
  status: number;
  type: 'application/json' | 'text/plain; version=0.0.4; charset=utf-8';
  body: string;
}

export type Routes = Readonly<Record<string, () => Answer | Promise<Answer>>>;

export const json = (status: number, value: unknown): Answer => ({
  status,
  type: 'application/json',
  body: `${JSON.stringify(value)}\n`,
});

/** Serves `routes` by exact path, for GET and HEAD only. */
export function createHttpServer(routes: Routes): Server {
  return createServer(
    { requestTimeout: 10_000, headersTimeout: 5_000, maxHeaderSize: 8_192 },
    listener(routes),
  );
}

export function listenTcp(server: Server, { host, port }: ListenAddress): Promise<void> {
  return listening(server, () => server.listen(port, host));
}

/** Replaces a socket that an earlier life left behind. */
export function listenUnix(server: Server, path: string): Promise<void> {
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

function listener(routes: Routes): RequestListener {
  return async (request, response) => {
    const path = (request.url ?? '/').split('?')[0] ?? '/';
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
    let answer: Answer;
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD');
      answer = json(405, { error: `${request.method} is not served here: this interface is read-only` });
    } else if (!route) {
      answer = json(404, { error: `no such page: ${path}`, pages: Object.keys(routes) });
    } else {
      answer = await Promise.resolve(route()).catch((error: unknown) => json(500, { error: String(error) }));
    }
    response.writeHead(answer.status, {
      'content-type': answer.type,
      'content-length': Buffer.byteLength(answer.body),
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
    response.end(request.method === 'HEAD' ? undefined : answer.body);
  };
}
