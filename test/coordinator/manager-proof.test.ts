// A worker has the pre-shared key, too. What keeps it from posing as a coordinator: agents that know the public half of
// the coordinators' own key take nothing from whoever cannot sign the very connection.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import pino from 'pino';
import { readConfig } from '../../agent/config.ts';
import { createCoordinatorLink } from '../../agent/io/coordinator-link.ts';
import { createProblems } from '../../agent/io/problems.ts';
import { createStateStore } from '../../agent/io/state-store.ts';
import { createLinks } from '../../agent/links.ts';
import type { RefusalKind } from '../../coordinator/core/refusal.ts';
import { createAgentServer } from '../../coordinator/io/agent-server.ts';
import { createKeyRing } from '../../coordinator/io/key-ring.ts';
import {
  createSigningRing,
  deriveSigningKey,
  type SigningRing,
  signingKey,
} from '../../coordinator/io/signing-ring.ts';
import { publicKeyText } from '../../shared/io/coordinator-proof.ts';
import type { Assignment, Hello, Welcome } from '../../shared/protocol.ts';
import { until } from '../lab/run.ts';
import { openAs } from './agent-client.ts';
import { id } from './world.ts';

const key = 'a-key-of-some-length-1';
const log = pino({ level: 'silent' });
const coordinators = generateKeyPairSync('ed25519');
const others = generateKeyPairSync('ed25519');
const hello: Hello = {
  ...{ type: 'hello', protocol: 1, node: id(1), hostname: 'host1', agentVersion: '1' },
  keepalivedVersion: '2.2.7',
};
const assignment: Assignment = { type: 'assignment', epoch: 9, counter: 1, instances: [] };
const mounted = (pair: typeof coordinators) => createSigningRing(pair.privateKey);
const keyless = createSigningRing(undefined);
const derived = (manager: string) => signingKey(deriveSigningKey({ manager, cluster: 'cluster1' }));

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  return typeof address === 'object' && address ? address.port : 0;
}

/** A coordinator that welcomes everybody, with `welcome` changed, and assigns at once. */
async function listening(
  t: TestContext,
  signing: Pick<SigningRing, 'find'>,
  change: Partial<Welcome> = {},
  port?: number,
) {
  const at = port ?? (await freePort());
  const refused: RefusalKind[] = [];
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
      refused: (_address, _refusal, kind) => void refused.push(kind),
    },
    () => assert.fail('nobody asks for a page'),
  );
  await server.listen({ host: '127.0.0.1', port: at });
  let open = true;
  const close = async () => {
    if (open) await server.close();
    open = false;
  };
  t.after(close);
  return { port: at, close, refused };
}

