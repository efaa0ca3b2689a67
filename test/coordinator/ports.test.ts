// Ports that several coordinators of one host want, what the one without them is asked, and two keys at a time: on real
// sockets, with real handshakes.
import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { request } from 'node:https';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { ConnectionOptions } from 'node:tls';
import pino from 'pino';
import { type ClientOptions, WebSocket } from 'ws';
import { createAgentServer } from '../../coordinator/io/agent-server.ts';
import { createDoors } from '../../coordinator/io/doors.ts';
import { createKeyRing, deriveKey, formerKeyMs } from '../../coordinator/io/key-ring.ts';
import { relayed } from '../../coordinator/io/relay.ts';
import { createSigningRing } from '../../coordinator/io/signing-ring.ts';
import { createHttpServer, json, listenTcp, pageListener, type Routes } from '../../shared/io/http.ts';
import { pskIdentity } from '../../shared/io/psk-identity.ts';
import { pskTlsOptions } from '../../shared/tls.ts';
import { id } from './world.ts';

const log = pino({ level: 'silent' });
const freePort = () =>
  new Promise<number>((resolve) => {
    const server = createServer().listen(0, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });

/** Who has not said hello by then is put out. */
const strangerMs = 5_000;
const unexpected = (): never => assert.fail('nobody gets as far as a frame');

describe('the ports of a host', () => {
  let nowMs = 0;
  const keys = createKeyRing([], () => nowMs);
  keys.renew('token of this Swarm');
  const pages: Routes = {
    '/here': () => json(200, { here: true }),
    // Ends long after the first line, which is to arrive before.
    '/flow': (query) => ({
      stream(response) {
        response.writeHead(200, { 'content-type': 'application/x-ndjson' });
        response.write(`${query.get('since')}\n`);
        flowing.push(response);
      },
    }),
  };
  const flowing: ServerResponse[] = [];
  const actions = { '/do': (body: unknown) => json(200, { did: body }) };
  let ports: [number, number];
  const coordinator = () => {
    const server = createAgentServer(
      keys,
      createSigningRing(undefined),
      {
        // Every node is a stranger; what counts is that the handshake went well.
        admit: () => ({ code: 4002, reason: 'stranger' }),
        ...{ hello: unexpected, report: unexpected, history: unexpected, gone: unexpected },
        refused: () => undefined,
      },
      pageListener(pages, actions),
    );
    return createDoors({
      agents: server,
      agentListen: { host: undefined, port: ports[0] },
      pages: createHttpServer(pages),
      pagesListen: { host: undefined, port: ports[1] },
      log,
      now: () => nowMs,
    });
  };
  let first: ReturnType<typeof coordinator>;
  let second: ReturnType<typeof coordinator>;
  before(async () => {
    ports = [await freePort(), await freePort()];
    [first, second] = [coordinator(), coordinator()];
    await first.keep(true);
  });
  after(async () => {
    await first.close();
    await second.close();
  });
  const page = async () => (await fetch(`http://127.0.0.1:${ports[1]}/here`)).status;
  /** The close code, or what ends the handshake. */
  const knock = (key: Buffer, host = '127.0.0.1') =>
    new Promise<string>((resolve) => {
      const options: ClientOptions & Pick<ConnectionOptions, 'pskCallback'> = {
        ...pskTlsOptions,
        pskCallback: () => ({ psk: key, identity: pskIdentity(id(1), key) }),
        checkServerIdentity: () => false,
      };
      new WebSocket(`wss://${host}:${ports[0]}`, options)
        .on('error', () => resolve('handshake'))
        .on('close', (code) => resolve(String(code)));
    });
  const relay = (ring = keys) =>
    relayed(
      { keys: ring, port: ports[0], owns: () => false },
      { '/here': unasked, '/flow': unasked },
      actions,
    );
  const unasked = (): never => assert.fail('the owner of the ports answers');
  /** What a client of the socket gets. */
  const passed = async (routes: Routes, path = '/here') => {
    const local = createHttpServer(routes);
    const port = await freePort();
    await listenTcp(local, { host: '127.0.0.1', port });
    try {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`);
      return [answer.status, await answer.text()];
    } finally {
      await new Promise((resolve) => local.close(resolve));
    }
  };

  it('belong to one; the other says so after a while, and tries again', async () => {
    await second.keep(true);
    assert.deepEqual([first.open(), second.open(), second.problems()], [true, false, []]);
    nowMs = 20_000;
    assert.equal(second.problems()[0]?.code, 'port-taken');
    assert.equal(await page(), 200);
  });

  it('change hands without a fight, and back', async () => {
    await first.keep(false);
    await second.keep(true);
    assert.deepEqual([first.open(), second.open(), second.problems()], [false, true, []]);
    assert.deepEqual([await page(), await knock(deriveKey('token of this Swarm'))], [200, '4002']);
    await second.keep(false);
    await first.keep(true);
    assert.deepEqual([await page(), await knock(deriveKey('token of this Swarm'))], [200, '4002']);
  });

  it('let the one without them pass on what it is asked', async () => {
    const [passedPages, passedActions] = relay();
    assert.deepEqual(await passed(passedPages), [200, '{"here":true}\n']);
    const done = await passedActions['/do']?.({ a: 1 });
    assert.deepEqual(JSON.parse(done?.body ?? ''), { did: { a: 1 } });
  });

  it('let a question wait while they change hands', async () => {
    const [passedPages, passedActions] = relay();
    await first.keep(false);
    const asked = Promise.all([passed(passedPages), passedActions['/do']?.({ a: 2 })]);
    await delay(500);
    await second.keep(true);
    const [answer, done] = await asked;
    assert.deepEqual([answer, JSON.parse(done?.body ?? '')], [[200, '{"here":true}\n'], { did: { a: 2 } }]);
    await second.keep(false);
    assert.equal((await passed(passedPages))[0], 503, 'not for ever');
    await first.keep(true);
  });

  it('let a stream pass as it is written, with its query, longer than a stranger may stay, until they change hands', async () => {
    const local = createHttpServer(relay()[0]);
    const port = await freePort();
    await listenTcp(local, { host: '127.0.0.1', port });
    const answer = await fetch(`http://127.0.0.1:${port}/flow?since=5`);
    const reader = answer.body?.getReader();
    const next = async () => Buffer.from((await reader?.read())?.value ?? []).toString('utf8');
    assert.equal(await next(), '5\n');
    await delay(strangerMs + 500);
    flowing[0]?.write('later\n');
    assert.equal(await next(), 'later\n');
    await first.close();
    await assert.rejects(next());
    await first.keep(true);
    await new Promise((resolve) => local.close(resolve));
  });

  it('answer nobody with another key, nor from another host', async (t) => {
    const stranger = createKeyRing([Buffer.from('k'.repeat(32))], () => nowMs);
    const [strange] = relay(stranger);
    assert.equal((await passed(strange))[0], 503);
    const outer = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
    const address = outer.find(({ internal, family }) => !internal && family === 'IPv4')?.address;
    if (address === undefined) return t.skip('this machine has no address but loopback');
    const key = deriveKey('token of this Swarm');
    const options = {
      ...{
        host: address,
        port: ports[0],
        path: '/here',
        ...pskTlsOptions,
        checkServerIdentity: () => undefined,
      },
      pskCallback: () => ({ psk: key, identity: pskIdentity('neighbour', key) }),
    };
    const status = await new Promise((resolve, reject) => {
      request(options, (response) => resolve(response.resume().statusCode))
        .on('error', reject)
        .end();
    });
    assert.equal(status, 426);
  });

  it('take the former key and the newer one after a rotation, the former for an hour, others never', async () => {
    const [former, newer] = [deriveKey('token of this Swarm'), deriveKey('rotated')];
    assert.equal(await knock(newer), 'handshake');
    keys.renew('rotated');
    assert.deepEqual([await knock(former), await knock(newer)], ['4002', '4002']);
    nowMs += formerKeyMs + 1;
    assert.deepEqual([await knock(former), await knock(newer)], ['handshake', '4002']);
  });
});
