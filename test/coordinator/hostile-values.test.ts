// Hostile values in labels, env and groups.yaml: each is refused or bent by a problem that names the place, the value and
// the remedy; none reaches an assignment but through the protocol's schemas; the group beside it never notices.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as v from 'valibot';
import { Assignment } from '../../shared/protocol.ts';
import { config, connected, id, member, node, plan, report, service, snapshot } from './world.ts';

const agents = connected({ 1: report(1), 2: report(2), 9: report(9) });
const beside = service(
  { KEEPALIVED_GROUP: 'db', KEEPALIVED_VIRTUAL_IPS: '10.0.0.200' },
  { id: 'service0', name: 'db', createdAt: '2025-01-01T00:00:00Z' },
);
const dbNode = node(9, { keepalived_group: 'db' });
const calm = plan(snapshot([dbNode], [beside]), agents).assignments.get(id(9));

interface World {
  labels?: Record<string, string>;
  env?: Record<string, string>;
  /** Lines below `groups:`; the group `calm` stands beside them. */
  yaml?: string;
  /** A whole file. */
  file?: string;
}
type Case = [says: string, world: World, code: string, names: string[]];

const field = (line: string) => ({ yaml: `  web:\n    addresses: [10.0.0.100]\n    ${line}\n` });
const check = (keys: string) => field(`checks: [{${keys}}]`);
const address = (text: string) => ({ yaml: `  web:\n    addresses: [10.0.0.100, ${text}]\n` });
const env = (key: string, value: string) => ({ env: { [key]: value } });
const long = 'x'.repeat(10_000);
const bomb = `a: &a [1,1,1,1,1,1,1,1,1]
${[...'bcdefghi'].map((c, i) => `${c}: &${c} [${Array(9).fill(`*${'abcdefgh'[i]}`).join(',')}]`).join('\n')}
groups: {}`;

