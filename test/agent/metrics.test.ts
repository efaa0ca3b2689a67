// What a scrape of the agent says, against what keepalived itself says: names, labels, types and values of the
// well-known exporter, and ours.
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import * as v from 'valibot';
import type { Check } from '../../shared/checks.ts';
import type { AssignedInstance } from '../../shared/protocol.ts';
import { GroupName, Vrid } from '../../shared/words.ts';
import { type Exposition, readExposition, valuesOf } from '../watch/exposition.ts';
import { type Bench, createBench, instanceFor, nth, until } from './bench.ts';

const router = ['iname', 'intf', 'vrid'];
const address = [...router, 'ip_address'];
/** The exporter's contract, as its collector describes it. */
const contract: Record<string, readonly [type: string, labels: readonly string[]]> = {
  keepalived_up: ['gauge', []],
  keepalived_exporter_build_info: [
    'gauge',
    ['branch', 'goarch', 'goos', 'goversion', 'revision', 'tags', 'version'],
  ],
  keepalived_vrrp_state: ['gauge', address],
  keepalived_vrrp_excluded_state: ['gauge', address],
  keepalived_exporter_check_script_status: ['gauge', address],
  keepalived_script_status: ['gauge', ['name']],
  keepalived_script_state: ['gauge', ['name']],
  keepalived_gratuitous_arp_delay_total: ['counter', router],
  keepalived_advertisements_received_total: ['counter', router],
  keepalived_advertisements_sent_total: ['counter', router],
  keepalived_become_master_total: ['counter', router],
  keepalived_release_master_total: ['counter', router],
  keepalived_packet_length_errors_total: ['counter', router],
  keepalived_advertisements_interval_errors_total: ['counter', router],
  keepalived_ip_ttl_errors_total: ['counter', router],
  keepalived_invalid_type_received_total: ['counter', router],
  keepalived_address_list_errors_total: ['counter', router],
  keepalived_authentication_invalid_total: ['counter', router],
  keepalived_authentication_mismatch_total: ['counter', router],
  keepalived_authentication_failure_total: ['counter', router],
  keepalived_priority_zero_received_total: ['counter', router],
  keepalived_priority_zero_sent_total: ['counter', router],
};
/** How keepalived's own statistics file (SIGUSR2) calls them. */
const inStatistics = {
  'Became master': 'keepalived_become_master_total',
  'Released master': 'keepalived_release_master_total',
  'Advertisements: Received': 'keepalived_advertisements_received_total',
  'Advertisements: Sent': 'keepalived_advertisements_sent_total',
  'Packet Errors: Address List': 'keepalived_address_list_errors_total',
  'Priority Zero: Received': 'keepalived_priority_zero_received_total',
  'Priority Zero: Sent': 'keepalived_priority_zero_sent_total',
} as const;

const fails: Check = {
  kind: 'script',
  name: 'app',
  script: { file: 'app' },
  timing: { intervalMs: 200, jitterMs: 0 },
  timeoutMs: 500,
  rise: 1,
  fall: 1,
  weight: -3,
};

