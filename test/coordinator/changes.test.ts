// The overview over real HTTP: one version for many readers, 304 for those who have it, and streams that are bounded.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { get, type IncomingMessage, type OutgoingHttpHeaders, type Server } from 'node:http';
import { type AddressInfo, createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { type ChangesOptions, createChanges } from '../../coordinator/io/changes.ts';
import { createHttpServer, listenTcp, listenUnix } from '../../shared/io/http.ts';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

function serverOf(options: Partial<ChangesOptions>): Server {
  const changes = createChanges({ look: () => ({ is: 'same' }), now: Date.now, everyMs: 5, ...options });
  const server = createHttpServer({ '/document': changes.document, '/stream': changes.stream });
  servers.push(server);
  return server;
}

async function serve(options: Partial<ChangesOptions>): Promise<number> {
  const server = serverOf(options);
  await listenTcp(server, { host: '127.0.0.1', port: 0 });
  return (server.address() as AddressInfo).port;
}

const ask = (port: number, path: string, headers: OutgoingHttpHeaders = {}): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, headers }, resolve).on('error', reject);
  });

async function body(response: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of response) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

/** The versions that a stream names, as they come. */
async function* versions(response: IncomingMessage): AsyncGenerator<string> {
  let text = '';
  for await (const part of response) {
    text += String(part);
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const event = text.slice(0, end);
      text = text.slice(end + 2);
      assert.match(event, /^event: version$/m);
      yield JSON.parse(/^data: (.*)$/m.exec(event)?.[1] ?? '').version;
    }
  }
}

describe('the overview', { timeout: 60_000 }, () => {
  it('is sent once to who has it: 304 until it changes', async () => {
    let value = 1;
    const port = await serve({ look: () => ({ value }) });
    const first = await ask(port, '/document');
    const { etag } = first.headers;
    assert.deepEqual(JSON.parse(String(await body(first))), { value: 1 });
    assert.ok(etag);
    const again = await ask(port, '/document', { 'if-none-match': `W/"other", ${etag}` });
    assert.equal(again.statusCode, 304);
    assert.equal((await body(again)).length, 0);
    value = 2;
    const asked = async () => ask(port, '/document', { 'if-none-match': etag });
    let changed = await asked();
    // A look that took long is followed by a long rest.
    for (const endMs = performance.now() + 5_000; changed.statusCode === 304; changed = await asked()) {
      assert.ok(performance.now() < endMs, 'the change is seen');
      await delay(5);
    }
    assert.equal(changed.statusCode, 200);
    assert.deepEqual(JSON.parse(String(await body(changed))), { value: 2 });
  });

  it('is compressed when it is long and the reader knows how', async () => {
    const long = { text: 'again and '.repeat(10_000) };
    const port = await serve({ look: () => long });
    const zipped = await ask(port, '/document', { 'accept-encoding': 'br, gzip' });
    assert.equal(zipped.headers['content-encoding'], 'gzip');
    const bytes = await body(zipped);
    assert.ok(bytes.length < 5_000);
    assert.deepEqual(JSON.parse(String(gunzipSync(bytes))), long);
    const plain = await ask(port, '/document', { 'accept-encoding': 'gzip;q=0' });
    assert.equal(plain.headers['content-encoding'], undefined);
    assert.deepEqual(JSON.parse(String(await body(plain))), long);
  });

  it('answers 503 while Swarm has not been read', async () => {
    assert.equal((await ask(await serve({ look: () => undefined }), '/document')).statusCode, 503);
  });

  it('is looked at once for many readers', async () => {
    let looks = 0;
    const port = await serve({ look: () => ({ looked: looks++ > 1e9 }), everyMs: 60_000 });
    await Promise.all(Array.from({ length: 50 }, async () => body(await ask(port, '/document'))));
    assert.equal(looks, 1);
  });

  it('is not looked at while nobody reads', async () => {
    let looks = 0;
    const port = await serve({ look: () => ({ looked: looks++ > 1e9 }), everyMs: 200 });
    const stream = await ask(port, '/stream');
    await versions(stream).next();
    stream.destroy();
    await delay(50);
    const before = looks;
    await delay(500);
    assert.equal(looks, before);
  });
});