/** What an agent that asks for a proof makes of it: an assignment, or why not. */
async function outcome(port: number, known: typeof coordinators.publicKey | null): Promise<string> {
  let link: ReturnType<typeof createCoordinatorLink> | undefined;
  const result = await new Promise<string>((resolve) => {
    link = createCoordinatorLink(
      { host: '127.0.0.1', port },
      {
        ...{ log, key: Buffer.from(key), coordinatorKey: known, hello: () => hello },
        random: () => 0.1,
        onImpostor: () => undefined,
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
  it('obeys who signs the connection', async (t) => {
    const server = await listening(t, mounted(coordinators));
    assert.equal(await outcome(server.port, coordinators.publicKey), 'assigned');
    assert.deepEqual(server.refused, []);
  });

  for (const [title, signing] of [
    ['has the pre-shared key alone', keyless],
    ['signs with another key', mounted(others)],
    // An impostor signs whatever is asked for.
    ['signs with another key under the name of the right one', { find: () => mounted(others).current() }],
  ] as const) {
    it(`takes nothing from who ${title}, and tells him so`, async (t) => {
      const server = await listening(t, signing);
      assert.match(await outcome(server.port, coordinators.publicKey), /does not prove/);
      await until('the refusal to be counted', async () => server.refused.length > 0 || undefined, {
        timeoutMs: 2_000,
        everyMs: 10,
      });
      assert.deepEqual(server.refused, ['unproven']);
      // The control: without the public key the same one is believed.
      assert.equal(await outcome(server.port, null), 'assigned');
    });
  }

  it('takes nothing from who passes on a proof that a true coordinator gave him', async (t) => {
    const truth = await listening(t, mounted(coordinators));
    const asked = openAs({ port: truth.port, key, node: id(1), from: '127.0.0.1' });
    await once(asked, 'open');
    asked.send(JSON.stringify(hello));
    const [first] = await once(asked, 'message');
    const { proof } = JSON.parse(String(first)) as Welcome;
    assert.ok(proof);
    const liar = await listening(t, keyless, { proof });
    assert.match(await outcome(liar.port, coordinators.publicKey), /does not prove/);
    asked.terminate();
  });

  it('counts a liar at a manager’s address and names him as long as he is there', async (t) => {
    const stateDir = mkdtempSync(join(tmpdir(), 'proof-'));
    t.after(() => rmSync(stateDir, { recursive: true }));
    const liar = await listening(t, keyless);
    const config = readConfig({
      ...{ NODE_ID: id(1), COORDINATORS: `127.0.0.1:${liar.port}`, SWARM_VIP_KEY: key },
      ...{ COORDINATOR_PUBLIC_KEY: publicKeyText(coordinators.publicKey), STATE_DIR: stateDir },
    });
    const problems = createProblems(log, () => undefined);
    const taken: Assignment[] = [];
    const links = createLinks({
      ...{ config, log, problems, store: createStateStore(problems), hello: () => hello },
      random: () => 0.1,
      onAssignment: (frame) => taken.push(frame) > 0,
      onTasks: () => assert.fail('the liar’s words on services count'),
      onWelcome: () => undefined,
      onChange: () => undefined,
    });
    t.after(() => links.close());
    const endpoint = `127.0.0.1:${liar.port}`;
    const refused = () => links.status().get(endpoint)?.unproven ?? 0;
    const found = () => problems.all().map(({ code, where }) => [code, where]);
    const patience = { timeoutMs: 10_000, everyMs: 10 };
    await until('two refusals', async () => refused() >= 2 || undefined, patience);
    assert.deepEqual(found(), [['coordinator-unproven', endpoint]]);
    assert.deepEqual(taken, []);
    await liar.close();
    await until('nobody to be there', async () => found().length === 0 || undefined, patience);
    const truth = await listening(t, mounted(coordinators), {}, liar.port);
    await until('the coordinator’s word', async () => taken.length > 0 || undefined, patience);
    assert.deepEqual(found(), []);
    assert.deepEqual(truth.refused, []);
  });
});

describe('an agent that was created with a key that followed from a former join token', () => {
  const former = derived('token 1');
  const [knowsFormer, knowsNewest] = [former, derived('token 2')].map(({ publicText }) => {
    const { coordinatorKey } = readConfig({
      ...{ NODE_ID: id(1), SWARM_VIP_KEY: key, COORDINATOR_PUBLIC_KEY: publicText },
    });
    return coordinatorKey;
  }) as [typeof coordinators.publicKey, typeof coordinators.publicKey];
  const rotated = async (kept: () => Promise<(typeof former.key)[]>, ...tokens: string[]) => {
    const ring = createSigningRing(undefined, kept);
    for (const manager of tokens) await ring.renew({ manager, cluster: 'cluster1' });
    return ring;
  };

  it('believes a coordinator that has seen the rotation, and so does one with the newest', async (t) => {
    const server = await listening(t, await rotated(async () => [], 'token 1', 'token 2'));
    assert.equal(await outcome(server.port, knowsFormer), 'assigned');
    assert.equal(await outcome(server.port, knowsNewest), 'assigned');
  });

  it('believes a coordinator that was started afterwards, by what Swarm keeps', async (t) => {
    const server = await listening(t, await rotated(async () => [former.key], 'token 2'));
    assert.equal(await outcome(server.port, knowsFormer), 'assigned');
    assert.equal(await outcome(server.port, knowsNewest), 'assigned');
    // The control: were it not kept, that agent would be alone until its update.
    const forgetful = await listening(t, await rotated(async () => [], 'token 2'));
    assert.match(await outcome(forgetful.port, knowsFormer), /does not prove/);
  });

  it('believes no one with the former key once it knows the newest', async (t) => {
    const server = await listening(t, { find: () => former });
    assert.match(await outcome(server.port, knowsNewest), /does not prove/);
  });
});
