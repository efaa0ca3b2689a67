// Checks from groups.yaml to the assignment, and from the report to status.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import * as v from 'valibot';
import { planDrain } from '../../coordinator/core/drain-plan.ts';
import { readGroupsFile } from '../../coordinator/core/groups-file.ts';
import { type Status, status as statusOf } from '../../coordinator/core/status.ts';
import { Assignment, type RunningInstance } from '../../shared/protocol.ts';
import { config, connected, hello, id, member, plan, report, running, snapshot } from './world.ts';

const groupWith = (lines: string) => `groups:\n  web:\n    addresses: [10.0.0.100]\n${lines}`;
const indented = (text: string) => text.replaceAll(/^/gm, '    ');
const swarmWith = (lines: string) =>
  snapshot([member(1, '110'), member(2, '100')], [], [config(groupWith(indented(lines)))]);
const agents = connected({ 1: report(1), 2: report(2) });
const assigned = (lines: string) => plan(swarmWith(lines), agents).assignments.get(id(1))?.[0];
const problems = (lines: string) => plan(swarmWith(lines), agents).problems;

describe('checks of groups.yaml', () => {
  it('reach the assignment with every default said', () => {
    assert.deepEqual(assigned('checks: [{http: {url: "http://127.0.0.1/"}}]')?.checks, [
      {
        kind: 'http',
        url: 'http://127.0.0.1/',
        method: 'GET',
        headers: {},
        status: [[200, 299]],
        name: 'http',
        timing: { intervalMs: 2000, jitterMs: 200 },
        timeoutMs: 1000,
        rise: 2,
        fall: 3,
      },
    ]);
  });

  it('reach it with everything that can be said', () => {
    const full = `checks:
  - name: api
    http:
      url: https://127.0.0.1:8443/health
      method: HEAD
      headers: {Host: example.org, Authorization: Bearer x}
      status: [200, 301-302]
      body: ok
      tls: {verify: false, server_name: example.org, ca_file: ca.pem}
    interval: 500ms
    jitter: 0ms
    timeout: 250ms
    rise: 1
    fall: 5
    weight: -20
  - name: db
    tcp: {address: "[::1]:5432", send: "PING\\r\\n", expect: PONG}
  - name: nightly
    script: {file: backup.sh, args: [a, "b c"], shell: true}
    schedule: "*/5 1-3 * * 0"
notify: {file: tell}`;
    const instance = assigned(full);
    assert.deepEqual(instance?.notify, { file: 'tell' });
    assert.deepEqual(instance?.checks, [
      {
        kind: 'http',
        url: 'https://127.0.0.1:8443/health',
        method: 'HEAD',
        headers: { Host: 'example.org', Authorization: 'Bearer x' },
        status: [
          [200, 200],
          [301, 302],
        ],
        body: 'ok',
        tls: { insecure: true, serverName: 'example.org', caFile: 'ca.pem' },
        name: 'api',
        timing: { intervalMs: 500, jitterMs: 0 },
        timeoutMs: 250,
        rise: 1,
        fall: 5,
        weight: -20,
      },
      {
        kind: 'tcp',
        host: '::1',
        port: 5432,
        send: 'PING\r\n',
        expect: 'PONG',
        name: 'db',
        timing: { intervalMs: 2000, jitterMs: 200 },
        timeoutMs: 1000,
        rise: 2,
        fall: 3,
      },
      {
        kind: 'script',
        script: { file: 'backup.sh', args: ['a', 'b c'], shell: true },
        name: 'nightly',
        timing: { schedule: '*/5 1-3 * * 0', jitterMs: 0 },
        timeoutMs: 1000,
        rise: 2,
        fall: 3,
      },
    ]);
    const frame = { type: 'assignment', epoch: 1, counter: 1, instances: [instance] };
    assert.deepEqual(v.parse(Assignment, frame).instances, [instance]);
  });

  it('change the mark and nothing that members must agree on', () => {
    const [none, one, other] = ['', 'checks: [{script: a}]', 'checks: [{script: b}]'].map(assigned);
    assert.equal(none?.checksMark, undefined);
    assert.notEqual(one?.checksMark, other?.checksMark);
    assert.equal(none?.agreement, one?.agreement);
  });

  it('with a weight give each member a floor by its rank, and without one none', () => {
    const floors = (lines: string) =>
      [1, 2].map((number) => plan(swarmWith(lines), agents).assignments.get(id(number))?.[0]?.floor);
    assert.deepEqual(floors('checks: [{script: a, weight: -50}]'), [3, 2]);
    assert.deepEqual(floors('checks: [{script: a}]'), [undefined, undefined]);
  });

  it('that are wrong are left out one by one', () => {
    const checks = assigned('checks: [{script: a/b}, {script: good}, {interval: 1s}]')?.checks;
    assert.deepEqual(
      checks?.map(({ name }) => name),
      ['script'],
    );
  });

  it('whatever is written, are left out or fit the protocol', () => {
    const text = fc.oneof(
      fc.constantFrom(
        '200',
        '"a b"',
        '../x',
        '"*/0 * * * *"',
        '[1]',
        '-1',
        '1s',
        '{}',
        'null',
        '"\\u2028"',
        '[[]]',
      ),
      fc.string({ maxLength: 12 }).map((each) => JSON.stringify(each)),
    );
    const key = fc.constantFrom(
      'name',
      'interval',
      'schedule',
      'jitter',
      'timeout',
      'rise',
      'fall',
      'weight',
    );
    const kind = fc.constantFrom('script: x', 'tcp: {address: "a:1"}', 'http: {url: "http://a/"}');
    fc.assert(
      fc.property(
        kind,
        fc.uniqueArray(fc.tuple(key, text), { selector: ([k]) => k, maxLength: 4 }),
        (of, keys) => {
          const lines = keys.map(([k, value]) => `, ${k}: ${value}`).join('');
          const file = groupWith(`    checks: [{${of}${lines}}, {name: last, script: y}]\n`);
          const { groups } = readGroupsFile({ name: 'f', text: file, secrets: {} });
          const checks = groups[0]?.group?.checks ?? [];
          const instance = { ...assigned(''), checks };
          assert.ok(
            v.is(Assignment, { type: 'assignment', epoch: 1, counter: 1, instances: [instance] }),
            file,
          );
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('a weight that can never move the address', () => {
  const codes = (lines: string) => problems(lines).map(({ code }) => code);
  it('is told with the weight that would', () => {
    const [problem] = problems('checks: [{script: a, weight: -10}]');
    assert.equal(problem?.code, 'check-weight-too-small');
    assert.match(problem?.remedy ?? '', /weight: -11\b/);
    assert.match(problem?.where ?? '', /^config groups-1, line 4/);
    assert.deepEqual(codes('checks: [{script: a, weight: -11}]'), []);
  });
  it('counts all checks together, since they may fail together', () => {
    assert.deepEqual(
      codes('checks: [{name: a, script: a, weight: -6}, {name: b, script: a, weight: -5}]'),
      [],
    );
  });
  it('knows the bonus of a holder that keeps the addresses', () => {
    const [problem] = problems('preempt: false\nchecks: [{script: a, weight: -11}]');
    assert.match(problem?.remedy ?? '', /weight: -14\b/);
  });
  it('is none of a check that is a fault', () => assert.deepEqual(codes('checks: [{script: a}]'), []));
});

describe('a failing check in status', () => {
  const lines = 'checks: [{name: api, script: a}, {name: db, script: b, weight: -50}]';
  const result = (name: string, up: boolean, weight?: number) => ({
    name,
    up,
    sinceMs: 1,
    lastRunMs: 2,
    durationMs: 3,
    output: 'connection refused',
    ...(weight === undefined ? {} : { weight }),
  });
  const status = (first: Partial<RunningInstance>, second: Partial<RunningInstance> = {}): Status => {
    const swarm = swarmWith(lines);
    const wanted = plan(swarm, agents).assignments;
    const reports = connected(
      Object.fromEntries(
        [first, second].map((more, index) => {
          const instance = wanted.get(id(index + 1))?.[0] ?? assert.fail();
          return [index + 1, report(index + 1, [running(instance, more)])];
        }),
      ),
    );
    const records = new Map(
      [1, 2].map((n) => {
        const { report: said } = reports.get(id(n)) ?? assert.fail();
        const claims =
          said?.instances[0]?.state === 'MASTER' ? new Map([['web', { firstMs: 0, lastMs: 9 }]]) : new Map();
        return [id(n), { connected: true, hello: hello(n), report: said, seenMs: 0, claims }] as const;
      }),
    );
    return statusOf({
      self: id(1),
      version: '1',
      role: 'active',
      active: id(1),
      epoch: 1,
      snapshot: swarm,
      snapshotAgeMs: 0,
      snapshotError: undefined,
      agents: records,
      plan: plan(swarm, reports),
      nowMs: 0,
    });
  };
  const fault: Partial<RunningInstance> = {
    state: 'FAULT',
    pause: { reason: 'check', detail: 'check api fails: connection refused', sinceMs: 1 },
    checks: [result('api', false)],
  };
  const of = (shown: Status, n: number) =>
    shown.groups[0]?.members.find(({ node }) => node === id(n)) ?? assert.fail();

  it('that is a fault makes the member not eligible, with its last words as the note', () => {
    const shown = status({ state: 'MASTER' }, fault);
    const second = of(shown, 2);
    assert.deepEqual([second.eligible, second.note], [false, 'check api fails: connection refused']);
    assert.deepEqual(second.checks, [result('api', false)]);
    assert.equal(shown.groups[0]?.verdict, 'DEGRADED');
  });

  it('makes a drain unsafe that would leave the addresses to nobody else', () => {
    const shown = status({ state: 'MASTER' }, fault);
    const { unsafe, steps } = planDrain(swarmWith(lines), shown, ['host1']);
    assert.equal(steps[0]?.groups[0]?.successor, null);
    assert.deepEqual(unsafe, ['host1 holds web, and no other member is eligible to take it over']);
  });

  it('that weighs leaves the member eligible and says what it takes', () => {
    const second = of(status({ state: 'MASTER' }, { checks: [result('db', false, -50)] }), 2);
    assert.deepEqual([second.eligible, second.note], [true, 'check db fails (-50): connection refused']);
  });

  it('is no part of a member that is well', () => {
    const second = of(status({ state: 'MASTER' }, { checks: [result('db', true, -50)] }), 2);
    assert.deepEqual([second.eligible, second.note], [true, null]);
  });

  it('does not count as held while all members change what they agree on', () => {
    const swarm = swarmWith(`${lines}\nrouter_id: 77`);
    const wanted = plan(swarmWith(lines), agents).assignments;
    const instances = [1, 2].map((n) => wanted.get(id(n))?.[0] ?? assert.fail());
    const [a, b] = instances;
    if (!a || !b) return assert.fail();
    const target = plan(swarm, agents).assignments.get(id(2))?.[0] ?? assert.fail();
    // The second has the new values already, and could take part as soon as its check passes.
    const second = running(target, fault);
    const reports = connected({ 1: report(1, [running(a, { state: 'MASTER' })]), 2: report(2, [second]) });
    assert.equal(plan(swarm, reports).assignments.get(id(1))?.[0]?.transition, 'keep');
    const held = running(target, {
      state: 'FAULT',
      pause: { reason: 'transition', detail: 'x', sinceMs: 1 },
    });
    const ready = connected({ 1: report(1, [running(a, { state: 'MASTER' })]), 2: report(2, [held]) });
    assert.equal(plan(swarm, ready).assignments.get(id(1))?.[0]?.transition, 'lead');
  });
});
