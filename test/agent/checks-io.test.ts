// Checks against real servers, sockets and processes, misbehaving ones above all: a run ends within its time, says why,
// and leaves nothing behind.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createHttpProbe } from '../../agent/io/checks/http.ts';
import type { Outcome } from '../../agent/io/checks/outcome.ts';
import { createScriptProbe } from '../../agent/io/checks/script.ts';
import { createTcpProbe } from '../../agent/io/checks/tcp.ts';
import { startTimetable } from '../../agent/io/checks/timetable.ts';
import type { CheckOf, Script } from '../../shared/checks.ts';
import { until } from './bench.ts';

const fixtures = new URL('fixtures', import.meta.url).pathname;
const searchPath = '/usr/sbin:/usr/bin:/sbin:/bin';
const common = {
  name: 'x',
  timing: { intervalMs: 1000, jitterMs: 0 },
  timeoutMs: 600,
  rise: 1,
  fall: 1,
} as const;

/** Processes whose command line has this text. */
const alive = (text: string) =>
  readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ').includes(text);
    } catch (error) {
      if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
      throw error;
    }
  });

describe('a script check', () => {
  const script = (file: string, more: Partial<Script> = {}, timeoutMs = 600) =>
    createScriptProbe({ file, ...more }, { directory: fixtures, searchPath }, timeoutMs, () => ({
      SWARM_VIP_GROUP: 'web',
      SWARM_VIP_STATE: 'BACKUP',
    }));
  const timed = async (probe: () => Promise<Outcome>) => {
    const beganMs = performance.now();
    return { ...(await probe()), tookMs: performance.now() - beganMs };
  };

  it('passes with exit code 0, knows group, state and arguments, and nothing of the agent', async () => {
    process.env['SECRET'] = 'key';
    const { passed, output } = await script('passes', { args: ['a b', '$(id)', '-c'] })();
    assert.deepEqual(
      [passed, output.trim()],
      [true, 'all is well, web BACKUP no home no secret a b $(id) -c'],
    );
  });

  it('fails with any other exit code, and its words say why', async () => {
    const { passed, output, fault } = await script('fails')();
    assert.deepEqual(
      [passed, output.trim(), fault],
      [false, 'exit code 3: replication is 90 s behind', undefined],
    );
  });

  it('that hangs is killed when its time is up, however it resists', async () => {
    const { passed, output, tookMs } = await timed(script('hangs'));
    assert.equal(passed, false);
    assert.match(output, /no end within 600 ms, killed: still thinking/);
    assert.ok(tookMs < 3000, `${tookMs} ms`);
    await until('it is gone', () => alive(`${fixtures}/hangs`).length === 0);
  });

  it('that leaves a child behind ends with it', async () => {
    const { passed, output, tookMs } = await timed(script('forks', {}, 5000));
    assert.deepEqual([passed, output.trim()], [true, 'ended before its child']);
    assert.ok(tookMs < 3000, `${tookMs} ms`);
    await until('the child is gone', () => alive('sleep 3613').length === 0);
  });

  it('that becomes a daemon in another session is found and ended', async () => {
    const { passed } = await script('daemonises', {}, 5000)();
    assert.equal(passed, true);
    await until('the daemon is gone', () => alive('sleep 3617').length === 0);
  });

  it('cannot find a daemon that has thrown the mark away, and is not held up by its open pipe', async () => {
    const { passed, output, tookMs } = await timed(script('escapes', {}, 5000));
    assert.deepEqual([passed, output.trim()], [true, 'a pipe is left open']);
    assert.ok(tookMs < 3000, `${tookMs} ms`);
    assert.equal(alive('sleep 6.13').length, 1, 'the control: what finds the others is the mark');
  });

  it('that writes for ever neither blocks nor grows anything, and is ended', async () => {
    const before = process.memoryUsage().rss;
    const { passed, output } = await script('floods', {}, 30_000)();
    assert.deepEqual([passed, output], [false, 'wrote more than 16 MiB, killed']);
    assert.ok(process.memoryUsage().rss - before < 80e6, `${process.memoryUsage().rss - before} bytes`);
    await until('it is gone', () => alive('written again and again').length === 0);
  });

  it('that writes much passes, and its last words are kept', async () => {
    const { passed, output } = await script('talks', {}, 10_000)();
    assert.equal(passed, true);
    assert.ok(output.length <= 2048 && output.includes('the last words'), output.slice(-60));
  });

  it('that forks and forks is ended as a whole', async () => {
    assert.equal((await script('fork-storm')()).passed, false);
    await until('all are gone', () => alive('sleep 3623').length === 0);
  });

  it('that is missing, or cannot be run, is a problem of its own with its remedy', async () => {
    const faults: Record<string, [code: string, words: RegExp, remedy: RegExp]> = {
      nothing: ['check-script-missing', /no file .*\/nothing/, /mode 0555/],
      'not-executable': ['check-not-executable', /cannot be executed/, /shell: true/],
      'no-interpreter': ['check-interpreter-missing', /needs \/opt\/python9\/bin\/python9/, /README/],
      'no-interpreter-by-env': ['check-interpreter-missing', /needs python9/, /README/],
      'no-line': ['check-interpreter-missing', /no interpreter line/, /#!\/bin\/sh/],
    };
    for (const [file, [code, words, remedy]] of Object.entries(faults)) {
      const { passed, fault } = await script(file)();
      assert.deepEqual([file, passed, fault?.code], [file, false, code]);
      assert.match(fault?.message ?? '', words);
      assert.match(fault?.remedy ?? '', remedy);
    }
  });

  it('that is just being written to fails in words, and ends nobody', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'checks-busy-'));
    const path = join(directory, 'busy');
    writeFileSync(path, '#!/bin/sh\nexit 0\n', { mode: 0o755 });
    const probe = createScriptProbe({ file: 'busy' }, { directory, searchPath }, 600, () => ({}));
    const writing = openSync(path, 'r+');
    assert.deepEqual(await probe(), { passed: false, output: 'cannot be started: spawn ETXTBSY' });
    closeSync(writing);
    assert.equal((await probe()).passed, true);
    rmSync(directory, { recursive: true });
  });

  it('that the agent may run but not read is left to the kernel, and ends nobody', () => {
    const directory = mkdtempSync(join(tmpdir(), 'checks-unread-'));
    chmodSync(directory, 0o755);
    const path = join(directory, 'unread');
    writeFileSync(path, '#!/bin/sh\nexit 0\n', { mode: 0o711 });
    chownSync(path, 12_345, 12_345);
    const code = `
      const { createScriptProbe } = await import(${JSON.stringify(new URL('../../agent/io/checks/script.ts', import.meta.url).href)});
      const place = { directory: ${JSON.stringify(directory)}, searchPath: '${searchPath}' };
      console.log(JSON.stringify(await createScriptProbe({ file: 'unread' }, place, 5000, () => ({}))()));`;
    // As in the container: root, but without the right to read everything.
    const node = [process.execPath, '--import', 'tsx', '--input-type=module', '-e', code];
    const said = execFileSync('setpriv', ['--bounding-set=-all', '--', ...node], { encoding: 'utf8' });
    const { passed, output } = JSON.parse(said) as Outcome;
    assert.equal(passed, false);
    assert.match(output, /^exit code \d+: .*unread: Permission denied/);
    rmSync(directory, { recursive: true });
  });

  it('uses a shell when it is asked for one, and only then', async () => {
    assert.equal((await script('needs-shell')()).fault?.code, 'check-not-executable');
    const { passed, output } = await script('needs-shell', { shell: true, args: ['$(id)'] })();
    assert.deepEqual([passed, output.trim()], [true, 'by a shell: $(id)']);
  });
});

