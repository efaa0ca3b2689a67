// `swarm-vip doctor`: each common mistake is found by what reports tell, and what nothing tells is not called well.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { doctorText } from '../../coordinator/cli/doctor.ts';
import { type AgentRecord, greeted, reported } from '../../coordinator/core/agents.ts';
import { diagnose } from '../../coordinator/core/doctor.ts';
import type { RefusalKind } from '../../coordinator/core/refusal.ts';
import type { Snapshot } from '../../coordinator/core/snapshot.ts';
import { status } from '../../coordinator/core/status.ts';
import { createPaint } from '../../coordinator/io/paint.ts';
import type { Problem } from '../../shared/problem.ts';
import type { RunningInstance } from '../../shared/protocol.ts';
import { id, member, plan, report, running, service, snapshot } from './world.ts';

interface Agent {
  version?: string;
  keepalived?: string;
  clockMs?: number;
  gone?: boolean;
  instance?: Partial<RunningInstance>;
  problems?: Problem[];
}
const three = [1, 2, 3];
const tasks = three.map((n) => ({ id: `task${n}`, node: id(n) }));
const healthy = snapshot(
  three.map((n) => member(n, String(120 - 10 * n))),
  [service({}, { tasks })],
);

/** @param changed what is different from three agents that run as they should */
function findings(
  changed: Record<number, Agent> = {},
  swarm: Snapshot = healthy,
  refused: [RefusalKind, number][] = [],
  snapshotAgeMs = 0,
) {
  let agents = new Map<string, AgentRecord>();
  const nowMs = 1_000_000;
  for (let round = 0; round < 3; round++) {
    const { assignments } = plan(swarm, agents as never);
    agents = new Map(
      swarm.nodes.map(({ id: node }, index) => {
        const n = index + 1;
        const { version = '1', keepalived = '2.2.7', clockMs = nowMs + 3, ...more } = changed[n] ?? {};
        const hello = {
          ...{ type: 'hello' as const, protocol: 1, node, hostname: `host${n}`, agentVersion: version },
          keepalivedVersion: keepalived,
          ...(clockMs < 0 ? {} : { clockMs }),
        };
        const instances = (assignments.get(node) ?? []).map((each) =>
          running(each, { state: n === 1 ? 'MASTER' : 'BACKUP', ...(round === 2 ? more.instance : {}) }),
        );
        const record = reported(
          greeted(undefined, hello, nowMs),
          report(n, instances, { problems: more.problems ?? [] }),
          nowMs,
        );
        return [node as string, { ...record, connected: !more.gone }];
      }),
    );
  }
  const shown = status({
    ...{ self: id(1), version: '1', role: 'active', active: id(1), epoch: 1, snapshot: swarm, nowMs },
    ...{
      snapshotAgeMs,
      snapshotError: undefined,
      agents: agents as never,
      plan: plan(swarm, agents as never),
    },
  });
  return diagnose({
    status: shown,
    snapshot: swarm,
    agents: agents as never,
    refused: new Map(refused),
    nowMs,
  });
}
const bad = (...args: Parameters<typeof findings>) =>
  findings(...args)
    .filter(({ verdict }) => verdict !== 'ok')
    .map(({ check, verdict, words }) => `${verdict} ${check}: ${words}`);
const matches = (found: string[], ...patterns: RegExp[]) => {
  for (const pattern of patterns)
    assert.ok(
      found.some((line) => pattern.test(line)),
      `${pattern} in ${found.join('\n')}`,
    );
};

describe('swarm-vip doctor', () => {
  it('finds nothing where all is well, and says what it looked at', () => {
    assert.deepEqual(bad(), []);
    const text = doctorText(findings(), createPaint(false));
    for (const words of [
      /^ok +managers +3 managers, all ready$/m,
      /^ok +coordinators +active on host1, 3 run$/m,
      /^ok +agents +connected on all 3 members$/m,
      /^ok +clocks +at most 3 ms/m,
      /^ok +VRRP of web +host2, host3 hear host1$/m,
      /^ok +successors of web +host2, host3 could take over$/m,
    ])
      assert.match(text, words);
  });

  it('finds managers that cannot vote, too few of them, and a view of Swarm that is old', () => {
    const down = {
      ...healthy,
      nodes: healthy.nodes.map((each, n) => (n === 2 ? { ...each, state: 'down' as const } : each)),
    };
    matches(bad({}, down), /^warning managers: 3 managers; not ready: host3$/);
    matches(
      bad({}, { ...healthy, nodes: healthy.nodes.slice(0, 2) }),
      /^warning managers: 2 managers, as many as survive the loss of 0/,
    );
    matches(
      bad({}, { ...healthy, nodes: healthy.nodes.slice(0, 1) }),
      /^warning managers: 1 manager:/,
      /nobody could take over/,
    );
    matches(bad({}, healthy, [], 40_000), /^error Swarm: not readable for 40 s/);
    const lonely = snapshot(healthy.nodes, [service()]);
    matches(bad({}, lonely), /^warning coordinators: active on host1, 1 run$/);
  });

  it('finds an agent that is missing, and a key that does not fit', () => {
    const gone = { 3: { gone: true } };
    matches(bad(gone), /^error agents: host3: no agent of this node is connected/);
    matches(
      bad(gone, healthy, [['handshake', 4]]),
      /^error key: 4 connections without the right key .*agents are missing/,
    );
    matches(
      bad({}, healthy, [['handshake', 4]]),
      /^warning key: 4 connections without the right key were refused$/,
    );
    matches(
      bad({}, healthy, [['wrong_address', 1]]),
      /^warning key: 1 connections came from another address/,
    );
    matches(
      bad({ 2: { gone: true } }, healthy, [['unproven', 2]]),
      /^error key: agents have refused this coordinator 2 times/,
    );
    matches(bad({}, healthy, [['wrong_version', 1]]), /^error key: 1 connections spoke another protocol/);
  });

  it('finds versions and clocks that differ, and does not call well what no agent tells', () => {
    matches(bad({ 2: { version: '0.9' } }), /^warning versions: the coordinator is 1; host2 0\.9$/);
    matches(bad({ 2: { keepalived: '2.3.1' } }), /^warning versions: keepalived is 2\.2\.7 and 2\.3\.1$/);
    matches(bad({ 2: { clockMs: 1_004_200 } }), /^warning clocks: host2 4\.2 s ahead of the coordinator$/);
    const silent = { clockMs: -1 };
    matches(bad({ 1: silent, 2: silent, 3: silent }), /^unknown clocks: no agent tells its time$/);
  });

  it('finds members that do not hear each other', () => {
    const pause = { reason: 'joining', detail: 'waits for an advert of the holder', sinceMs: 0 } as const;
    matches(
      bad({ 3: { instance: { state: 'FAULT', pause } } }),
      /^warning VRRP of web: waiting to hear host1: host3: waits for an advert/,
    );
    matches(
      bad({ 2: { instance: { state: 'MASTER' } } }),
      /^error VRRP of web: held by host\d, host\d at once$/,
    );
    matches(bad({ 1: { instance: { state: 'BACKUP' } } }), /^error VRRP of web: nobody holds it$/);
  });

  it('finds what a node lacks, by the words of its agent', () => {
    const problem: Problem = {
      ...{ code: 'cannot-listen', severity: 'error', where: 'listening', message: 'no NET_RAW' },
      ...{ instead: 'it waits', remedy: 'give it' },
    };
    matches(
      bad({ 2: { problems: [problem] } }),
      /^error nodes: node host2: listening: no NET_RAW$/,
      /^error problems: status names 1 error and/,
    );
  });
});