const cases: Case[] = [
  // Labels of nodes.
  [
    'a priority with a newline and a brace',
    { labels: { KEEPALIVED_PRIORITY: '100\n}' } },
    'priority-invalid',
    ['host1', 'KEEPALIVED_PRIORITY', '100\\\\n}'],
  ],
  [
    'a priority of 10 kB',
    { labels: { 'swarm-vip.priority': long } },
    'priority-invalid',
    ['swarm-vip.priority', '…'],
  ],
  [
    'a priority in other digits',
    { labels: { KEEPALIVED_PRIORITY: '１１０' } },
    'priority-invalid',
    ['KEEPALIVED_PRIORITY', '１１０'],
  ],
  ['a priority NaN', { labels: { KEEPALIVED_PRIORITY: 'NaN' } }, 'priority-invalid', ['NaN']],
  ['a priority 1e2', { labels: { KEEPALIVED_PRIORITY: '1e2' } }, 'priority-invalid', ['1e2']],
  [
    'a negative priority',
    { labels: { 'swarm-vip.web.priority': '-5' } },
    'priority-clamped',
    ['swarm-vip.web.priority', '-5', '1 is used'],
  ],
  ['a huge priority', { labels: { KEEPALIVED_PRIORITY: '999999999' } }, 'priority-clamped', ['254 is used']],
  [
    'an interface that closes a block',
    { labels: { KEEPALIVED_INTERFACE: 'eth0 }\nscript "x"' } },
    'interface-invalid',
    ['KEEPALIVED_INTERFACE'],
  ],
  [
    'an interface that is a costly pattern',
    { labels: { 'swarm-vip.interface': '.*.*.*.*.*.*.*.*x' } },
    'interface-invalid',
    ['swarm-vip.interface'],
  ],
  [
    'an interface that is no pattern either',
    { labels: { 'swarm-vip.interface': 'eth[' } },
    'interface-invalid',
    ['eth['],
  ],
  [
    'an own address with a comment',
    { labels: { KEEPALIVED_IP: '10.0.0.11 # mine' } },
    'source-address-foreign',
    ['KEEPALIVED_IP', '10.0.0.11 # mine'],
  ],
  [
    'an octal own address',
    { labels: { KEEPALIVED_IP: '010.0.0.11' } },
    'source-address-foreign',
    ['010.0.0.11'],
  ],
  [
    'a group of Cyrillic letters',
    { labels: { 'swarm-vip.groups': 'web,wеb' } },
    'group-unknown',
    ['swarm-vip.groups', 'wеb', 'did you mean web'],
  ],
  [
    'a key under our prefix that is nearly right',
    { labels: { 'swarm-vip.prioritty': '7' } },
    'label-unknown',
    ['swarm-vip.prioritty', 'did you mean priority', 'label-rm'],
  ],
  [
    'a key under our prefix that would break out of a shell',
    { labels: { "swarm-vip.x'; reboot; '": '' } },
    'label-unknown',
    ['remove the label'],
  ],
  [
    'a key under our prefix like a prototype',
    { labels: { 'swarm-vip.__proto__.priority': '7' } },
    'label-unknown',
    ['__proto__'],
  ],
  [
    'a drain until the 31st of February',
    { labels: { 'swarm-vip.drain': 'x;until=tomorrow"' } },
    'drain-option-invalid',
    ['swarm-vip.drain', 'until=tomorrow'],
  ],
  // Env of the coordinator service.
  [
    'a group name with a quote',
    env('KEEPALIVED_GROUP', 'w"b'),
    'group-name-invalid',
    ['KEEPALIVED_GROUP', 'w\\\\\\"b'],
  ],
  [
    'an address with a null byte',
    env('KEEPALIVED_VIRTUAL_IPS', '10.0.0.100,10.0.0.1\u0000'),
    'address-invalid',
    ['10.0.0.1\\\\u0000'],
  ],
  [
    'an address with a zone',
    env('KEEPALIVED_VIRTUAL_IPS', '10.0.0.100,fe80::1%eth0'),
    'address-invalid',
    ['fe80::1%eth0'],
  ],
  [
    'an address as one number',
    env('KEEPALIVED_VIRTUAL_IPS', '10.0.0.100,167772161'),
    'address-invalid',
    ['167772161'],
  ],
  [
    'an octal address',
    env('KEEPALIVED_VIRTUAL_IPS', '10.0.0.100,010.0.0.1'),
    'address-invalid',
    ['010.0.0.1'],
  ],
  [
    'a mapped address',
    env('KEEPALIVED_VIRTUAL_IPS', '10.0.0.100,::ffff:10.0.0.5'),
    'address-unusable',
    ['::ffff'],
  ],
  [
    'the broadcast address',
    env('KEEPALIVED_VIRTUAL_IPS', '10.0.0.100,255.255.255.255'),
    'address-unusable',
    ['broadcast'],
  ],
  [
    'a thousand addresses',
    env(
      'KEEPALIVED_VIRTUAL_IPS',
      Array.from({ length: 1000 }, (_, i) => `10.1.${i >> 8}.${i & 255}`).join(','),
    ),
    'too-many-addresses',
    ['512'],
  ],
  ['a router id in hexadecimal', env('KEEPALIVED_ROUTER_ID', '0x33'), 'router-id-invalid', ['0x33']],
  [
    'a password of nothing but braces',
    env('KEEPALIVED_PASSWORD', '{}{}'),
    'password-characters-dropped',
    ['no password is used'],
  ],
  [
    'an interface with a variable',
    env('KEEPALIVED_INTERFACE', '$IFACE'),
    'interface-invalid',
    ['KEEPALIVED_INTERFACE', '$IFACE'],
  ],
  // groups.yaml: the file as a whole.
  ['a file that is no YAML', { file: 'groups:\n  web: [unclosed\n' }, 'yaml-invalid', ['groups-1', 'line 3']],
  ['tabs as indentation', { file: 'groups:\n\tweb: 1\n' }, 'yaml-invalid', ['line 2', 'Tabs']],
  ['a file of 300 kB', { file: `#${'x'.repeat(300_000)}` }, 'file-too-large', ['262144']],
  ['a YAML bomb', { file: bomb }, 'file-too-complex', ['200 aliases']],
  ['an anchor within itself', { file: 'groups: &a {x: *a}' }, 'file-too-complex', []],
  ['100,000 brackets', { file: `groups: ${'['.repeat(100_000)}` }, 'file-too-complex', ['40 levels']],
  ['50,000 dashes', { file: `groups: \n  ${'- '.repeat(50_000)}x` }, 'file-too-complex', ['40 levels']],
  ['a null byte in the file', { file: 'groups: {}\n\u0000' }, 'file-characters', ['line 2', 'U+0000']],
  ['text that turns direction', { file: 'groups: {} # \u202e' }, 'file-characters', ['U+202E']],
  ['text that is no UTF-8', { file: 'groups: {} # \ufffd' }, 'file-characters', ['U+FFFD']],
  ['a second document', { file: 'groups: {}\n---\ngroups: {}\n' }, 'yaml-documents', ['line 2']],
  ['an empty file', { file: '' }, 'file-empty', ['groups']],
  ['a list instead of a map', { file: '- groups' }, 'groups-missing', ['groups']],
  [
    'a misspelt key at the top',
    { file: 'gruops: {}\n' },
    'key-unknown',
    ['gruops', 'did you mean groups', 'line 1'],
  ],
  [
    'a thousand groups',
    {
      file: `groups:\n${Array.from({ length: 1000 }, (_, n) => `  g${n}: {addresses: [10.0.0.1]}`).join('\n')}`,
    },
    'too-many-groups',
    ['255', '1000'],
  ],
  // groups.yaml: one group.
  [
    'a tag that asks for code',
    field('interface: !!js/function "() => 1"'),
    'yaml-tag',
    ['line 4', 'js/function'],
  ],
  [
    'a merge key',
    { yaml: '  web:\n    <<: {interval: 1s}\n    addresses: [10.0.0.100]\n' },
    'key-unknown',
    ['defaults', 'line 3'],
  ],
  [
    'a key twice',
    field('preempt: true\n    preempt: false'),
    'key-duplicate',
    ['line 5', 'line 4', 'preempt'],
  ],
  ['a key that is a list', { file: 'groups:\n  ? [a]\n  : {}\n' }, 'yaml-invalid', ['line 2']],
  [
    'a group named __proto__',
    { yaml: '  __proto__:\n    addresses: [10.0.0.100]\n' },
    'group-name-invalid',
    ['__proto__', 'line 2'],
  ],
  [
    'a group named with a brace',
    { yaml: '  "web {":\n    addresses: [10.0.0.100]\n' },
    'group-name-invalid',
    ['web {'],
  ],
  ['a negative interval', field('interval: -100ms'), 'value-invalid', ['-100ms', '100ms, 1s']],
  ['an interval without a unit', field('interval: 100'), 'value-invalid', ['groups.web.interval', '100']],
  ['an interval of nothing', field('interval: 0ms'), 'interval-bent', ['0 ms', '10 ms is used']],
  ['an interval of a year', field('interval: 365d'), 'interval-bent', ['40950 ms is used']],
  ['an interval of 400 digits', field(`interval: ${'9'.repeat(400)}s`), 'value-invalid', ['…']],
  ['not a number as router id', field('router_id: .nan'), 'value-invalid', ['NaN', '1 to 255']],
  ['infinity as router id', field('router_id: .inf'), 'value-invalid', ['Infinity']],
  ['an octal router id', field('router_id: 0o63'), 'number-notation', ['0o63', 'decimal']],
  ['a router id with a leading zero', field('router_id: 051'), 'number-notation', ['051']],
  ['half a router id', field('router_id: 51.5'), 'value-invalid', ['51.5']],
  [
    'a date where an interface belongs',
    field('interface: 2026-01-01 00:00:00'),
    'value-invalid',
    ['2026-01-01'],
  ],
  [
    'an interface with a newline and a block',
    field('interface: "eth0\\n}\\nvrrp_script x {"'),
    'value-invalid',
    ['eth0'],
  ],
  ['yes instead of true', field('preempt: yes'), 'value-invalid', ['true or false', 'yes']],
  ['null where a value belongs', field('transport:'), 'value-invalid', ['groups.web.transport']],
  [
    'an address with an exclamation mark',
    address('"10.0.0.1!"'),
    'address-invalid',
    ['10.0.0.1!', 'line 3', 'addresses.1'],
  ],
  ['an address that is a number', address('10.01'), 'address-invalid', ['10.01']],
  ['an address that is too long', address(`"${'1'.repeat(10_000)}"`), 'address-invalid', ['…']],
  [
    'an address given as a map of other things',
    address('{ip: 10.0.0.1}'),
    'address-invalid',
    ['addresses.1'],
  ],
  [
    'an expression that trusts the worker',
    field('members: ["engine.labels.zone == east"]'),
    'placement-invalid',
    ['engine.labels', 'node.labels'],
  ],
  [
    'an expression in another language',
    field('members: ["process.exit(1)"]'),
    'placement-invalid',
    ['process.exit(1)', 'KEY == VALUE'],
  ],
  [
    'an expression with quotes',
    field('members: ["node.role == \'manager\'"]'),
    'placement-invalid',
    ['without quotes'],
  ],
  [
    'a tier above VRRP',
    field('tiers: [{members: [node.role == manager], priority: 100-999}]'),
    'priority-invalid',
    ['100-999', '254'],
  ],
  [
    'a password that is a number',
    field('auth: {password: 12345678}'),
    'value-invalid',
    ['auth.password', 'quotes'],
  ],
  [
    'a secret outside the folder of secrets',
    field('auth: {password_file: ../../etc/shadow}'),
    'value-invalid',
    ['/run/secrets'],
  ],
  [
    'a secret named by an absolute path',
    field('auth: {password_file: /etc/passwd}'),
    'value-invalid',
    ['/run/secrets'],
  ],
  [
    'a secret that is not mounted',
    field('auth: {password_file: nothing}'),
    'password-file-missing',
    ['nothing', '--secret-add'],
  ],
  ['a key of the future', field('real_servers: [web]'), 'not-yet', ['real_servers', 'line 4']],
  [
    'a command as notify script',
    field('notify: "rm -rf /"'),
    'value-invalid',
    ['notify', 'line 4', 'rm -rf /'],
  ],
  [
    'a check script with a path',
    check('script: ../../bin/reboot'),
    'value-invalid',
    ['without a path', '../../bin'],
  ],
  ['a check script named ..', check('script: ".."'), 'value-invalid', ['checks.0.script']],
  [
    'a check script with a newline in an argument',
    check('script: {file: x, args: ["a\\nb"]}'),
    'value-invalid',
    ['this check is left out'],
  ],
  ['a check script as a command line', check('script: "sh -c id"'), 'value-invalid', ['sh -c id']],
  ['a check of two kinds', check('script: x, tcp: {address: "a:1"}'), 'check-invalid', ['tcp and script']],
  [
    'a check of no kind',
    check('interval: 1s'),
    'check-invalid',
    ['http, tcp, script, engine, container', 'line 4'],
  ],
  ['a check with an unknown key', check('scrpt: x'), 'key-unknown', ['scrpt', 'did you mean script']],
  [
    'a check with an unknown key in its kind',
    check('http: {url: "http://a/", methd: GET}'),
    'key-unknown',
    ['methd', 'did you mean method'],
  ],
  ['a check of a file', check('http: {url: "file:///etc/shadow"}'), 'value-invalid', ['file:///etc/shadow']],
  [
    'a check that splits a request',
    check('http: {url: "http://a/\\r\\nX: y"}'),
    'value-invalid',
    ['http.url'],
  ],
  [
    'a check with a header that splits a request',
    check('http: {url: "http://a/", headers: {X: "a\\r\\nY: b"}}'),
    'value-invalid',
    ['headers.X', 'on one line'],
  ],
  [
    'a container by name and by label',
    check('container: {name: a, label: b}'),
    'check-invalid',
    ['name or label, found both'],
  ],
  ['a container by a pattern', check('container: {name: ".*"}'), 'value-invalid', ['.*']],
  ['an engine that is not', check('engine: false'), 'value-invalid', ['expected true']],
  ['a check of port 0', check('tcp: {address: "db:0"}'), 'check-invalid', ['1 to 65535', 'db:0']],
  ['a check of port 99999', check('tcp: {address: "db:99999"}'), 'check-invalid', ['db:99999']],
  [
    'a check that sends and expects nothing',
    check('tcp: {address: "db:1", send: x}'),
    'check-invalid',
    ['expect'],
  ],
  ['a check each microsecond', check('script: x, interval: 0.001ms'), 'check-invalid', ['100 ms', '0.001ms']],
  ['a check that may take a year', check('script: x, timeout: 365d'), 'check-invalid', ['600000 ms', '365d']],
  ['a check with a weight of 0', check('script: x, weight: 0'), 'value-invalid', ['-253 to -1']],
  ['a check with a weight that is a fault', check('script: x, weight: -254'), 'value-invalid', ['-254']],
  ['a check that rises never', check('script: x, rise: 0'), 'value-invalid', ['from 1 to 100']],
  [
    'a schedule of 61 minutes',
    check('script: x, schedule: "61 * * * *"'),
    'check-invalid',
    ['minute', '61 *'],
  ],
  ['a schedule of words', check('script: x, schedule: "@reboot"'), 'value-invalid', ['@reboot']],
  [
    'a schedule beside an interval',
    check('script: x, interval: 1s, schedule: "* * * * *"'),
    'check-invalid',
    ['found both'],
  ],
  [
    'two checks of one name',
    field('checks: [{script: a}, {script: b}]'),
    'check-invalid',
    ['each name once', 'checks.1'],
  ],
  [
    'nine checks',
    field(`checks: [${Array(9).fill('{script: a}').join(',')}]`),
    'value-invalid',
    ['at most 8'],
  ],
  ['an unknown key of 10 kB', field(`"${'k'.repeat(900)}": 1`), 'key-unknown', ['…']],
  ['an alias of nothing', { file: 'groups: {web: *nobody}' }, 'yaml-alias', ['nobody']],
];

