// What an operator loads into Prometheus and Grafana, checked by promtool; on the lab it runs in test/e2e/watch.test.ts.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { monitoring } from './monitor.ts';
import { queriesOf, readDashboard } from './queries.ts';
import { alertNames, quickRules } from './quick-rules.ts';
import { rows } from './rows.ts';

const promtool = (...args: string[]) => execFileSync('promtool', args, { encoding: 'utf8', cwd: monitoring });
const rules = readFileSync(`${monitoring}alerts.yaml`, 'utf8');

describe('the alerts', () => {
  it('fire when they should and only then, by promtool', () => {
    assert.match(promtool('test', 'rules', 'alerts.test.yaml'), /SUCCESS/);
  });

  it('have each a fault that fires it in the lab', () => {
    const fired = new Set(rows.flatMap(({ fires }) => fires.map(([alert]) => alert)));
    assert.deepEqual([...fired].sort(), alertNames(rules).sort());
  });

  it('ask the same in the lab, but sooner', () => {
    const quick = quickRules(rules, { for: '3s', window: '1m' });
    assert.ok(!/for: \d+[mh]/.test(quick) && quick.includes('for: 3s') && quick.includes('[1m]'));
    assert.deepEqual(alertNames(quick), alertNames(rules));
  });
});

describe('the examples for Prometheus', () => {
  for (const discovery of ['http-sd', 'dockerswarm-sd', 'static']) {
    it(`prometheus.${discovery}.yaml is valid and loads the alerts`, () => {
      assert.match(promtool('check', 'config', `prometheus.${discovery}.yaml`), /SUCCESS: \d+ rules found/);
    });
  }
});

describe('the dashboard', () => {
  it('has queries that Prometheus can parse, each for the chosen groups or nodes where they have them', () => {
    const queries = queriesOf(readDashboard(), { group: '.*', node: '.*', __rate_interval: '1m' });
    assert.ok(queries.length > 25, `${queries.length} queries`);
    const directory = mkdtempSync(join(tmpdir(), 'dashboard-'));
    try {
      const file = join(directory, 'rules.yaml');
      const each = queries.map(({ expression }, index) => ({ record: `query_${index}`, expr: expression }));
      writeFileSync(file, JSON.stringify({ groups: [{ name: 'dashboard', rules: each }] }));
      assert.match(promtool('check', 'rules', file), new RegExp(`SUCCESS: ${queries.length} rules found`));
    } finally {
      rmSync(directory, { recursive: true });
    }
    for (const { title, expression } of queries)
      assert.ok(!expression.includes('$'), `${title}: ${expression}`);
  });

  it('lets choose groups and nodes', () => {
    const names = readDashboard().templating.list.map(({ name }) => name);
    assert.deepEqual(names, ['datasource', 'group', 'node']);
  });
});