const portOf = (server: Server) => (server.address() as AddressInfo).port;
const listen = (server: Server) =>
  new Promise<number>((resolve) => server.listen(0, '127.0.0.1', () => resolve(portOf(server))));

describe('a TCP check', () => {
  const servers: Server[] = [];
  const sockets: Socket[] = [];
  after(() => {
    for (const socket of sockets) socket.destroy();
    for (const server of servers) server.close();
  });
  const serve = (onSocket: (socket: Socket) => void) => {
    const server = createTcpServer((socket) => {
      socket.on('error', () => socket.destroy());
      sockets.push(socket);
      onSocket(socket);
    });
    servers.push(server);
    return listen(server);
  };
  const check = (port: number, more: Partial<CheckOf<'tcp'>> = {}) =>
    createTcpProbe({ kind: 'tcp', host: '127.0.0.1', port, ...common, ...more })();

  it('passes when it is connected, or when the expected text is answered', async () => {
    const port = await serve((socket) => socket.on('data', (data) => socket.write(`got ${data}: PÖNG`)));
    assert.equal((await check(port)).passed, true);
    assert.equal((await check(port, { send: 'PING\r\n', expect: 'PÖNG' })).passed, true);
    const other = await check(port, { send: 'PING', expect: 'nothing' });
    assert.deepEqual(
      [other.passed, /bytes of answer without "nothing" within 600 ms/.test(other.output)],
      [false, true],
    );
  });

  it('fails where nobody listens, says so, and where the other side closes or only listens', async () => {
    const server = createTcpServer();
    const port = await listen(server);
    await new Promise((resolve) => server.close(resolve));
    assert.match((await check(port)).output, /ECONNREFUSED/);
    const closing = await serve((socket) => socket.end());
    assert.match((await check(closing, { expect: 'x' })).output, /connection closed/);
    const mute = await serve(() => undefined);
    assert.equal((await check(mute)).passed, true);
    assert.equal((await check(mute, { expect: 'x' })).passed, false);
  });

  it('is not filled up by one that answers for ever', async () => {
    const port = await serve((socket) => {
      const write = () => socket.write(Buffer.alloc(16_384), () => !socket.destroyed && write());
      write();
    });
    const { passed, output } = await check(port, { expect: 'x', timeoutMs: 5000 });
    assert.deepEqual([passed, /without "x"/.test(output)], [false, true]);
  });
});