const calmYaml = '  calm:\n    addresses: [10.0.0.150]\n    members: [node.hostname == host9]\n';

describe('hostile values', () => {
  for (const [says, { labels = {}, env: given, yaml, file }, code, names] of cases) {
    it(`are told and kept out: ${says}`, () => {
      const web = given ? [service(given)] : yaml === undefined ? [service()] : [];
      const text = file ?? (yaml === undefined ? undefined : `groups:\n${yaml}${calmYaml}`);
      const nodes = [member(1, undefined, labels), member(2), dbNode];
      const swarm = snapshot(nodes, [beside, ...web], text === undefined ? [] : [config(text)]);
      const { assignments, problems } = plan(swarm, agents);

      const told = problems.filter((problem) => problem.code === code);
      assert.ok(
        told.length > 0,
        `expected ${code}, found ${problems.map((problem) => problem.code).join(', ')}`,
      );
      const words = JSON.stringify(told);
      for (const name of names) assert.ok(words.includes(name), `expected ${name} in ${words}`);
      for (const problem of problems) {
        assert.ok(problem.where !== '' && problem.remedy !== '' && problem.instead !== '');
        assert.ok(JSON.stringify(problem).length < 2_000, 'a problem quotes too much');
        assert.ok(!/\p{Cc}/u.test(Object.values(problem).join('')), 'a problem carries a control character');
      }
      for (const [, instances] of assignments) {
        v.parse(Assignment, { type: 'assignment', epoch: 1, counter: 1, instances });
        // Words for the history never reach keepalived.conf (test/agent/render.test.ts).
        const rendered = instances.map(({ order: _, ...instance }) => instance);
        for (const value of strings(rendered)) assert.match(value, /^[A-Za-z0-9_.:/-]{1,64}$/);
      }
      const others = (assignments.get(id(9)) ?? []).filter(({ group }) => group === 'db');
      assert.deepEqual(others, calm, 'another group noticed');
      if (yaml !== undefined) {
        assert.ok(
          assignments.get(id(9))?.some(({ group }) => group === 'calm'),
          'a group of the same file suffered',
        );
      }
    });
  }

  it('are more than forty', () => assert.ok(cases.length >= 40, String(cases.length)));

  it('never show a password', () => {
    for (const auth of [
      '{password: 12345678}',
      '{password: 0123456}',
      '{password: "secret {word}"}',
      '{pasword: secret}',
      '{}\n    checks: [{http: {url: "http://me:secret@a/"}}]',
      '{}\n    checks: [{http: {url: "http://me:secret @a/"}}]',
      '{}\n    checks: [{http: {url: "http://a/", headers: {Authorization: "secret\\n"}}}]',
    ]) {
      const text = `groups:\n  web:\n    addresses: [10.0.0.100]\n    auth: ${auth}\n`;
      const { problems } = plan(snapshot([member(1)], [], [config(text)]), agents);
      assert.ok(problems.length > 0);
      assert.doesNotMatch(JSON.stringify(problems), /12345678|0123456|secret/);
    }
  });
});

function strings(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return value !== null && typeof value === 'object' ? Object.values(value).flatMap(strings) : [];
}