describe('the stream', { timeout: 60_000 }, () => {
  it('names the version at once, each new one, and the same again as a sign of life', async () => {
    let value = 1;
    const port = await serve({ look: () => ({ value }), beatMs: 50 });
    const document = await ask(port, '/document');
    await body(document);
    const said = versions(await ask(port, '/stream'));
    const first = (await said.next()).value;
    assert.equal(document.headers.etag, `W/"${first}"`);
    assert.equal((await said.next()).value, first, 'beat');
    value = 2;
    let next = first;
    while (next === first) next = (await said.next()).value;
    const changed = await ask(port, '/document');
    assert.equal(changed.headers.etag, `W/"${next}"`);
  });

  it('names a new version also when somebody has asked for the document before', async () => {
    let value = 1;
    const port = await serve({ look: () => ({ value }), everyMs: 100, beatMs: 60_000 });
    const said = versions(await ask(port, '/stream'));
    const first = (await said.next()).value;
    value = 2;
    const poller = setInterval(() => void ask(port, '/document').then(body), 3);
    let next = first;
    while (next === first) next = (await said.next()).value;
    clearInterval(poller);
    assert.equal((await ask(port, '/document')).headers.etag, `W/"${next}"`);
  });

  it('is refused to more readers than the limit, who can still ask for the document', async () => {
    const port = await serve({ mostClients: 2 });
    const streams = await Promise.all([ask(port, '/stream'), ask(port, '/stream')]);
    const refused = await ask(port, '/stream');
    assert.deepEqual([refused.statusCode, refused.headers['retry-after']], [503, '30']);
    assert.equal((await ask(port, '/document')).statusCode, 200);
    streams[0]?.destroy();
    await delay(50);
    assert.equal((await ask(port, '/stream')).statusCode, 200, 'a place is free again');
  });

  it('ends after its life, so that no silent client holds a place for ever', async () => {
    const response = await ask(await serve({ lifeMs: 50 }), '/stream');
    assert.match(String(await body(response)), /version/);
  });

  it('ends when the document cannot be made; that takes nothing else down', async () => {
    let broken = false;
    const look = () => {
      if (broken) throw new Error('a bug');
      return { well: true };
    };
    const port = await serve({ look });
    const response = await ask(port, '/stream');
    broken = true;
    await body(response);
    const document = await ask(port, '/document');
    assert.equal(document.statusCode, 500);
    assert.match(String(await body(document)), /a bug/);
    assert.equal((await ask(port, '/stream')).statusCode, 500);
    broken = false;
    assert.equal((await ask(port, '/stream')).statusCode, 200);
  });

  it('is given to GET only: HEAD holds no place', async () => {
    const port = await serve({ mostClients: 1 });
    for (let k = 0; k < 3; k++) {
      const response = await fetch(`http://127.0.0.1:${port}/stream`, { method: 'HEAD' });
      assert.equal(response.status, 200);
    }
    assert.equal((await ask(port, '/stream')).statusCode, 200);
  });

  it('drops a reader that does not read', { timeout: 30_000 }, async () => {
    // A unix socket, because its buffer is small.
    const directory = mkdtempSync(join(tmpdir(), 'swarm-vip-changes-'));
    const path = join(directory, 'socket');
    let value = 0;
    const server = serverOf({ look: () => ({ value: value++ }), everyMs: 1 });
    await listenUnix(server, path);
    const connections = () =>
      new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count)));
    const socket = createConnection(path, () => socket.write('GET /stream HTTP/1.1\r\nHost: x\r\n\r\n'));
    socket.pause();
    while ((await connections()) === 0) await delay(10);
    while ((await connections()) > 0) await delay(50);
    socket.destroy();
    rmSync(directory, { recursive: true });
  });
});
