// The coordinators' own key where it follows from Swarm: who can make it, what a rotation of the manager join token leaves,
// and what agents are given to believe. That managers alone can read it is Swarm's: test/e2e/operator-stack.test.ts.
import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { describe, it } from 'node:test';
import { keyToGive } from '../../coordinator/io/key-vault.ts';
import {
  createSigningRing,
  deriveSigningKey,
  type SigningKey,
  signingKey,
} from '../../coordinator/io/signing-ring.ts';
import { publicKeyName, publicKeyText, readPublicKey } from '../../shared/io/coordinator-proof.ts';

const cluster = 'cluster1';
const tokens = (manager: string) => ({ manager, cluster });
const derived = (manager: string) => signingKey(deriveSigningKey(tokens(manager)));

describe('the coordinators’ own key', () => {
  it('follows from the manager join token and the Swarm alone, so every coordinator has the same', () => {
    assert.equal(derived('SWMTKN-1-a').publicText, derived('SWMTKN-1-a').publicText);
    assert.notEqual(derived('SWMTKN-1-a').publicText, derived('SWMTKN-1-b').publicText);
    const elsewhere = signingKey(deriveSigningKey({ manager: 'SWMTKN-1-a', cluster: 'cluster2' }));
    assert.notEqual(derived('SWMTKN-1-a').publicText, elsewhere.publicText);
  });

  it('has a public half that agents can read, and a name that is the same for both halves', () => {
    const { publicText, name } = derived('SWMTKN-1-a');
    assert.equal(publicKeyText(readPublicKey(publicText)), publicText);
    assert.equal(publicKeyName(publicText), name);
    assert.match(name, /^[0-9a-f]{12}$/);
  });

  it('does not change from one version to the next, or every update would be a rotation', () => {
    // By openssl, from HKDF (RFC 5869) with HMACs by hand.
    assert.equal(
      derived('SWMTKN-1-a').publicText,
      'MCowBQYDK2VwAyEAPRI43cvkIjTxidRj8NVX1jPLiqMdww6vZ3wnBTI72Ww=',
    );
  });
});

describe('the keys that a coordinator can prove', () => {
  const [one, two, three] = ['one', 'two', 'three'].map(derived) as [SigningKey, SigningKey, SigningKey];
  const names = (ring: ReturnType<typeof createSigningRing>) =>
    [one, two, three].map(({ name }) => ring.find(name)?.name === name);

  it('are the newest for whoever names none, and the former for agents that know it', async () => {
    const ring = createSigningRing(undefined);
    assert.equal(ring.current(), undefined);
    assert.equal(ring.find(undefined), undefined);
    assert.deepEqual(
      [await ring.renew(tokens('one')), await ring.renew(tokens('one')), await ring.renew(tokens('two'))],
      [true, false, true],
    );
    assert.equal(ring.current()?.name, two.name);
    assert.equal(ring.find(undefined)?.name, two.name);
    assert.deepEqual(names(ring), [true, true, false]);
  });

  it('hold those of rotations that nobody here has seen, as long as Swarm keeps them', async () => {
    const kept: KeyObject[] = [one.key];
    const ring = createSigningRing(undefined, async () => kept);
    await ring.renew(tokens('one'));
    // Another coordinator was active when the second came.
    kept.unshift(two.key);
    await ring.renew(tokens('three'));
    assert.deepEqual(names(ring), [true, true, true]);
    const started = createSigningRing(undefined, async () => kept);
    await started.renew(tokens('three'));
    assert.deepEqual(names(started), [true, true, true]);
    assert.equal(started.current()?.name, three.name);
  });

  it('stay as they are when Swarm does not tell the former ones, so that this is tried again', async () => {
    let broken = true;
    const ring = createSigningRing(undefined, async () => {
      if (broken) throw new Error('no answer');
      return [one.key];
    });
    await assert.rejects(ring.renew(tokens('two')));
    assert.equal(ring.current(), undefined);
    broken = false;
    assert.equal(await ring.renew(tokens('two')), true);
    assert.deepEqual(names(ring), [true, true, false]);
  });

  it('are the mounted one where there is one, whatever Swarm’s token is', async () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    const ring = createSigningRing(privateKey, () => assert.fail('nothing else is asked for'));
    assert.equal(await ring.renew(tokens('one')), false);
    assert.equal(ring.current()?.key, privateKey);
    assert.deepEqual(names(ring), [false, false, false]);
  });
});

describe('the key that agents are given', () => {
  const [one, two, lost] = ['one', 'two', 'lost'].map(derived) as [SigningKey, SigningKey, SigningKey];
  const ring = createSigningRing(undefined, async () => [one.key]);
  const give = async (known: string | undefined, keeps: boolean) => {
    await ring.renew(tokens('two'));
    let asked: string[] = [];
    const text = await keyToGive(
      ring,
      async (keys) => {
        asked = keys.map(({ name }) => name);
        return keeps;
      },
      known,
    );
    return { text, asked };
  };

  it('is the newest, once it is kept beside the one that they know', async () => {
    assert.deepEqual(await give(undefined, true), { text: two.publicText, asked: [two.name] });
    assert.deepEqual(await give(two.publicText, true), { text: two.publicText, asked: [two.name] });
    assert.deepEqual(await give(one.publicText, true), { text: two.publicText, asked: [two.name, one.name] });
  });

  it('stays the one that they know while the newest cannot be kept', async () => {
    assert.equal((await give(one.publicText, false)).text, one.publicText);
    assert.equal((await give(undefined, false)).text, undefined);
  });

  it('is none rather than one that nobody can prove any more', async () => {
    assert.equal((await give(lost.publicText, false)).text, undefined);
    assert.equal((await give(lost.publicText, true)).text, two.publicText);
    assert.equal((await give('what no key is', false)).text, undefined);
  });

  it('is none before Swarm was read', async () => {
    const unread = createSigningRing(undefined);
    assert.equal(await keyToGive(unread, () => assert.fail('nothing to keep'), one.publicText), undefined);
  });
});
