// Several stacks in one Swarm, and what the former operator left behind: who is who, who is active, who gets the key.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { activeCoordinator, ownsPorts } from '../../coordinator/core/roles.ts';
import { ourServices, readServices, repositoryOf } from '../../coordinator/core/swarm-services.ts';
import { createKeyRing, deriveKey, formerKeyMs } from '../../coordinator/io/key-ring.ts';
import { containerIdOf } from '../../coordinator/io/own-container.ts';
import { keyName, pskIdentity, readPskIdentity } from '../../shared/io/psk-identity.ts';
import { id, node, service, snapshot } from './world.ts';

const on = (n: number, task = `task${n}`) => ({ id: task, node: id(n) });
const stack = (name: string, day: number, tasks: ReturnType<typeof on>[], env = {}) =>
  service(
    { KEEPALIVED_GROUP: name, ...env },
    { id: name, name, createdAt: `2026-01-0${day}T00:00:00Z`, tasks },
  );

describe('the active coordinator of several stacks', () => {
  const nodes = [
    node(1, {}, { leader: false }),
    node(2, {}, { leader: true }),
    node(3, {}, { leader: false }),
  ];

  it('is the one on the leader, whichever stack it belongs to', () => {
    const swarm = snapshot(nodes, [stack('a', 1, [on(1)]), stack('b', 2, [on(2)])]);
    assert.equal(activeCoordinator(swarm)?.service, 'b');
  });

  it('is that of the older stack when two run on one host, and it alone has the ports', () => {
    const swarm = snapshot(nodes, [stack('b', 2, [on(2, 'tb')]), stack('a', 1, [on(2, 'ta')])]);
    assert.equal(activeCoordinator(swarm)?.id, 'ta');
    assert.equal(ownsPorts(swarm, { node: id(2), service: 'a', task: 'ta' }), true);
    assert.equal(ownsPorts(swarm, { node: id(2), service: 'b', task: 'tb' }), false);
    assert.equal(ownsPorts(swarm, { node: id(2), service: 'b' }), false);
  });

  it('has the ports before Swarm calls it running, as long as nobody else runs on its host', () => {
    const alone = snapshot(nodes, [stack('a', 1, [on(1)])]);
    assert.equal(ownsPorts(alone, { node: id(2), service: 'b', task: 'tb' }), true);
    assert.equal(ownsPorts(alone, { node: id(1), service: 'b', task: 'tb' }), false);
  });

  it('is one that shares its key with the agents', () => {
    const own = { SWARM_VIP_KEY_FILE: '/run/secrets/key' };
    const services = [stack('derives', 1, [on(2, 'td')]), stack('own', 2, [on(1, 'to'), on(2, 'to2')], own)];
    const agents = (managed: boolean) => ({
      agentServices: [{ id: 'x', name: 'x', managed, secrets: [], env: {}, updating: false }],
    });
    const active = (managed: boolean) =>
      activeCoordinator({ ...snapshot(nodes, services), ...agents(managed) })?.id;
    assert.equal(active(false), 'to2');
    assert.equal(active(true), 'td');
  });
});

const raw = (
  name: string,
  more: { image?: string; labels?: object; env?: string[]; mounts?: string[] } = {},
) => ({
  ID: name,
  CreatedAt: '2026-01-01T00:00:00Z',
  Spec: {
    Name: name,
    Labels: more.labels ?? null,
    TaskTemplate: {
      ContainerSpec: {
        Image: more.image ?? 'other:1',
        Env: more.env ?? null,
        Mounts: (more.mounts ?? []).map((Source) => ({ Type: 'bind', Source, Target: Source })),
      },
      Placement: { Constraints: [`node.hostname==${name}`] },
    },
  },
});
const contract = ['KEEPALIVED_GROUP=g', 'KEEPALIVED_VIRTUAL_IPS=10.0.0.100'];