describe('an HTTP check', () => {
  const directory = mkdtempSync(join(tmpdir(), 'checks-'));
  const listener: RequestListener = (request, response) => {
    const { url, method, headers } = request;
    if (url === '/ok')
      return response.end(`all is well for ${headers.host}, ${method}, ${headers['x-probe']}`);
    if (url === '/moved') return response.writeHead(302, { location: '/ok' }).end();
    if (url === '/drip') {
      response.write('a');
      return setInterval(() => response.write('a'), 50).unref();
    }
    if (url === '/endless') {
      const write = () => response.write(Buffer.alloc(16_384, 97), () => !response.destroyed && write());
      return write();
    }
    if (url === '/cut') {
      response.writeHead(200, { 'content-length': 100 }).write('half');
      return setTimeout(() => request.socket.destroy(), 30);
    }
    return response.writeHead(503).end('database down');
  };
  const plain = createServer(listener);
  let base = '';
  let tls: ReturnType<typeof createTlsServer>;
  before(async () => {
    base = `http://127.0.0.1:${await listen(plain)}`;
    const [key, cert] = [join(directory, 'key.pem'), join(directory, 'ca.pem')];
    execFileSync(
      'openssl',
      [
        ...[
          'req',
          '-x509',
          '-newkey',
          'ec',
          '-pkeyopt',
          'ec_paramgen_curve:prime256v1',
          '-nodes',
          '-days',
          '2',
        ],
        ...['-subj', '/CN=www.example.org', '-addext', 'subjectAltName=DNS:www.example.org'],
        ...['-keyout', key, '-out', cert],
      ],
      { stdio: 'ignore' },
    );
    tls = createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) }, listener);
    await listen(tls);
  });
  after(() => {
    plain.closeAllConnections();
    plain.close();
    tls.closeAllConnections();
    tls.close();
    rmSync(directory, { recursive: true });
  });
  const check = (url: string, more: Partial<CheckOf<'http'>> = {}) =>
    createHttpProbe(
      { kind: 'http', url, method: 'GET', headers: {}, status: [[200, 299]], ...common, ...more },
      directory,
    )();

  it('passes by status, method, headers and text of the body', async () => {
    const more = { headers: { Host: 'example.org', 'X-Probe': 'yes' }, body: 'example.org, POST, yes' };
    assert.deepEqual(await check(`${base}/ok`, { method: 'POST', ...more }), {
      passed: true,
      output: 'HTTP 200',
    });
  });

  it('fails by another status, and follows nobody elsewhere', async () => {
    assert.deepEqual(await check(`${base}/bad`), { passed: false, output: 'HTTP 503, expected 200-299' });
    assert.deepEqual(await check(`${base}/moved`), { passed: false, output: 'HTTP 302, expected 200-299' });
    assert.equal(
      (
        await check(`${base}/moved`, {
          status: [
            [200, 200],
            [302, 302],
          ],
        })
      ).passed,
      true,
    );
  });

  it('fails by a body that lacks the text, breaks off, or never ends', async () => {
    assert.match(
      (await check(`${base}/ok`, { body: 'replica' })).output,
      /"replica" is not in the first \d+ bytes/,
    );
    assert.match((await check(`${base}/cut`)).output, /HTTP 200, then/);
    assert.match((await check(`${base}/drip`, { body: 'z' })).output, /no answer within 600 ms/);
    assert.match((await check(`${base}/endless`, { body: 'z', timeoutMs: 5000 })).output, /"z" is not in/);
  });

  it('fails where nobody listens, and where somebody listens and does not answer', async () => {
    const held: Socket[] = [];
    const mute = createTcpServer((socket) => held.push(socket));
    const port = await listen(mute);
    assert.match((await check(`http://127.0.0.1:${port}/`)).output, /no answer within 600 ms/);
    for (const socket of held) socket.destroy();
    await new Promise((resolve) => mute.close(resolve));
    assert.match((await check(`http://127.0.0.1:${port}/`)).output, /ECONNREFUSED/);
  });

  it('with TLS believes the usual authorities, or those of a file, or anybody, as it is told', async () => {
    const url = `https://127.0.0.1:${portOf(tls)}/ok`;
    assert.match((await check(url)).output, /self-signed/);
    assert.equal(
      (await check(url, { tls: { caFile: 'ca.pem', serverName: 'www.example.org' } })).passed,
      true,
    );
    assert.match(
      (await check(url, { tls: { caFile: 'ca.pem', serverName: 'other.org' } })).output,
      /altnames/,
    );
    assert.equal((await check(url, { tls: { insecure: true } })).passed, true);
    assert.match((await check(url, { tls: { caFile: 'none.pem' } })).output, /ENOENT.*none\.pem/);
  });
});

