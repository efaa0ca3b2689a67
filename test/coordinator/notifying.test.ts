// From groups.yaml and an agent's history to a real receiver, through the coordinator's own loop; two coordinators, one raft.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import pino from 'pino';
import { createCoordinator } from '../../coordinator/coordinator.ts';
import type { Snapshot } from '../../coordinator/core/snapshot.ts';
import { toldLabel } from '../../coordinator/core/told.ts';
import { createDelivery } from '../../coordinator/io/receivers.ts';
import { createNotifier, knowledgeOf } from '../../coordinator/notifier.ts';
import type { StateTransition } from '../../shared/protocol.ts';
import type { GroupName, NodeId } from '../../shared/words.ts';
import { config, hello, id, node, report, service, snapshot, unattended } from './world.ts';

describe('a coordinator with a receiver in groups.yaml', { timeout: 20_000 }, () => {
  const heard: { event: string; phase: string; node: string | null; summary: string }[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    heard.push(JSON.parse(body));
    response.end();
  });
  before(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
  after(() => {
    server.close();
  });

  let nowMs = 1_000_000;
  const tasks = [1, 2].map((n) => ({ id: `task${n}`, node: id(n) }));
  let swarm: Snapshot;
  function coordinatorOf(self: number) {
    const lines: string[] = [];
    const log = pino({ level: 'debug' }, { write: (line: string) => lines.push(line) });
    const setLabel = async (where: NodeId, key: string, value: string | undefined) => {
      const nodes = swarm.nodes.map((each) =>
        each.id === where && value !== undefined
          ? { ...each, labels: { ...each.labels, [key]: value } }
          : each,
      );
      swarm = { ...swarm, nodes };
      return 7 + self;
    };
    const coordinator = createCoordinator({
      ...{ self: id(self), version: '1', now: () => nowMs, log },
      swarm: { snapshot: () => Promise.resolve(swarm), tasks: () => Promise.resolve([]), setLabel },
      ...unattended(),
    });
    const notifier = createNotifier({
      ...knowledgeOf(coordinator),
      save: (text) => setLabel(id(self), toldLabel, text),
      delivery: createDelivery(),
      ...{ log, now: () => nowMs, random: () => 0 },
    });
    for (const n of [1, 2]) {
      coordinator.hello(hello(n));
      coordinator.report(id(n), report(n));
      coordinator.remember(id(n), []);
    }
    return { coordinator, notifier, lines };
  }
  const took = (): StateTransition => ({
    ...{ seq: nowMs, atMs: nowMs, group: 'web' as GroupName, from: 'BACKUP', to: 'MASTER' },
    ...{ priority: 250, cause: 'silence' },
  });
  const holders = () => heard.flatMap(({ event, node: name }) => (event === 'holder' ? [name] : []));

  it('tells of a take-over, and the next active one of what happened after the death of the former, each once', async () => {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/t0ken`;
    const text = `groups: {}\nnotifications: { pager: { webhook: { url: "${url}" }, events: [holder, drained] } }`;
    const members = (leader: number) =>
      [1, 2].map((n) => node(n, { keepalived_group: 'web' }, { leader: n === leader }));
    swarm = snapshot(members(1), [service({}, { tasks })], [config(text)]);
    let alive = [coordinatorOf(1), coordinatorOf(2)];
    const pass = async (seconds: number) => {
      for (let second = 0; second < seconds; second++) {
        nowMs += 1_000;
        for (const { coordinator, notifier } of alive) {
          await coordinator.look();
          await notifier.look();
        }
      }
    };
    await pass(12);
    for (const { coordinator } of alive) coordinator.remember(id(1), [took()]);
    await pass(4);
    assert.deepEqual(holders(), ['host1']);
    // The first dies; nobody is active; the second knows of it from the agent alone.
    const [, second] = alive;
    assert.ok(second);
    alive = [second];
    const later = took();
    nowMs += 20_000;
    second.coordinator.remember(id(2), [later]);
    const [was] = swarm.nodes;
    swarm = {
      ...swarm,
      nodes: swarm.nodes.map((each) => ({
        ...each,
        leader: each.id === id(2),
        ...(each.id === was?.id ? {} : { labels: { ...each.labels, 'swarm-vip.drain': 'disk' } }),
      })),
    };
    await pass(6);
    assert.deepEqual(holders(), ['host1', 'host2']);
    assert.deepEqual(
      heard.filter(({ event }) => event === 'drained').map(({ summary }) => summary),
      ['host2 is drained: disk: web goes elsewhere'],
    );
    assert.match(swarm.nodes[1]?.labels[toldLabel] ?? '', /^[0-9a-z,-]+$/);
    const unknown = second.coordinator.status()?.problems.filter(({ code }) => code === 'label-unknown');
    assert.deepEqual(unknown, []);
    assert.ok(!second.lines.join('').includes('t0ken'));
    assert.ok(!JSON.stringify([second.coordinator.status(), second.coordinator.history()]).includes('t0ken'));
  });
});
