// `swarm-vip config diff`: what a file would change on each node, before it is in Swarm.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { configDiff } from '../../coordinator/core/config-diff.ts';
import type { Agents } from '../../coordinator/core/plan.ts';
import type { Snapshot } from '../../coordinator/core/snapshot.ts';
import { diffText } from '../../coordinator/io/diff-text.ts';
import { createPaint } from '../../coordinator/io/paint.ts';
import { config, connected, id, node, plan, report, running, snapshot } from './world.ts';

const labelled = [1, 2].map((n) =>
  node(n, { 'swarm-vip.groups': 'web,db', 'swarm-vip.priority': String(120 - n) }),
);
const both = 'groups:\n  web: { addresses: [10.0.0.100] }\n  db: { addresses: [10.0.0.101] }\n';
const swarmWith = (text: string): Snapshot => snapshot(labelled, [], [config(text)]);

/** Both agents run what the file says, as if everything had settled. */
function settled(swarm: Snapshot) {
  let agents = connected({ 1: report(1), 2: report(2) });
  for (let round = 0; round < 4; round++) {
    const { assignments } = plan(swarm, agents);
    agents = connected(
      Object.fromEntries(
        [1, 2].map((n) => [
          n,
          report(
            n,
            (assignments.get(id(n)) ?? []).map((each) => running(each)),
          ),
        ]),
      ),
    );
  }
  return agents;
}
const diffOf = (text: string, swarm = swarmWith(both), agents = settled(swarm)) =>
  configDiff(swarm, agents, { name: 'new.yaml', text }, 0);
const words = (...args: Parameters<typeof diffOf>) =>
  diffOf(...args).nodes.map(({ hostname, groups }) => [
    hostname,
    ...groups.map(({ group, change, fields }) => `${change} ${group} ${fields.map(({ field }) => field)}`),
  ]);

describe('config diff', () => {
  it('says nothing of the file that is in force', () => {
    assert.deepEqual(words(both), []);
    assert.match(
      diffText(diffOf(both), createPaint(false)),
      /^config groups-1 → new\.yaml: nothing is different/,
    );
  });

  it('names added, removed and changed groups per node, field by field', () => {
    const text =
      'groups:\n  web: { addresses: [10.0.0.100, 10.0.0.102], preempt: false }\n  new: { addresses: [10.0.0.103], members: [node.hostname == host2] }\n';
    const diff = diffOf(text);
    const [one, two] = diff.nodes;
    assert.deepEqual(one?.groups, [
      {
        group: 'web',
        change: 'changed',
        fields: [
          { field: 'addresses', from: ['10.0.0.100/32'], to: ['10.0.0.100/32', '10.0.0.102/32'] },
          { field: 'preempt', from: null, to: false },
        ],
        inOrder: false,
      },
      { group: 'db', change: 'removed', fields: [], inOrder: false },
    ]);
    assert.deepEqual(
      two?.groups.map(({ group, change }) => `${change} ${group}`),
      ['changed web', 'added new', 'removed db'],
    );
    assert.match(
      diffText(diff, createPaint(false)),
      /\nhost1\n {2}~ web\n {6}addresses: 10\.0\.0\.100\/32 → 10\.0\.0\.100\/32 10\.0\.0\.102\/32\n {6}preempt: none → false\n {2}- db\n/,
    );
  });

  it('keeps the router ids that are in use, whatever a plan from nothing would choose', () => {
    const swarm = swarmWith(both);
    const agents = settled(swarm);
    const moved: Agents = new Map(
      [...agents].map(([key, each]) => [
        key,
        {
          ...each,
          report: each.report && {
            ...each.report,
            instances: each.report.instances.map((one) => ({ ...one, vrid: one.group === 'web' ? 77 : 78 })),
          },
        },
      ]),
    ) as Agents;
    assert.deepEqual(words(both, swarm, moved), []);
  });

  it('says that a password changes, and never which; and that members change it in order', () => {
    const sealed = (password: string) =>
      `groups:\n  web: { addresses: [10.0.0.100], auth: { password: ${password} } }\n  db: { addresses: [10.0.0.101] }\n`;
    const diff = diffOf(sealed('geheim-2'), swarmWith(sealed('geheim-1')));
    assert.deepEqual(diff.nodes[0]?.groups, [
      {
        group: 'web',
        change: 'changed',
        fields: [{ field: 'password', from: '********', to: '********' }],
        inOrder: true,
      },
    ]);
    assert.ok(!JSON.stringify(diff).includes('geheim'));
  });

  it('of a file with an error in one group says so, and that the group stays; of none that can be read, that all does', () => {
    const half = diffOf(
      'groups:\n  web: { addresses: [10.0.0.100], interval: soon }\n  db: { addresses: [10.0.0.105] }\n',
    );
    assert.deepEqual(
      half.nodes[0]?.groups.map(({ group }) => group),
      ['db'],
    );
    assert.deepEqual(
      half.problems.filter(({ severity }) => severity === 'error').map(({ group }) => group),
      ['web'],
    );
    const none = diffOf('groups: [');
    assert.deepEqual([none.usable, none.nodes], [false, []]);
    assert.match(
      diffText(none, createPaint(false)),
      /new\.yaml says nothing usable: config groups-1 would stay in force/,
    );
  });

  it('without a file compares what runs with what is to run', () => {
    const agents = settled(swarmWith(both));
    const later = swarmWith(both.replace('101', '111'));
    const diff = configDiff(later, agents, undefined, 0);
    assert.deepEqual(
      diff.nodes.map(({ groups }) =>
        groups.map(({ group, fields }) => [group, fields.map(({ field }) => field)]),
      ),
      [[['db', ['addresses']]], [['db', ['addresses']]]],
    );
    assert.deepEqual(configDiff(swarmWith(both), agents, undefined, 0).nodes, []);
  });

  it('knows a group that gets another name, before its nodes say so and after', () => {
    const renamed = both.replace('web', 'site');
    const before = diffOf(renamed);
    assert.deepEqual([before.nodes, before.renamed], [[], [{ from: 'web', to: 'site' }]]);
    assert.match(
      diffText(before, createPaint(false)),
      /nothing is different[\s\S]*group web is called site: it goes on/,
    );
    const [first, second] = labelled;
    assert.ok(first && second);
    const half = { ...second, labels: { ...second.labels, 'swarm-vip.groups': 'site,db' } };
    const underWay = configDiff(
      snapshot([first, half], [], [config(renamed)]),
      settled(swarmWith(both)),
      undefined,
      0,
    );
    assert.deepEqual(underWay.nodes, [
      {
        ...{ node: id(2), hostname: 'host2' },
        groups: [{ group: 'site', change: 'renamed', formerly: 'web', fields: [], inOrder: false }],
      },
    ]);
    assert.match(diffText(underWay, createPaint(false)), /\nhost2\n {2}~ site \(was web\)\n/);
  });

  it('names the nodes whose interfaces nobody knows', () => {
    const swarm = swarmWith(both);
    const [first] = [...settled(swarm)];
    assert.ok(first);
    assert.deepEqual(
      diffOf(both, swarm, new Map([first])).unknown.map(({ hostname }) => hostname),
      ['host2'],
    );
  });
});