describe('the metrics of an agent', () => {
  let bench: Bench;
  const directory = mkdtempSync(join(tmpdir(), 'metrics-'));
  before(async () => {
    mkdirSync(join(directory, 'checks'));
    writeFileSync(join(directory, 'checks/app'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
    const fixture = join(directory, 'keepalived');
    copyFileSync(new URL('fixtures/keepalived-crashes-at-start', import.meta.url), fixture);
    writeFileSync(`${fixture}.works`, '');
    bench = await createBench(2);
    await bench.peer.start();
    const more = { PATH: `${directory}:${process.env['PATH']}`, CHECKS_DIR: join(directory, 'checks') };
    for (const host of bench.hosts) host.start(more);
    await until('both report', () => bench.hosts.every((host) => host.report()));
    assign(1, [web, db]);
    await until('the first holds both groups', () => bench.hosts[0]?.held().length === 3);
    await until('the check has failed', () => first().report()?.instances[0]?.checks?.[0]?.up === false);
  });
  after(async () => {
    await bench.close();
    rmSync(directory, { recursive: true });
  });
  const first = () => nth(bench, 1);
  const scrape = (): Exposition =>
    readExposition(first().exec('curl', '-s', '-m', '5', 'http://127.0.0.1:9165/metrics'));
  type Make = (index: number) => AssignedInstance;
  const instance = (index: number, change: Partial<AssignedInstance>) =>
    instanceFor(nth(bench, index), bench.hosts, change);
  const web: Make = (index) =>
    instance(index, { checks: [fails], addresses: ['10.99.0.100/32', 'fd99::100/128'], floor: 1 + index });
  const db: Make = (index) =>
    instance(index, {
      group: v.parse(GroupName, 'db'),
      vrid: v.parse(Vrid, 52),
      addresses: ['10.99.0.101/32'],
      addressInterfaces: {},
    });
  const assign = (counter: number, made: readonly Make[]) => {
    for (const [at, host] of bench.hosts.entries())
      host.assign(
        counter,
        made.map((make) => make(at + 1)),
      );
  };
  /** keepalived's own words, by a signal of ours. */
  const statistics = async (group: string) => {
    const file = join(first().runDir, 'keepalived.stats');
    rmSync(file, { force: true });
    const [parent = 0] = first().pids().keepalived;
    process.kill(parent, 'SIGUSR2');
    const text = await until('the statistics file', () => {
      try {
        return readFileSync(file, 'utf8').includes('db') && readFileSync(file, 'utf8');
      } catch {
        return undefined;
      }
    });
    await sleep(50);
    const part = text.split('VRRP Instance: ').find((each) => each.startsWith(`${group}\n`)) ?? '';
    const values = new Map<string, number>();
    let section = '';
    for (const line of part.split('\n').slice(1)) {
      const [, indent = '', key = '', value = ''] = /^(\s+)([^:]+):\s*(\d*)$/.exec(line) ?? [];
      if (value === '') section = `${key}: `;
      else values.set(indent.length > 2 ? section + key : key, Number(value));
    }
    return values;
  };
  const dumpedMs = () => {
    try {
      return statSync(join(first().runDir, 'keepalived.json')).mtimeMs;
    } catch {
      return 0;
    }
  };

  it('have every series of the exporter, with its labels and its type', async () => {
    await until('counters', () => valuesOf(scrape(), 'keepalived_become_master_total').length === 2);
    const { types, series } = scrape();
    for (const [name, [type, labels]] of Object.entries(contract)) {
      assert.equal(types.get(name), type, name);
      const found = series.filter((each) => each.name === name);
      assert.ok(found.length > 0, `${name} has no series`);
      for (const each of found) assert.deepEqual(Object.keys(each.labels).sort(), [...labels].sort(), name);
    }
  });

  it('take their counters from what keepalived says, at most a dump old, and no scrape makes it dump', async (t) => {
    const before = await statistics('web');
    const dumps = new Set<number>();
    let scrapes = 0;
    const began = Date.now();
    while (Date.now() - began < 17_000) {
      scrape();
      scrapes += 1;
      const at = dumpedMs();
      if (at > 0) dumps.add(at);
      await sleep(50);
    }
    const scraped = scrape();
    const now = await statistics('web');
    t.diagnostic(`${scrapes} scrapes, ${dumps.size} dumps in 17 s`);
    // The one before, and one or two of the period of 15 s.
    assert.ok(scrapes > 50 && dumps.size >= 2 && dumps.size <= 3, `${scrapes} scrapes, ${dumps.size} dumps`);
    for (const [key, name] of Object.entries(inStatistics)) {
      const [value = Number.NaN] = valuesOf(scraped, name, { iname: 'web' });
      const [least = Number.NaN, most = Number.NaN] = [before.get(key), now.get(key)];
      assert.ok(value >= least && value <= most, `${name}: ${least} ≤ ${value} ≤ ${most}`);
    }
    assert.ok((before.get('Advertisements: Sent') ?? 0) > 0);
    assert.deepEqual(valuesOf(scraped, 'keepalived_become_master_total'), [1, 1]);
  });

  it('show states, priorities and checks of now', () => {
    const text = scrape();
    const labels = { iname: 'web', intf: 'eth0', vrid: '51', ip_address: 'fd99::100' };
    assert.deepEqual(valuesOf(text, 'keepalived_vrrp_state', labels), [2]);
    assert.deepEqual(valuesOf(text, 'swarm_vip_agent_state'), [2, 2]);
    assert.deepEqual(valuesOf(text, 'swarm_vip_agent_priority', { group: 'web' }), [250]);
    assert.deepEqual(valuesOf(text, 'swarm_vip_agent_effective_priority', { group: 'web' }), [247]);
    assert.deepEqual(valuesOf(text, 'keepalived_script_status', { name: 'web/app' }), [0]);
    assert.deepEqual(valuesOf(text, 'swarm_vip_check_up', { group: 'web', check: 'app' }), [0]);
    assert.deepEqual(valuesOf(text, 'keepalived_exporter_check_script_status'), [0, 0]);
    assert.deepEqual(valuesOf(text, 'swarm_vip_agent_address_held'), [1, 1, 1]);
    assert.deepEqual(valuesOf(text, 'swarm_vip_agent_lease_seconds'), [4]);
    const [since = 0] = valuesOf(text, 'swarm_vip_agent_last_transition_timestamp_seconds', { group: 'web' });
    assert.ok(since > Date.now() / 1000 - 120 && since <= Date.now() / 1000, `${since}`);
  });

  it('count reloads by what became of them, and tell an order to stand aside', async () => {
    const reloads = (result: string) => valuesOf(scrape(), 'swarm_vip_agent_reloads_total', { result })[0];
    const applied = reloads('applied') ?? Number.NaN;
    const bad: Make = (index) => ({ ...db(index), interface: 'eth9' as AssignedInstance['interface'] });
    assign(2, [web, bad]);
    await until('it is refused', () => first().report()?.rejected?.counter === 2);
    assert.deepEqual([reloads('applied'), reloads('rejected')], [applied, 1]);
    const more: Make = (index) => ({ ...db(index), addresses: ['10.99.0.101/32', '10.99.0.102/32'] });
    assign(3, [web, more]);
    await until('it runs', () => first().report()?.applied?.counter === 3);
    await until('the reload is counted', () => reloads('applied') === applied + 1);
    assert.equal(reloads('rejected'), 1);
    assert.deepEqual(valuesOf(scrape(), 'swarm_vip_agent_drained', { group: 'db' }), [0]);
    assign(4, [web, (index) => ({ ...more(index), ...(index === 1 ? { standAside: 'relieved' } : {}) })]);
    await until('it stands aside', () => nth(bench, 2).report()?.instances[1]?.state === 'MASTER');
    const drained = (group: string) => valuesOf(scrape(), 'swarm_vip_agent_drained', { group });
    assert.deepEqual([drained('web'), drained('db')], [[0], [1]]);
  });

  it('lose no series while keepalived is dead, and say that it is', async () => {
    const names = ({ series }: Exposition) =>
      series.map(({ name, labels }) => `${name}${JSON.stringify(labels)}`).sort();
    const before = scrape();
    rmSync(join(directory, 'keepalived.works'));
    for (const pid of first().pids().keepalived) process.kill(pid, 'SIGKILL');
    await until('it is given time', () => first().report()?.keepalived.phase === 'backing-off');
    const dead = scrape();
    assert.deepEqual(valuesOf(dead, 'keepalived_up'), [0]);
    assert.deepEqual(names(dead), names(before));
    assert.ok(valuesOf(dead, 'keepalived_vrrp_state').every((state) => state === 0));
    const sent = (text: Exposition) => valuesOf(text, 'keepalived_advertisements_sent_total');
    assert.deepEqual(sent(dead), sent(before));
    writeFileSync(join(directory, 'keepalived.works'), '');
    await until('it lives again', () => valuesOf(scrape(), 'keepalived_up')[0] === 1);
  });

  it('end with their group', async () => {
    assign(5, [web]);
    await until('it is gone', () => first().report()?.applied?.counter === 5);
    const left = scrape().series.filter(
      ({ labels }) => labels['iname'] === 'db' || labels['group'] === 'db' || labels['name'] === 'db/app',
    );
    assert.deepEqual(left, []);
    assert.ok(valuesOf(scrape(), 'keepalived_vrrp_state', { iname: 'web' }).length === 2);
  });
});
