// What `swarm-vip` writes, by the real command against a real socket: documents, colours, views that go on.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { build } from 'esbuild';
import { parse, parseAllDocuments } from 'yaml';
import { greeted, reported } from '../../coordinator/core/agents.ts';
import { type Status, status } from '../../coordinator/core/status.ts';
import { createHttpServer, json, listenUnix } from '../../shared/io/http.ts';
import type { RunningInstance } from '../../shared/protocol.ts';
import { until as untilTrue } from '../lab/run.ts';
import { connected, id, member, plan, report, running, snapshot } from './world.ts';

const swarm = snapshot([member(1), member(2)]);
const { assignments } = plan(swarm, connected({ 1: report(1), 2: report(2) }));
const states: Record<number, RunningInstance['state']> = { 1: 'MASTER', 2: 'BACKUP' };

/** Both agents run what they should; the first holds unless told otherwise. */
function statusNow(more: Partial<Record<number, RunningInstance['state']>> = {}, ageMs = 10): Status {
  const agents = new Map(
    [1, 2].map((n) => {
      const hello = {
        type: 'hello',
        protocol: 1,
        node: id(n),
        hostname: `host${n}`,
        agentVersion: '1',
        keepalivedVersion: '2.2.7',
      } as const;
      const instances = (assignments.get(id(n)) ?? []).map((each) =>
        running(each, { state: more[n] ?? states[n] ?? 'BACKUP' }),
      );
      return [id(n), reported(greeted(undefined, hello, 0), report(n, instances), 0)];
    }),
  );
  return status({
    ...{ self: id(1), version: '1', role: 'active', active: id(1), epoch: 7, snapshot: swarm },
    ...{ snapshotAgeMs: ageMs, snapshotError: undefined, agents, nowMs: ageMs },
    plan: plan(swarm, agents),
  });
}

const configCommands = [
  ['config', 'check'],
  ['config', 'diff'],
  ['config', 'render'],
];