describe('a timetable', () => {
  const deps = { now: () => performance.now(), random: () => 0 };
  it('runs at once, then from begin to begin, and never overlaps', async () => {
    const began: number[] = [];
    let running = 0;
    let most = 0;
    const timetable = startTimetable(
      { intervalMs: 100, jitterMs: 0 },
      async () => {
        began.push(performance.now());
        running += 1;
        most = Math.max(most, running);
        await sleep(began.length % 2 === 0 ? 250 : 1);
        running -= 1;
      },
      deps,
    );
    await until('six runs', () => began.length >= 6);
    timetable.stop();
    const gaps = began.slice(1).map((at, index) => at - (began[index] ?? 0));
    assert.equal(most, 1);
    // A timer may be a millisecond early.
    assert.ok(
      gaps.every((gap) => gap >= 98),
      gaps.join(' '),
    );
    const count = began.length;
    await sleep(300);
    assert.equal(began.length, count, 'it goes on after its end');
  });

  it('by cron runs at once and then when the clock says so', async () => {
    const began: number[] = [];
    const timetable = startTimetable(
      { schedule: '* * * * * *', jitterMs: 0 },
      async () => {
        began.push(Date.now());
      },
      deps,
    );
    assert.equal(began.length, 1);
    await until('three runs', () => began.length >= 3);
    timetable.stop();
    assert.ok(
      began.slice(1).every((at) => at % 1000 < 900),
      began.join(' '),
    );
    const count = began.length;
    await sleep(1300);
    assert.equal(began.length, count, 'it goes on after its end');
  });
});