describe('the services of a Swarm', () => {
  const sorted = (list: object[], own = 'own', known: string[] = []) => {
    const found = ourServices(readServices(list), own, new Set(known));
    const names = (some: readonly { name: string }[]) => some.map(({ name }) => name);
    return {
      coordinators: names(found.coordinators),
      agents: found.agents.map(({ name, managed }) => [name, managed]),
      leftovers: names(found.leftovers),
      formerOperators: names(found.formerOperators),
    };
  };
  const none = { coordinators: [], agents: [], leftovers: [], formerOperators: [] };

  it('tell a coordinator by label, by the own image’s repository, or as one that was told before', () => {
    const image = 'r:5000/swarm-vip-coordinator:1@sha256:abc';
    const list = [
      raw('own', { image }),
      raw('same-image', { image: 'r:5000/swarm-vip-coordinator:2' }),
      raw('labelled', { labels: { 'swarm-vip.role': 'coordinator' } }),
      raw('redeployed'),
      raw('stranger', { env: contract }),
    ];
    assert.deepEqual(sorted(list, 'own', ['redeployed']), {
      ...none,
      coordinators: ['own', 'same-image', 'labelled', 'redeployed'],
    });
  });

  it('tell agents of a compose file from those that a coordinator made', () => {
    const list = [
      raw('own', { image: 'r/swarm-vip-coordinator:1' }),
      raw('made', { labels: { 'swarm-vip.role': 'agent', 'swarm-vip.managed': 'yes' } }),
      raw('from-file', { labels: { 'swarm-vip.role': 'agent' } }),
      raw('older-file', { image: 'r/swarm-vip-agent:1' }),
    ];
    assert.deepEqual(sorted(list).agents, [
      ['made', true],
      ['from-file', false],
      ['older-file', false],
    ]);
  });

  it('tell agents that Swarm replaces just now from those whose update has ended, or stopped halfway', () => {
    const agents = [
      'updating',
      'rollback_started',
      'paused',
      'rollback_paused',
      'completed',
      'rollback_completed',
    ];
    const list = agents.map((State) => ({
      ...raw(State, { labels: { 'swarm-vip.role': 'agent' } }),
      UpdateStatus: { State },
    }));
    const found = ourServices(readServices(list), undefined, new Set()).agents;
    const named = (is: (service: (typeof found)[number]) => unknown) =>
      found.filter(is).map(({ name }) => name);
    assert.deepEqual(
      named(({ replacing }) => replacing),
      agents.slice(0, 2),
    );
    assert.deepEqual(
      named(({ updating }) => updating),
      agents.slice(0, 4),
    );
  });

  it('tell what the former operator made by name and settings together, and the operator by its contract', () => {
    const made = ['KEEPALIVED_VIRTUAL_IPS=10.0.0.100', 'KEEPALIVED_PRIORITY=100'];
    const list = [
      raw('keepalived-node-web1-1', { env: made }),
      raw('keepalived-node-mine'),
      raw('keepalived', { env: made }),
      raw('operator', { env: contract, mounts: ['/var/run/docker.sock'] }),
      raw('app', { env: contract }),
    ];
    assert.deepEqual(sorted(list), {
      ...none,
      leftovers: ['keepalived-node-web1-1'],
      formerOperators: ['operator'],
    });
  });

  it('read the addresses that the former operator passed on in either form', () => {
    for (const text of ["#PYTHON2BASH:['10.0.0.100','fd00::1']", '10.0.0.100, fd00::1/64']) {
      const env = [`KEEPALIVED_VIRTUAL_IPS=${text}`, 'KEEPALIVED_PRIORITY=1'];
      const { leftovers } = ourServices(
        readServices([raw('keepalived-node-a-1', { env })]),
        undefined,
        new Set(),
      );
      assert.deepEqual(leftovers[0]?.addresses, ['10.0.0.100', 'fd00::1']);
    }
  });

  it('pass over what is no service of containers, and have no opinion on an unknown own image', () => {
    assert.deepEqual(sorted([{ ID: 'plugin', Spec: {} }, raw('b', { image: '' })], 'absent'), none);
    assert.equal(repositoryOf('host:5000/a/b:1@sha256:f'), 'host:5000/a/b');
    assert.equal(repositoryOf('host:5000/a/b'), 'host:5000/a/b');
  });
});

describe('the agents’ key', () => {
  it('follows from the join token alone, so every coordinator has the same', () => {
    const token = 'SWMTKN-1-ca-secret';
    assert.deepEqual(deriveKey(token), deriveKey(token));
    assert.notDeepEqual(deriveKey(token), deriveKey(`${token}2`));
    assert.ok(!deriveKey(token).toString().includes('secret') && deriveKey(token).length === 64);
  });

  it('is good for a while after the token was rotated, and named in the handshake', () => {
    let nowMs = 0;
    const ring = createKeyRing([], () => nowMs);
    assert.equal(ring.current(), undefined);
    assert.deepEqual([ring.renew('one'), ring.renew('one'), ring.renew('two')], [true, false, true]);
    const [former, newest] = [deriveKey('one'), deriveKey('two')];
    assert.deepEqual(ring.current(), newest);
    assert.deepEqual(
      [ring.find(keyName(former)), ring.find(keyName(newest)), ring.find(undefined)],
      [former, newest, newest],
    );
    assert.equal(ring.find(keyName(deriveKey('three'))), undefined);
    nowMs = formerKeyMs + 1;
    assert.deepEqual([ring.find(keyName(former)), ring.find(keyName(newest))], [undefined, newest]);
  });

  it('is the mounted one where there is one, whatever Swarm’s token is', () => {
    const mounted = Buffer.from('k'.repeat(32));
    const ring = createKeyRing([mounted], () => 0);
    assert.equal(ring.renew('token'), false);
    assert.deepEqual(ring.current(), mounted);
  });

  it('goes with the node’s id into the handshake, and an id alone means the newest', () => {
    const key = Buffer.from('k'.repeat(32));
    assert.deepEqual(readPskIdentity(pskIdentity(id(1), key)), { node: id(1), key: keyName(key) });
    assert.deepEqual(readPskIdentity('stranger'), { node: 'stranger', key: undefined });
  });
});

describe('the own container', () => {
  it('is found by what the engine binds into it, wherever its data lies', () => {
    const hex = 'ab'.repeat(32);
    const line = `512 500 8:1 /data/docker/containers/${hex}/hostname /etc/hostname rw,relatime - ext4 /dev/sda1 rw`;
    assert.equal(containerIdOf(`1 0 0:1 / / rw - overlay overlay rw\n${line}\n`), hex);
    assert.equal(containerIdOf('1 0 8:1 / / rw - ext4 /dev/sda1 rw\n'), undefined);
  });
});
