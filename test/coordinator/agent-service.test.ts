// The agent service that a coordinator creates: from which image, when it changes, and that it is compose.yaml's.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { agentNodes } from '../../coordinator/core/agent-nodes.ts';
import {
  agentImageOf,
  agentOrder,
  agentServiceSpec,
  isOutdated,
  unproven,
  waitsForUpdate,
} from '../../coordinator/core/agent-service.ts';
import type { AgentRecord } from '../../coordinator/core/agents.ts';
import type { AgentService } from '../../coordinator/core/snapshot.ts';
import type { NodeId } from '../../shared/words.ts';
import { connected, hello, id, ip, member, node, plan, report, running, service, snapshot } from './world.ts';

const image = 'registry:5000/vip/swarm-vip-coordinator:1.2@sha256:abc';
const ordered = (...services: ReturnType<typeof service>[]) => {
  const order = agentOrder(snapshot([node(1)], services));
  assert.ok(order && !('code' in order), JSON.stringify(order));
  return order;
};
const parts = { image: 'agent:1', secret: { id: 's1', name: 'swarm-vip-key-1' }, managers: [ip(1), ip(2)] };

describe('the image of the agents', () => {
  it('is the coordinator’s with another word, same registry, same tag', () => {
    assert.equal(agentImageOf(image), 'registry:5000/vip/swarm-vip-agent:1.2');
    assert.equal(agentImageOf('coordinator'), 'agent');
    assert.equal(agentImageOf('coordinators/vip:1'), undefined);
    assert.equal(ordered(service({}, { image })).image, 'registry:5000/vip/swarm-vip-agent:1.2');
  });

  it('is AGENT_IMAGE where that is set, and a problem where nothing names it', () => {
    assert.equal(ordered(service({ AGENT_IMAGE: 'mine:2' }, { image })).image, 'mine:2');
    const problem = agentOrder(snapshot([node(1)], [service({}, { image: 'keepalived-operator:1' })]));
    assert.ok(problem && 'code' in problem && problem.code === 'agent-image-unknown');
  });

  it('is decided by the oldest stack, so that it does not change with the active coordinator', () => {
    const young = service(
      {},
      { id: 'b', createdAt: '2026-02-01T00:00:00Z', image: 'r/swarm-vip-coordinator:2' },
    );
    assert.equal(ordered(young, service({}, { image })).image, 'registry:5000/vip/swarm-vip-agent:1.2');
  });

  it('is nobody’s business where coordinators bring a key, hence agents, of their own', () => {
    assert.equal(
      agentOrder(snapshot([node(1)], [service({ SWARM_VIP_KEY_FILE: '/run/secrets/k' }, { image })])),
      undefined,
    );
  });
});

