// What Swarm's store can do to us: the coordinators read it through proxies that inflict trouble on real answers of real
// engines. No assignment changes, the age of what was read last shows, and nothing goes back to an older state.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { stringify } from 'yaml';
import type { Status } from '../../coordinator/core/status.ts';
import { calm, label, labelThree, type Stage, statusOf, three } from '../demo/stage.ts';
import { observe } from '../demo/steps.ts';
import { coordinatorsAnew } from '../faults/leader.ts';
import { unnoticed } from '../faults/row.ts';
import { everyList, type FaultProxies, startFaultProxies, type Trouble } from '../lab/fault-proxies.ts';
import { judge, judged } from '../lab/judge.ts';
import { createLab } from '../lab/lab.ts';
import { until } from '../lab/run.ts';
import { keepsBound } from './verdict.ts';

const names = ['main', 'second', 'third', 'fourth', 'fifth'];

describe('Swarm’s store in trouble', { timeout: 10 * 60_000 }, () => {
  const lab = createLab({ name: `store-${process.pid % 10_000}`, nodes: 3 });
  const stop = new AbortController();
  const stage: Stage = { lab, group: 'main', say: () => undefined, signal: stop.signal };
  let proxies: FaultProxies;
  let touches = 0;

  before(async () => {
    await lab.up(stage.signal);
    proxies = await startFaultProxies(lab, three);
    await lab.deploy({ env: { COORDINATOR_SOCKET: proxies.socket } }, stage.signal);
    await labelThree(lab, stage.group);
    const groups = Object.fromEntries(
      names.map((name, n) => [
        name,
        {
          addresses: [lab.vip.replace(/\d+$/, String(100 + n))],
          ...(n === 0 ? {} : { members: ['node.role == manager'] }),
        },
      ]),
    );
    const create = ['config', 'create', '--label', 'swarm-vip.groups=yes', 'groups-1', '-'];
    await lab.docker(await lab.manager(), create, { input: stringify({ groups }) });
    await calm(stage);
    await atHome();
  });
  after(async () => {
    stop.abort();
    await proxies?.stop();
    await lab.down();
    assert.deepEqual(lab.remains(), []);
  });

  const everyGroup = (condition: (group: Status['groups'][number]) => boolean) =>
    until(
      'every group',
      async () => {
        const { groups } = await statusOf(lab);
        return (groups.length === names.length && groups.every(condition)) || undefined;
      },
      { timeoutMs: 60_000, everyMs: 200, signal: stage.signal },
    );
  /** Something that no plan depends on: an event, and a new version of a node. */
  const touch = () => label(lab, 'node3', { 'lab.touched': String(touches++) });
  /** What agents run, and what it follows from: all that a plan decides. */
  const planned = (status: Status) => ({
    applied: status.agents.map(({ hostname, applied }) => [hostname, applied]),
    groups: status.groups.map(({ name, vrid, addresses, members }) => ({
      ...{ name, vrid, addresses },
      members: members.map(({ hostname, effectivePriority }) => [hostname, effectivePriority]),
    })),
  });
  /**
   * Every address is where it is when all is well. A keepalived that gets no turn on a busy machine loses its address for
   * a moment: how long is for `judge` to say.
   */
  const atHome = () =>
    everyGroup(({ holders, preferred }) => holders.length === 1 && holders[0]?.node === preferred?.node);
  /** Of every coordinator, until all are as wished. */
  const all = (what: string, condition: (status: Status) => boolean, timeoutMs = 30_000) => {
    let seen: Status[] = [];
    const last = () => seen.map(({ coordinator, snapshot }) => ({ ...coordinator, ...snapshot }));
    return until(
      () => `${what}; last seen: ${JSON.stringify(last())}`,
      async () => {
        seen = await Promise.all(three.map((node) => statusOf(lab, node)));
        return seen.every(condition) ? seen : undefined;
      },
      // Three programs each time, on the cores that the holders need.
      { timeoutMs, everyMs: 1_000, signal: stage.signal },
    );
  };
  /** node3 has this rank in the group `main`: by what the coordinator has read, and by what the agent runs. */
  const ranked =
    (rank: number) =>
    ({ groups }: Status) => {
      const members = groups.find(({ name }) => name === 'main')?.members ?? [];
      const found = members.find(({ hostname }) => hostname === 'node3');
      // The highest of 110 becomes 250.
      return found?.priority === rank && found.effectivePriority === rank + 140;
    };
  const rank = async (priority: number) => {
    await label(lab, 'node3', { KEEPALIVED_PRIORITY: String(priority) });
    return all(`priority ${priority} to be in force`, ranked(priority));
  };
  const ageMetric = async () => {
    const script = 'fetch(process.argv[1]).then((r) => r.text()).then((text) => process.stdout.write(text))';
    const url = `http://${lab.nodes()[0]?.address}:9167/metrics`;
    const { stdout } = await lab.exec('client', ['node', '-e', script, url]);
    return Number(/^swarm_vip_snapshot_age_seconds (\S+)$/m.exec(stdout)?.[1]);
  };
  const unreadable = (why: RegExp) => (status: Status) => why.test(status.snapshot.error ?? '');
  const readable = ({ snapshot }: Status) => snapshot.error === null && snapshot.ageMs < 6_000;

  /** One after the other, without a good answer in between: neighbours differ in their words. */
  const kinds: readonly [string, Trouble, readonly string[], RegExp][] = [
    ['answers with 500', 'error', everyList, /500/],
    ['is slower than we wait', 'slow', ['nodes'], /does not answer|no whole answer/],
    ['gives half a document', 'garbled', ['services'], /expected|Invalid/i],
    ['cuts the connection in the middle of an answer', 'cut', ['nodes'], /no whole answer|does not answer/],
    ['lists no nodes', 'empty', ['nodes'], /leaves out node/],
    ['lists no services', 'empty', ['services'], /leaves out service/],
    ['stops in the middle of an answer', 'stall', ['services'], /no whole answer|does not answer/],
    ['lists no groups.yaml', 'empty', ['configs'], /leaves out config/],
    ['leaves a node out', 'partial', ['nodes'], /leaves out node/],
  ];

  it('changes no assignment whatever the engines say, and shows the age of what it knows', async (t) => {
    const before = await statusOf(lab);
    const everyKind = async () => {
      const beganMs = performance.now();
      for (const [title, trouble, lists, why] of kinds) {
        proxies.set(trouble, lists);
        await touch();
        const [status] = await all(`an engine that ${title} to be noticed`, unreadable(why));
        t.diagnostic(`${title}: ${status?.snapshot.error}, read ${status?.snapshot.ageMs} ms ago`);
        assert.deepEqual(planned(status as Status), planned(before), title);
      }
      // What was read last was read before, or just when the trouble began.
      const troubledMs = performance.now() - beganMs - 1_000;
      for (const { snapshot } of await all('the age to show', unreadable(/./)))
        assert.ok(snapshot.ageMs >= troubledMs, `${snapshot.ageMs} of ${troubledMs} ms`);
      assert.ok((await ageMetric()) * 1_000 >= troubledMs, 'the age shows in the metrics, too');
      proxies.set('none');
      await touch();
      await all('Swarm to be readable again', readable);
      await atHome();
    };
    const verdict = await judged(() => observe(lab, everyKind), unnoticed);
    assert.deepEqual(planned(await statusOf(lab)), planned(before));
    keepsBound(t, verdict);
  });

  it('takes no answer that is older than one before', async () => {
    proxies.set('record');
    await rank(53);
    proxies.set('none');
    await rank(50);
    const before = planned(await statusOf(lab));
    proxies.set('old');
    await touch();
    const [status] = await all('the old state to be refused', unreadable(/older than what it said before/));
    assert.ok(status && ranked(50)(status));
    assert.deepEqual(planned(status), before);
    proxies.set('none');
    await touch();
    await all('Swarm to be readable again', readable);
    assert.deepEqual(planned(await statusOf(lab)), before);
  });

  it('sees a change within seconds when the event stream has fallen silent without an end', async (t) => {
    proxies.set('deaf');
    const beginning = performance.now();
    await rank(60);
    const tookMs = Math.round(performance.now() - beginning);
    t.diagnostic(`${tookMs} ms`);
    // Swarm is read every 5 s in any case; the rest is for looking, and for a busy machine.
    assert.ok(tookMs < 12_000, `${tookMs} ms`);
    proxies.set('none');
  });

  it('moves nothing and changes no router id when every coordinator is started again', async (t) => {
    await atHome();
    const before = await statusOf(lab);
    const evidence = await observe(lab, async () => {
      await coordinatorsAnew(stage);
      await all('all agents to be in step', ({ agents }) => agents.every(({ inSync }) => inSync));
      await atHome();
    });
    assert.deepEqual(planned(await statusOf(lab)).groups, planned(before).groups);
    keepsBound(t, judge(evidence, unnoticed));
  });
});
