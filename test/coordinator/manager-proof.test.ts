// A worker has the pre-shared key, too. What keeps it from posing as a coordinator: agents that know the public half of
// the coordinators' own key take nothing from whoever cannot sign the very connection.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, it } from 'node:test';
import pino from 'pino';
import { createCoordinatorLink } from '../../agent/io/coordinator-link.ts';
import { createAgentServer } from '../../coordinator/io/agent-server.ts';
import { createKeyRing } from '../../coordinator/io/key-ring.ts';
import type { Assignment, Hello, Welcome } from '../../shared/protocol.ts';
import { openAs } from './agent-client.ts';
import { id } from './world.ts';

const key = 'a-key-of-some-length-1';
const coordinators = generateKeyPairSync('ed25519');
const hello: Hello = {
  ...{ type: 'hello', protocol: 1, node: id(1), hostname: 'host1', agentVersion: '1' },
  keepalivedVersion: '2.2.7',
};
const assignment: Assignment = { type: 'assignment', epoch: 9, counter: 1, instances: [] };

/** A coordinator that welcomes everybody, with `welcome` changed, and assigns at once. */
async function listening(signing: typeof coordinators.privateKey | undefined, change: Partial<Welcome> = {}) {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  probe.close();
  const welcome: Welcome = {
    ...{ type: 'welcome', protocol: 1, node: id(2), role: 'active', managers: [] },
    ...change,
  };
  const server = createAgentServer(
    createKeyRing([Buffer.from(key)], Date.now),
    signing,
    {
      admit: () => undefined,
      hello({ node }) {
        server.send(node, welcome);
        server.send(node, assignment);
      },
      report: () => undefined,
      history: () => undefined,
      gone: () => undefined,
      refused: () => undefined,
    },
    () => assert.fail('nobody asks for a page'),
  );
  await server.listen({ host: '127.0.0.1', port });
  return { port, close: () => server.close() };
}

/** What an agent that asks for a proof makes of it: an assignment, or why not. */
async function outcome(port: number, known: typeof coordinators.publicKey | null): Promise<string> {
  let link: ReturnType<typeof createCoordinatorLink> | undefined;
  const result = await new Promise<string>((resolve) => {
    link = createCoordinatorLink(
      { host: '127.0.0.1', port },
      {
        ...{
          log: pino({ level: 'silent' }),
          key: Buffer.from(key),
          coordinatorKey: known,
          hello: () => hello,
        },
        random: () => 0.1,
        onWelcome: () => undefined,
        onAssignment: () => resolve('assigned'),
        onTasks: () => undefined,
        onChange() {
          const error = link?.status().lastError;
          if (error) resolve(error);
        },
        isTaken: () => false,
      },
    );
  });
  link?.close();
  return result;
}

describe('an agent that knows the coordinators’ public key', () => {
  it('obeys who signs the connection', async () => {
    const server = await listening(coordinators.privateKey);
    assert.equal(await outcome(server.port, coordinators.publicKey), 'assigned');
    await server.close();
  });

  for (const [title, signing] of [
    ['has the pre-shared key alone', undefined],
    ['signs with another key', generateKeyPairSync('ed25519').privateKey],
  ] as const) {
    it(`takes nothing from who ${title}`, async () => {
      const server = await listening(signing);
      assert.match(await outcome(server.port, coordinators.publicKey), /does not prove/);
      // The control: without the public key the same one is believed.
      assert.equal(await outcome(server.port, null), 'assigned');
      await server.close();
    });
  }

  it('takes nothing from who passes on a proof that a true coordinator gave him', async () => {
    const truth = await listening(coordinators.privateKey);
    const asked = openAs({ port: truth.port, key, node: id(1), from: '127.0.0.1' });
    await once(asked, 'open');
    asked.send(JSON.stringify(hello));
    const [first] = await once(asked, 'message');
    const { proof } = JSON.parse(String(first)) as Welcome;
    assert.ok(proof);
    const liar = await listening(undefined, { proof });
    assert.match(await outcome(liar.port, coordinators.publicKey), /does not prove/);
    asked.terminate();
    await liar.close();
    await truth.close();
  });
});
