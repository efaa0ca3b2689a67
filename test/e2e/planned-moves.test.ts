// Moves that an operator plans, on a real Swarm: drain, undrain, switchover, updates. None may cost a client a packet.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { plannedBound, plannedSteps, undone } from '../demo/planned-steps.ts';
import { cli, insist, lastFrom, lastSwitches, settled, statusOf, three } from '../demo/stage.ts';
import { failoverBound, observe, runStep } from '../demo/steps.ts';
import { type Bound, judge, judged } from '../lab/judge.ts';
import { until } from '../lab/run.ts';
import { stageOf } from './on-stage.ts';
import { keepsBound } from './verdict.ts';

describe('planned moves on a real Swarm', { timeout: 15 * 60_000 }, () => {
  const stage = stageOf('plan');
  const { lab } = stage;
  const drain = (...args: string[]) => cli(lab, ['drain', '--yes', ...args]);

  /** Judges what `act` costs, from a calm Swarm; again when the machine was too noisy to judge. */
  const measured = (act: () => Promise<void>, bound: Bound) =>
    judged(async () => {
      await undone(stage);
      return observe(lab, act);
    }, bound);

  for (const step of plannedSteps) {
    it(`loses nothing when ${step.title}`, async (t) => {
      const result = await runStep(step, stage);
      keepsBound(t, result);
    });
  }

  it('loses probes when the address is given up before it is taken over (negative control)', async (t) => {
    await undone(stage);
    const evidence = await observe(lab, async () => {
      assert.equal((await drain('--force', 'node1')).code, 0);
      await settled(stage, 'node2');
    });
    const verdict = judge(evidence, plannedBound);
    t.diagnostic(JSON.stringify(verdict));
    assert.ok(verdict.lostProbes > 2, JSON.stringify(verdict));
  });

  it('tells afterwards who moved the address, and why', async () => {
    await undone(stage);
    assert.equal((await drain('node1', '--reason', 'new disk')).code, 0);
    await settled(stage, 'node2');
    const switches = await lastSwitches(lab);
    const { group, reason } = lastFrom(switches, 'node1') ?? {};
    assert.deepEqual([group, reason], ['main', 'node1 drained: new disk']);
    assert.equal(switches.at(-1)?.to.hostname, 'node2');
  });

  it('shows a dry run and changes nothing by it', async () => {
    await undone(stage);
    const { code, stdout, stderr } = await drain('--dry-run', 'node1', '-o', 'json');
    assert.equal(code, 0);
    assert.match(stderr, /node1: main goes to node2/);
    assert.equal(JSON.parse(stdout).written, false);
    assert.equal((await statusOf(lab)).verdict, 'OK');
  });

  it('refuses a node that it does not know, and bad usage', async () => {
    const unknown = await drain('node9');
    assert.equal(unknown.code, 1);
    assert.match(unknown.stderr, /node9 is no node of this Swarm; there are node1, node2, node3/);
    assert.equal((await cli(lab, ['drain'])).code, 2);
    assert.equal((await drain('node1', '--for', 'ever')).code, 2);
    assert.equal((await cli(lab, ['switchover', 'ghost', '--to', 'node1'])).code, 1);
  });

  it('drains two nodes at once onto the third, twice, and refuses the last one', async (t) => {
    const verdict = await measured(async () => {
      assert.equal((await drain('node1', 'node2')).code, 0);
      await settled(stage, 'node3');
    }, plannedBound);
    const again = await drain('node1', 'node2');
    assert.equal(again.code, 0);
    assert.match(again.stderr, /node1 is drained already/);
    const last = await drain('node3');
    assert.equal(last.code, 4);
    assert.match(last.stderr, /node3 holds main, and no other member is eligible/);
    keepsBound(t, verdict);
    const refused = await cli(lab, ['switchover', 'main', '--to', 'node1']);
    assert.equal(refused.code, 4);
  });

  it('goes on draining when every coordinator dies in the middle', async (t) => {
    const verdict = await measured(async () => {
      assert.equal((await drain('node1', '--no-wait')).code, 0);
      await Promise.all(three.map((node) => lab.chaos('kill-coordinator', node)));
      await settled(stage, 'node2');
    }, plannedBound);
    keepsBound(t, verdict);
  });

  it('keeps VRRP’s bound when the successor loses power in the middle of a drain', async (t) => {
    const verdict = await measured(async () => {
      assert.equal((await drain('node1', '--no-wait')).code, 0);
      await delay(100);
      await lab.chaos('power-off', 'node2');
      await settled(stage, 'node3');
    }, failoverBound);
    keepsBound(t, verdict);
  });

  it('records the drain of a node that is down, and keeps it away when it returns', async (t) => {
    await undone(stage);
    await lab.chaos('power-off', 'node1');
    await settled(stage, 'node2');
    const gone = await until(
      'node1 to be missed',
      async () => {
        const status = await statusOf(lab).catch(() => undefined);
        return status?.problems.some(({ code }) => code === 'agent-unreachable') || undefined;
      },
      { timeoutMs: 60_000, everyMs: 200 },
    );
    assert.ok(gone);
    assert.match((await insist(stage, 'drain', 'node1')).stderr, /out of reach/);
    await lab.chaos('boot', 'node1');
    const evidence = await observe(lab, async () => {
      await until(
        'node1 to report',
        async () => {
          const status = await statusOf(lab).catch(() => undefined);
          return status?.problems.every(({ code }) => code !== 'agent-unreachable') || undefined;
        },
        { timeoutMs: 60_000, everyMs: 200 },
      );
      await delay(2_000);
    });
    const verdict = judge(evidence, plannedBound);
    t.diagnostic(JSON.stringify(verdict));
    assert.equal(verdict.lostProbes, 0);
    assert.deepEqual([verdict.holderBefore, verdict.holderAfter], ['node2', 'node2']);
  });
});
