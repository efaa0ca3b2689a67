// Debian's Prometheus on the lab: through /sd and a fail-over, alerts by their faults, the dashboards' queries.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { boot, calm, label, type Stage, setUp, statusOf } from '../demo/stage.ts';
import { createLab } from '../lab/lab.ts';
import { until } from '../lab/run.ts';
import { type Monitor, startMonitor } from '../watch/monitor.ts';
import { playAlert } from '../watch/play.ts';
import { exporterQueries, filled, queriesOf, readDashboard } from '../watch/queries.ts';
import { backendPort, defineWatched, rows } from '../watch/rows.ts';

/** Of coordinators, of the past, or of what was defined: these need not change when agents stop. */
const withoutAgents = [
  'swarm_vip_snapshot_age_seconds',
  'swarm_vip_frames_refused_total',
  'swarm_vip_apply_duration_seconds',
  'swarm_vip_hand_overs_total',
  'swarm_vip_rollout_',
  'swarm_vip_generation_lag',
  'swarm_vip_members',
  // Nobody begins to hold because somebody stops.
  ' > 1) or vector(0)',
];
const ofAgents = /keepalived_|swarm_vip_agent_|swarm_vip_check_/;

describe('whoever watches by Prometheus', { timeout: 10 * 60_000 }, () => {
  const lab = createLab({ name: `watch-${process.pid % 10_000}`, nodes: 3, managers: 1 });
  const stop = new AbortController();
  const stage: Stage = { lab, group: 'main', say: () => undefined, signal: stop.signal };
  let monitor: Monitor;
  before(async () => {
    await setUp(stage);
    monitor = await startMonitor(lab, 'http-sd');
    await monitor.openPort(backendPort);
    await defineWatched(stage);
  });
  after(async () => {
    stop.abort();
    await monitor?.stop();
    await lab.down();
    assert.deepEqual(lab.remains(), []);
  });
  const waitFor = <T>(what: string, test: () => Promise<T | undefined>, timeoutMs = 30_000) =>
    until(what, test, { timeoutMs, everyMs: 200, signal: stop.signal });
  const allUp = (which: Monitor) =>
    waitFor('all targets are up', async () => {
      const targets = await which.targets();
      return (targets.size === 4 && [...targets.values()].every((health) => health === 'up')) || undefined;
    });
  const expected = [
    'swarm-vip-agent node1',
    'swarm-vip-agent node2',
    'swarm-vip-agent node3',
    'swarm-vip-coordinator node1',
  ];
  const variables = { group: 'main', node: 'node1|node2|node3', __rate_interval: '10s' };
  const answers = async () => {
    const found = new Map<string, string>();
    for (const { title, expression } of queriesOf(readDashboard(), variables)) {
      const samples = await monitor.query(expression);
      const text = samples.map(({ labels, value }) => `${JSON.stringify(labels)} ${value}`).sort();
      found.set(`${title}: ${expression}`, text.join('\n'));
    }
    return found;
  };

  it('finds all agents and coordinators by /sd, and by the other examples as well', async () => {
    await allUp(monitor);
    assert.deepEqual([...(await monitor.targets()).keys()].sort(), expected);
    for (const discovery of ['dockerswarm-sd', 'static'] as const) {
      const other = await startMonitor(lab, discovery, 'control');
      try {
        await allUp(other);
        assert.deepEqual([...(await other.targets()).keys()].sort(), expected);
      } finally {
        await other.stop();
      }
    }
  });

  it('sees a fail-over: who holds, the exporter’s states, one more hand-over with its cause', async () => {
    const holders = async () =>
      (await monitor.query('swarm_vip_member_holds == 1')).map(({ labels }) => labels['node']).join();
    const masters = async () =>
      (await monitor.query('keepalived_vrrp_state == 2')).map(({ labels }) => labels['node']).join();
    const counted = async () => {
      const samples = await monitor.query('swarm_vip_hand_overs_total{reason="interface-down"}');
      return Number(samples[0]?.value);
    };
    await waitFor('node1 holds', async () => (await holders()) === 'node1' || undefined);
    await waitFor('node1 alone is master', async () => (await masters()) === 'node1' || undefined);
    const countedBefore = await counted();
    await lab.chaos('link-down', 'node1');
    await waitFor('node2 is master', async () => (await masters()).includes('node2') || undefined);
    await lab.chaos('link-up', 'node1');
    await calm(stage);
    await waitFor('it is counted', async () => (await counted()) > countedBefore || undefined);
    await waitFor('node1 holds again', async () => (await holders()) === 'node1' || undefined);
    const took = await monitor.query('swarm_vip_apply_duration_seconds_count');
    assert.ok(Number(took[0]?.value) >= 1);
  });

  it('gets an answer to every query of the exporter’s own dashboard, from each agent, that its panel can show', async (t) => {
    const offered = await monitor.query('group by (instance) (keepalived_up)');
    const wanted = lab.nodes().map(({ address }) => `${address}:9165`);
    assert.deepEqual(offered.map(({ labels }) => labels['instance']).sort(), wanted.sort(), 'its variable');
    const answered = new Map<string, string[]>();
    for (const { name, address } of lab.nodes()) {
      for (const { title, expression: query, named, values } of exporterQueries) {
        const expression = filled(query, { instance: `${address}:9165`, __rate_interval: '10s' });
        const samples = await monitor.query(expression);
        assert.ok(samples.length > 0, expression);
        for (const { labels, value } of samples) {
          const said = `${expression} on ${name}: ${JSON.stringify(labels)} ${value}`;
          for (const label of named) assert.ok(labels[label], said);
          assert.ok(values ? values.includes(Number(value)) : Number(value) >= 0, said);
        }
        const shown = samples.map(({ value }) => Number(Number(value).toFixed(2))).join(' ');
        answered.set(`${title}: ${query}`, [
          ...(answered.get(`${title}: ${query}`) ?? []),
          `${name} ${shown}`,
        ]);
      }
    }
    assert.equal(answered.size, 20);
    for (const [query, answers] of answered) t.diagnostic(`${query} → ${answers.join(', ')}`);
    // Counters are up to 15 s old, so a shorter window may see none of the ten adverts a second.
    const holders = 'rate(keepalived_advertisements_sent_total{node="node1"}[30s]) > 5';
    await waitFor(
      'the adverts of the holder',
      async () => (await monitor.query(holders)).length > 0 || undefined,
    );
  });

  for (const row of rows.filter(({ core }) => core)) {
    it(`is told by Alertmanager when ${row.title}, and when that has ended`, async (t) => {
      for (const { alert, firedMs, resolvedMs } of await playAlert(row, stage, monitor))
        t.diagnostic(`${alert}: told after ${firedMs} ms, its end ${resolvedMs} ms after the cure`);
    });
  }

  it('gets an answer to every query of the dashboard, and another one once the agents have stopped', async () => {
    await boot(stage);
    // So that there is a change whose duration the window sees.
    await label(lab, 'node3', { KEEPALIVED_PRIORITY: '50' });
    await waitFor(
      'it runs',
      async () => (await statusOf(lab)).agents.every(({ inSync }) => inSync) || undefined,
    );
    const before = await waitFor('every query is answered', async () => {
      const found = await answers();
      const silent = [...found].filter(([, text]) => text === '' || text.includes('NaN'));
      return silent.length === 0 ? found : undefined;
    });
    let stale: string[] = [];
    await lab.docker('node1', ['service', 'rm', 'swarm-vip_agent']);
    await waitFor('no agent is there', async () => {
      const targets = await monitor.targets();
      return expected.slice(0, 3).every((target) => targets.get(target) === 'down') || undefined;
    });
    await waitFor('every answer is another one, and what agents tell is gone', async () => {
      const wrong = [...(await answers())].filter(([query, text]) => {
        if (ofAgents.test(query)) return text !== '';
        return text === before.get(query) && !withoutAgents.some((part) => query.includes(part));
      });
      stale = wrong.map(([query]) => query);
      return wrong.length === 0 || undefined;
    }).catch((error: unknown) => assert.fail(`${String(error)}: ${stale.join('; ')}`));
  });
});