describe('swarm-vip', { timeout: 180_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'cli-'));
  const socket = join(folder, 'socket');
  let now: Status | undefined;
  let reads = 0;
  const server = createHttpServer(
    {
      '/api/v1/status': () => {
        reads += 1;
        return now ? json(200, now) : json(503, { error: 'Swarm has not been read yet' });
      },
      '/api/v1/history': () => json(200, { switches: [], transitions: [] }),
    },
    {
      '/api/v1/pause': () => json(200, { pause: null, before: false, nodes: [], written: false }),
      '/api/v1/config/render': () => json(200, { node: id(1), instances: [] }),
    },
  );
  before(async () => {
    // As in the image: one file, which starts several times as fast.
    await build({
      entryPoints: ['coordinator/cli.ts'],
      outfile: join(folder, 'swarm-vip.mjs'),
      ...{ bundle: true, platform: 'node', format: 'esm', logLevel: 'error' },
      banner: {
        js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
      },
    });
    now = statusNow();
    await listenUnix(server, socket);
  });
  after(() => {
    for (const child of children) child.kill('SIGKILL');
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true });
  });

  const children: ChildProcess[] = [];
  const program = [process.execPath, join(folder, 'swarm-vip.mjs')];
  function begin(args: string[], env: Record<string, string> = {}, terminal = false) {
    const { NO_COLOR: _, ...inherited } = process.env;
    const [command = '', ...rest] = terminal
      ? // A terminal of its own, without a size.
        ['script', '-qefc', `echo $$ >${folder}/pid; exec ${[...program, ...args].join(' ')}`, '/dev/null']
      : [...program, ...args];
    const child = spawn(command, rest, {
      env: { ...inherited, TERM: 'xterm', CI: 'yes', ...env, SWARM_VIP_SOCKET: socket },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    children.push(child);
    const seen = { out: '', err: '', child };
    child.stdout.on('data', (data) => {
      seen.out += String(data);
    });
    child.stderr.on('data', (data) => {
      seen.err += String(data);
    });
    return seen;
  }
  const until = (what: string, holds: () => boolean) =>
    untilTrue(what, () => holds() || undefined, { timeoutMs: 20_000, everyMs: 20 });
  const ended = (child: ChildProcess) =>
    new Promise<number | null>((resolve) => child.once('close', resolve));
  async function run(args: string[], env: Record<string, string> = {}, terminal = false) {
    const seen = begin(args, env, terminal);
    const code = await ended(seen.child);
    return { ...seen, code };
  }

  it('gives every document an apiVersion and a kind, first, and says the same in JSON and in YAML', async () => {
    const kinds: [kind: string, ...args: string[]][] = [
      ['Status', 'status'],
      ['Groups', 'groups'],
      ['Nodes', 'nodes'],
      ['History', 'history'],
      ['Pause', 'pause', '--dry-run'],
      ['Assignment', 'config', 'render', 'host1'],
    ];
    await Promise.all(
      kinds.map(async ([kind, ...args]) => {
        const [asJson, asYaml] = await Promise.all([
          run([...args, '-o', 'json']),
          run([...args, '-o', 'yaml']),
        ]);
        const document = JSON.parse(asJson.out);
        assert.deepEqual(Object.entries(document).slice(0, 2), [
          ['apiVersion', 'swarm-vip/v1'],
          ['kind', kind],
        ]);
        assert.deepEqual(parse(asYaml.out), document, kind);
        assert.deepEqual([asJson.code, asYaml.code], [0, 0], asJson.err + asYaml.err);
      }),
    );
  });

  it('helps with each command: no default in milliseconds or of nothing, no argument without a word, within a terminal', async () => {
    const { out, code } = await run(['--help']);
    assert.equal(code, 0);
    for (const word of ['See:', 'Operate:', 'Configure:', 'Exit codes: 0 ok, 1 error'])
      assert.ok(out.includes(word), word);
    const commands = [...out.matchAll(/^ {2}([a-z-]+) .*$/gm)].map(([, name = '']) => name);
    assert.ok(commands.length >= 14, commands.join());
    const helps = [
      ...commands.filter((name) => name !== 'help').map((name) => [name]),
      ...configCommands,
    ].map(async (command) => {
      const help = await run([...command, '--help']);
      assert.equal(help.code, 0, command.join(' '));
      assert.doesNotMatch(help.out, /default: (""|\d{4,})/, command.join(' '));
      for (const [, name = ''] of help.out.split('\n')[0]?.matchAll(/[<[]([a-z]+)[.>\]]/g) ?? [])
        if (name !== 'options' && name !== 'command')
          assert.match(help.out, new RegExp(`^ {2}${name} {2,}\\S`, 'm'));
      assert.ok(
        help.out.split('\n').every((line) => line.length <= 100),
        help.out,
      );
    });
    await Promise.all(helps);
  });

  it('calls a drained member so, not faulty, and tells errors before warnings', async () => {
    const plain = statusNow({ 1: 'FAULT', 2: 'MASTER' });
    const drain = { reason: 'disk', until: null, force: false };
    const problem = { code: 'a', where: 'somewhere', message: 'm', instead: 'i', remedy: 'r' };
    now = {
      ...plain,
      groups: plain.groups.map((group) => ({
        ...group,
        members: group.members.map((each) => (each.hostname === 'host1' ? { ...each, drain } : each)),
      })),
      problems: [
        { ...problem, severity: 'warning' },
        { ...problem, severity: 'error' },
      ],
    };
    const [status, nodes] = await Promise.all([run(['status']), run(['nodes'])]);
    now = statusNow();
    assert.match(status.out, /^host1 +DRAINED /m);
    assert.match(nodes.out, /^host1 .* web:DRAINED/m);
    assert.doesNotMatch(status.out + nodes.out, /FAULT/);
    assert.match(status.out, / {2}ERROR somewhere[^\n]*\n {2}WARNING somewhere/);
  });

  it('says on stderr that it knows nothing of a group, and which ones it knows', async () => {
    const { out, err, code } = await run(['history', 'wbe']);
    assert.deepEqual([out, code], ['', 0]);
    assert.match(err, /^nothing to show of wbe; no node remembers anything$/m);
  });

  it('promises no failover where nobody could take over', async () => {
    now = statusNow({ 2: 'FAULT' });
    const [alone, wide] = await Promise.all([run(['status']), run(['groups', '-o', 'wide'])]);
    now = statusNow();
    assert.match(alone.out, /held by host1 {3}VRID \d+, nobody could take over$/m);
    assert.match(wide.out, /^web .* nobody +host2 +- /m);
    assert.match((await run(['status'])).out, /failover within 0\.\d+ s$/m);
  });

  it('colours on a terminal only, and never against NO_COLOR; the words are the same', async () => {
    now = statusNow({ 1: 'FAULT' });
    const [piped, forced, shown, plain, dumb] = await Promise.all([
      run(['status']),
      run(['status'], { FORCE_COLOR: '1' }),
      run(['status'], {}, true),
      run(['status'], { NO_COLOR: '1' }, true),
      run(['status'], { TERM: 'dumb' }, true),
    ]);
    now = statusNow();
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control characters.
    const colour = /\x1b\[\d+m/g;
    for (const [name, { out }] of Object.entries({ piped, forced, plain, dumb }))
      assert.doesNotMatch(out, colour, name);
    assert.match(shown.out, colour);
    assert.ok(shown.out.includes('\x1b[33mFAULT'));
    assert.equal(shown.out.replace(colour, '').replaceAll('\r', ''), piped.out);
    assert.deepEqual([piped.code, shown.code, plain.code], [6, 6, 6]);
  });

  it('shows more with -o wide: checks, provenance, who comes next, generations', async () => {
    const [status, groups, nodes] = await Promise.all(
      ['status', 'groups', 'nodes'].map((name) => run([name, '-o', 'wide'])),
    );
    assert.match(status?.out ?? '', /CHECKS +MEMBER BY +AGENT/);
    assert.match(groups?.out ?? '', /RUNNER-UP[^\n]*\n *web[^\n]*host1[^\n]* host2 /);
    assert.match(nodes?.out ?? '', new RegExp(`host1[^\\n]*${id(1)}[^\\n]*2\\.2\\.7`));
  });

  it('status -w writes a line for each change, none for an age, and goes on over a silence', async () => {
    const seen = begin(['status', '-w', '-o', 'json']);
    const end = ended(seen.child);
    const lines = () => seen.out.split('\n').length - 1;
    const upTo = async (most: number) => {
      await until(`${most} lines`, () => lines() >= most);
    };
    await upTo(1);
    now = statusNow({}, 5_000);
    const readsThen = reads;
    await until('two more reads', () => reads >= readsThen + 2);
    assert.equal(lines(), 1);
    now = undefined;
    await until('a complaint', () => seen.err.includes('not been read yet'));
    now = statusNow({ 1: 'BACKUP', 2: 'MASTER' });
    await upTo(2);
    const holders = seen.out
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as Status).groups[0]?.holders.map(({ hostname }) => hostname));
    assert.deepEqual(holders, [['host1'], ['host2']]);
    seen.child.kill('SIGINT');
    assert.equal(await end, 130);
    now = statusNow();
  });

  it('status -w -o yaml writes one document after the other', async () => {
    const seen = begin(['groups', '-w', '-o', 'yaml']);
    await until('a document', () => seen.out.includes('kind: Groups'));
    now = statusNow({ 1: 'FAULT' });
    await until('another one', () => seen.out.split('kind: Groups').length === 3);
    seen.child.kill('SIGINT');
    await ended(seen.child);
    now = statusNow();
    assert.equal(parseAllDocuments(seen.out).length, 2);
  });

  it('status -w redraws a terminal in place, and gives it back as it was', async () => {
    const seen = begin(['status', '-w'], { NO_COLOR: '1' }, true);
    const end = ended(seen.child);
    await until('the first holder', () => seen.out.includes('held by host1'));
    now = statusNow({ 1: 'BACKUP', 2: 'MASTER' });
    await until('the second', () => seen.out.includes('held by host2'));
    process.kill(Number(readFileSync(join(folder, 'pid'), 'utf8')), 'SIGINT');
    assert.equal(await end, 130);
    now = statusNow();
    assert.ok(seen.out.startsWith('\x1b[?1049h'), JSON.stringify(seen.out.slice(0, 40)));
    assert.ok(seen.out.split('\x1b[H').length > 2);
    const [, last = ''] = seen.out.split('\x1b[?1049l');
    assert.match(last, /^OK .*held by host2/s);
  });
});