describe('the agent service', () => {
  const order = ordered(service({ LEASE: '6s' }, { image }));
  const made: AgentService = {
    id: 'a',
    name: 'swarm-vip-agent',
    managed: true,
    madeFor: order.madeFor,
    secrets: ['swarm-vip-key-1'],
    env: { COORDINATORS: ip(1) },
    updating: false,
  };

  it('is updated with the image, the key, the settings, and when no listed manager is one any more', () => {
    const outdated = (change: Partial<AgentService>, managers = [ip(1), ip(2)]) =>
      isOutdated({ ...made, ...change }, order, 'swarm-vip-key-1', managers);
    assert.equal(outdated({}), false);
    assert.equal(outdated({}, [ip(1), ip(9)]), false, 'one of them is enough');
    assert.equal(outdated({}, []), false, 'an empty list says nothing');
    assert.equal(outdated({}, [ip(8), ip(9)]), true);
    assert.equal(outdated({ secrets: ['swarm-vip-key-0'] }), true);
    assert.equal(outdated({ madeFor: ordered(service({}, { image })).madeFor }), true, 'another LEASE');
    const next = ordered(service({ LEASE: '6s' }, { image: image.replace('abc', 'def') }));
    assert.equal(isOutdated(made, next, 'swarm-vip-key-1', [ip(1)]), true, 'the same tag, another digest');
  });

  it('waits with the next update until Swarm has done with the one before, but not for ever', () => {
    const waits = (change: Partial<AgentService>, waitedMs: number) =>
      waitsForUpdate({ ...made, ...change }, waitedMs, 3);
    const replacing = { updating: true, replacing: true };
    assert.deepEqual(
      [waits(replacing, 0), waits(replacing, 149_999), waits(replacing, 150_000)],
      [true, true, false],
    );
    assert.equal(waits({ updating: true, replacing: false }, 0), false, 'it has stopped halfway');
    assert.equal(waits({}, 0), false);
  });

  it('is what compose.yaml deploys, but for the key’s name, the nodes and the rest of the stack', () => {
    const spec = agentServiceSpec(ordered(service({}, { image })), parts);
    const { ContainerSpec: container, ...task } = spec.TaskTemplate;
    const { services } = parse(readFileSync(new URL('../../compose.yaml', import.meta.url), 'utf8'), {
      merge: true,
    });
    const { agent } = services;
    const unset = (value: unknown) => String(value).replace(/^\$\{\w+:-([^}]*)\}$/, '$1');
    assert.deepEqual(
      Object.fromEntries(
        container.Env.map((pair) => [pair.split('=', 1)[0], pair.slice(pair.indexOf('=') + 1)]),
      ),
      {
        ...Object.fromEntries(Object.entries(agent.environment).map(([key, value]) => [key, unset(value)])),
        COORDINATORS: `${ip(1)} ${ip(2)}`,
      },
    );
    assert.deepEqual(
      container.CapabilityAdd,
      agent.cap_add.map((name: string) => `CAP_${name}`),
    );
    assert.deepEqual(container.CapabilityDrop, agent.cap_drop);
    assert.equal(container.ReadOnly, agent.read_only);
    const duration = (text: string) => Number(/^(\d+)s$/.exec(text)?.[1]) * 1e9;
    assert.equal(container.StopGracePeriod, duration(agent.stop_grace_period));
    assert.deepEqual(
      container.Mounts.map(({ Type, Target, TmpfsOptions }) => [Type, Target, TmpfsOptions?.SizeBytes]),
      agent.volumes.map(({ type, target, tmpfs }: Record<string, { size: number }>) => [
        type,
        target,
        tmpfs?.size,
      ]),
    );
    assert.deepEqual(
      container.Secrets.map(({ File }) => File.Name),
      agent.secrets,
    );
    assert.deepEqual(
      task.Networks.map(({ Target }) => Target),
      agent.networks,
    );
    assert.deepEqual(
      [task.LogDriver.Name, task.LogDriver.Options],
      [agent.logging.driver, agent.logging.options],
    );
    assert.equal(
      task.Resources.Limits.MemoryBytes / 1_048_576,
      Number.parseInt(agent.deploy.resources.limits.memory, 10),
    );
    const { condition, delay } = agent.deploy.restart_policy;
    assert.deepEqual(task.RestartPolicy, { Condition: condition, Delay: duration(delay) });
    assert.ok(agent.deploy.mode === 'global' && 'Global' in spec.Mode);
    assert.equal(agent.deploy.labels['swarm-vip.role'], spec.Labels['swarm-vip.role']);
    const update = (config: Record<string, string>) => ({
      Parallelism: config['parallelism'],
      Order: config['order'],
      FailureAction: config['failure_action'],
      Monitor: duration(config['monitor'] ?? ''),
      ...(config['delay'] ? { Delay: duration(config['delay']) } : {}),
    });
    assert.deepEqual(spec.UpdateConfig, update(agent.deploy.update_config));
    assert.deepEqual(spec.RollbackConfig, update(agent.deploy.rollback_config));
  });
});

describe('what agents are to know of coordinators', () => {
  const stack = (name: string, more: Parameters<typeof service>[1] = {}) =>
    service({}, { id: name, name, image, ...more });
  const agents = (env: Record<string, string>) => ({
    agentServices: [{ id: 'a', name: 'a', managed: true, secrets: [], env, updating: false }],
  });
  const given = (services: ReturnType<typeof service>[], env: Record<string, string> = {}, key = 'KEY') => {
    const swarm = { ...snapshot([node(1)], services), ...agents(env) };
    const order = agentOrder(swarm, key);
    assert.ok(order && !('code' in order));
    return {
      key: order.env['COORDINATOR_PUBLIC_KEY'],
      madeFor: order.madeFor,
      doubt: unproven(swarm, order)?.code,
    };
  };
  const knowing = { COORDINATOR_PUBLIC_KEY: 'FORMER' };
  const other = stack('b', { image: 'registry:5000/vip/swarm-vip-coordinator:1.1' });

  it('is the public half of their own key, and a coordinator that cannot prove it finds the agents outdated', () => {
    const { key, madeFor, doubt } = given([stack('a')]);
    assert.deepEqual([key, doubt], ['KEY', undefined]);
    const before = agentOrder(snapshot([node(1)], [stack('a')]));
    assert.ok(before && !('code' in before));
    assert.notEqual(madeFor, before.madeFor);
    assert.match(madeFor, /COORDINATOR_PUBLIC_KEY=KEY/);
  });

  it('is nothing as long as a stack with another image, which may be unable to prove it, could be active', () => {
    const { key, doubt } = given([stack('a'), other]);
    assert.deepEqual([key, doubt], [undefined, 'coordinators-differ']);
    assert.equal(given([stack('a'), { ...other, tasks: [] }]).key, 'KEY', 'it does not run');
    const mounts = { ...other, env: { ...other.env, SWARM_VIP_KEY_FILE: '/run/secrets/key' } };
    assert.equal(given([stack('a'), mounts]).key, 'KEY', 'it does not speak with these agents');
    assert.equal(given([stack('a'), stack('b')]).key, 'KEY');
    const tasks = [1, 2].map((n) => ({ id: `task${n}`, node: id(n) }));
    const half = given([stack('a', { updating: true, tasks }), stack('b')]);
    assert.deepEqual([half.key, half.doubt], [undefined, undefined], 'an old one may still run');
    assert.equal(given([stack('a', { updating: true }), stack('b')]).key, 'KEY', 'this is the new one');
  });

  it('does not come and go while stacks are updated one after the other', () => {
    assert.equal(given([stack('a'), other], knowing).key, 'KEY');
    assert.equal(given([stack('a', { updating: true }), other], knowing).doubt, undefined);
  });

  it('is no more when nobody can prove any', () => {
    const swarm = { ...snapshot([node(1)], [stack('a')]), ...agents(knowing) };
    const order = agentOrder(swarm, undefined);
    assert.ok(order && !('code' in order));
    assert.equal(order.env['COORDINATOR_PUBLIC_KEY'], undefined);
  });
});

describe('the nodes that run an agent', () => {
  const swarm = snapshot([member(1), node(2), member(3)]);
  const record = (n: number, runs: boolean, isConnected = true): AgentRecord => {
    const agents = connected({ [n]: report(n) });
    const [instance] = plan(snapshot([member(n)]), agents).assignments.get(id(n)) ?? [];
    assert.ok(instance);
    return {
      connected: isConnected,
      hello: hello(n),
      report: report(n, runs ? [running(instance)] : []),
      seenMs: 0,
      claims: new Map(),
    };
  };
  const nodes = (records: [number, AgentRecord][]) => {
    const agents = new Map<NodeId, AgentRecord>(records.map(([n, each]) => [id(n), each]));
    return agentNodes(plan(swarm, agents), agents);
  };

  it('are the members of all groups, whatever makes them members', () => {
    assert.deepEqual([...nodes([]).wanted], [id(1), id(3)]);
  });

  it('keep it until it has said that it runs nothing; silence says nothing', () => {
    assert.deepEqual([...nodes([[2, record(2, true)]]).idle], []);
    assert.deepEqual([...nodes([[2, record(2, false)]]).idle], [id(2)]);
    assert.deepEqual([...nodes([[2, record(2, false, false)]]).idle], []);
  });
});
