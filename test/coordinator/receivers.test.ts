// Telling real receivers: an HTTP server, Debian's Alertmanager, an SMTP server; and what of their failures is said.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import type { Notice } from '../../coordinator/core/notices.ts';
import type { Receiver } from '../../coordinator/core/notifications.ts';
import { createDelivery, DeliveryError } from '../../coordinator/io/receivers.ts';
import { until } from '../lab/run.ts';

const notice = (more: Partial<Notice> = {}): Notice => ({
  ...{ id: 'no-holder-abc-began-1', key: 'no-holder web', kind: 'no-holder', phase: 'began' },
  ...{
    severity: 'critical',
    atMs: Date.parse('2026-01-02T03:04:05Z'),
    sinceMs: Date.parse('2026-01-02T03:04:05Z'),
  },
  ...{ group: 'web', node: null, summary: 'nobody holds web; <host1>: gone & off', remedy: 'look there' },
  ...more,
});
const common = { name: 'pager', groups: undefined, events: undefined };
const folder = mkdtempSync(join(tmpdir(), 'receivers-'));
const secret = (name: string, text: string) => writeFileSync(join(folder, name), `${text}\n`);
const delivery = createDelivery(folder);
after(() => rmSync(folder, { recursive: true }));
const failure = async (receiver: Receiver): Promise<DeliveryError> => {
  try {
    await delivery.deliver(receiver, [notice()], Date.now());
  } catch (error) {
    assert.ok(error instanceof DeliveryError, String(error));
    return error;
  }
  assert.fail('it was delivered');
};

describe('a receiver by HTTP', { timeout: 30_000 }, () => {
  const heard: { path: string; headers: IncomingHttpHeaders; body: string }[] = [];
  let answer = 200;
  let server: Server;
  let base = '';
  before(async () => {
    server = createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += String(chunk);
      heard.push({ path: request.url ?? '', headers: request.headers, body });
      response.writeHead(answer, { location: '/elsewhere' }).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    secret('hook-url', `${base}/t0ken-in-the-path`);
    secret('hook-key', 'whsec_c2VjcmV0LWtleQ==');
  });
  after(() => {
    server.close();
  });
  const hook: Receiver = {
    ...common,
    way: 'webhook',
    target: { secret: 'hook-url' },
    signingSecret: 'hook-key',
  };
  const last = () => heard.at(-1) ?? assert.fail('nothing was heard');

  it('gets one event, signed over id, time and body as Standard Webhooks say, and can tell by the id that it is the same', async () => {
    for (const _ of [1, 2]) await delivery.deliver(hook, [notice()], 1_700_000_000_000);
    const [first, second] = heard;
    assert.deepEqual(first?.headers['webhook-id'], second?.headers['webhook-id']);
    const { headers, body, path } = last();
    const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
    const mark = createHmac('sha256', 'secret-key').update(signed).digest('base64');
    assert.deepEqual(
      [headers['webhook-signature'], headers['webhook-timestamp']],
      [`v1,${mark}`, '1700000000'],
    );
    assert.equal(path, '/t0ken-in-the-path');
    assert.deepEqual(JSON.parse(body), {
      ...{ apiVersion: 'swarm-vip/v1', kind: 'Notice', id: 'no-holder-abc-began-1', event: 'no-holder' },
      ...{
        at: '2026-01-02T03:04:05.000Z',
        since: '2026-01-02T03:04:05.000Z',
        phase: 'began',
        severity: 'critical',
      },
      ...{ group: 'web', node: null, summary: 'nobody holds web; <host1>: gone & off', remedy: 'look there' },
    });
  });

  it('of a chat gets one text for several, that cannot be markup', async () => {
    const chat: Receiver = { ...common, way: 'chat', target: { url: `${base}/chat` } };
    await delivery.deliver(
      chat,
      [notice(), notice({ phase: 'ended', atMs: Date.parse('2026-01-02T03:09:05Z') })],
      0,
    );
    assert.deepEqual(JSON.parse(last().body), {
      text: [
        '🔴 CRITICAL: nobody holds web; &lt;host1&gt;: gone &amp; off',
        'Do: look there',
        '🟢 OVER after 5 min: nobody holds web; &lt;host1&gt;: gone &amp; off',
      ].join('\n'),
    });
  });

  it('of a chat reads once what concerns several groups in the same words', async () => {
    const chat: Receiver = { ...common, way: 'chat', target: { url: `${base}/chat` } };
    const both = ['web', 'db'].map((group) =>
      notice({ group, summary: 'label: 999', severity: 'warning', remedy: null }),
    );
    await delivery.deliver(chat, [...both, notice({ group: null, summary: 'another', remedy: null })], 0);
    assert.deepEqual(JSON.parse(last().body), {
      text: '🟡 WARNING: label: 999 (concerns web, db)\n🔴 CRITICAL: another',
    });
  });

  it('that fails is tried again, that refuses is not; no redirect is followed, and no URL is said', async () => {
    for (const [code, final] of [
      [503, false],
      [429, false],
      [404, true],
      [302, true],
    ] as const) {
      answer = code;
      const { message, final: said } = await failure(hook);
      assert.deepEqual([message, said], [`it answers HTTP ${code}`, final]);
      assert.equal(last().path, '/t0ken-in-the-path');
    }
    answer = 200;
    const unheard = { ...hook, target: { url: 'http://user:pa55@127.0.0.1:1/t0ken' } };
    const missing = { ...hook, target: { secret: 'nowhere' } };
    secret('no-url', 'pa55 is no URL');
    const wrong = { ...hook, target: { secret: 'no-url' } };
    const words = await Promise.all([unheard, missing, wrong].map(failure));
    assert.deepEqual(
      words.map(({ message, final }) => [message, final]),
      [
        ['ECONNREFUSED', false],
        ['the coordinator service mounts no secret nowhere (ENOENT)', false],
        ['expected a URL in the secret, found another text', false],
      ],
    );
  });

  it('of Debian’s Alertmanager has an alert that begins, goes on and ends under the same labels', async () => {
    const port = 21_000 + (process.pid % 10_000);
    writeFileSync(join(folder, 'am.yml'), 'route: { receiver: none }\nreceivers: [{ name: none }]\n');
    const options = {
      'config.file': join(folder, 'am.yml'),
      'storage.path': join(folder, 'am'),
      'web.listen-address': `127.0.0.1:${port}`,
      'cluster.listen-address': '',
    };
    const child = spawn(
      'prometheus-alertmanager',
      Object.entries(options).map(([name, value]) => `--${name}=${value}`),
      { stdio: 'ignore' },
    );
    try {
      const alertmanager: Receiver = {
        ...common,
        way: 'alertmanager',
        target: { url: `http://127.0.0.1:${port}/` },
      };
      const nowMs = Date.now();
      const began = notice({ atMs: nowMs - 60_000, sinceMs: nowMs - 60_000 });
      const alerts = async () =>
        (await fetch(`http://127.0.0.1:${port}/api/v2/alerts`).then((each) => each.json())) as {
          labels: object;
          annotations: object;
          endsAt: string;
        }[];
      await until(
        'Alertmanager',
        () =>
          delivery
            .deliver(alertmanager, [began, notice({ kind: 'problem', key: 'problem a\0b' })], nowMs)
            .then(
              () => true,
              () => undefined,
            ),
        { timeoutMs: 15_000, everyMs: 100 },
      );
      const found = await alerts();
      assert.equal(found.length, 2);
      const one = found.find(
        ({ labels }) => 'alertname' in labels && labels.alertname === 'SwarmVipNoHolder',
      );
      assert.deepEqual(one?.labels, { alertname: 'SwarmVipNoHolder', severity: 'critical', group: 'web' });
      assert.deepEqual(one?.annotations, { summary: began.summary, description: 'look there' });
      assert.ok(Date.parse(one?.endsAt ?? '') > nowMs + 60_000);
      await delivery.deliver(alertmanager, [{ ...began, phase: 'ended', atMs: nowMs }], nowMs);
      assert.equal((await alerts()).length, 1);
    } finally {
      child.kill();
    }
  });
});

describe('a receiver by mail', { timeout: 30_000 }, () => {
  const mails: { text: string; from: string; to: string[]; user: unknown; secure: boolean }[] = [];
  async function sink<T>(options: SMTPServerOptions, act: (port: number) => Promise<T>): Promise<T> {
    mails.length = 0;
    const server = new SMTPServer({
      ...options,
      onAuth: ({ username, password }, _, done) =>
        done(password === 'geheim' ? null : new Error('no'), { user: username }),
      onRcptTo: ({ address }, _, done) =>
        done(
          address.startsWith('nobody') ? Object.assign(new Error('unknown'), { responseCode: 550 }) : null,
        ),
      onData(stream, { envelope, user, secure }, done) {
        let text = '';
        stream.on('data', (chunk) => {
          text += String(chunk);
        });
        stream.on('end', () => {
          const from = envelope.mailFrom === false ? '' : envelope.mailFrom.address;
          mails.push({ text, from, to: envelope.rcptTo.map(({ address }) => address), user, secure });
          done();
        });
      },
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      return await act((server.server.address() as AddressInfo).port);
    } finally {
      server.close();
    }
  }
  type Smtp = Extract<Receiver, { way: 'smtp' }>;
  const mail = (port: number, more: Partial<Smtp> = {}): Smtp => ({
    ...common,
    ...{
      way: 'smtp',
      host: '127.0.0.1',
      port,
      from: 'vip@example.org',
      to: ['ops@example.org', 'b@example.org'],
    },
    ...{ user: undefined, passwordSecret: undefined, tls: 'offered' },
    ...more,
  });

  it('gets one mail for several, encrypted where that is offered, that programs know by its id', async () => {
    await sink({ authOptional: true }, (port) =>
      delivery.deliver(
        mail(port),
        [notice({ kind: 'drained', severity: 'info', summary: 'another' }), notice()],
        0,
      ),
    );
    const [first] = mails;
    assert.deepEqual(
      [first?.from, first?.to, first?.secure, mails.length],
      ['vip@example.org', ['ops@example.org', 'b@example.org'], true, 1],
    );
    assert.match(
      first?.text ?? '',
      /^Subject: \[swarm-vip\] CRITICAL: nobody holds web.* \(and 1\r\n more\)\r$/m,
    );
    assert.match(first?.text ?? '', /^Message-ID: <no-holder-abc-began-1@swarm-vip>\r$/m);
    assert.match(first?.text ?? '', /^Auto-Submitted: auto-generated\r$/m);
    assert.match(first?.text ?? '', /^remedy {3}look there\r$/m);
  });

  it('in clear, where nothing else is asked', async () => {
    await sink({ authOptional: true, disabledCommands: ['STARTTLS'] }, (port) =>
      delivery.deliver(mail(port), [notice()], 0),
    );
    assert.deepEqual([mails.length, mails[0]?.secure], [1, false]);
  });

  it('with a password is given it by a secret, never in clear, and never in the words of a failure', async () => {
    secret('mail-password', 'geheim');
    secret('wrong-password', 'pa55');
    const login = { user: 'vip', passwordSecret: 'mail-password' };
    await sink({ allowInsecureAuth: true }, (port) =>
      delivery.deliver(mail(port, { ...login, tls: 'none' }), [notice()], 0),
    );
    assert.equal(mails[0]?.user, 'vip');
    const wrong = await sink({ allowInsecureAuth: true }, (port) =>
      failure(mail(port, { ...login, passwordSecret: 'wrong-password', tls: 'none' })),
    );
    assert.deepEqual([wrong.message, wrong.final], ['mail: EAUTH 535', false]);
    // A certificate of the server's own making proves nothing; without one at all the password stays here, too.
    const stranger = await sink({}, (port) => failure(mail(port, { ...login, tls: 'required' })));
    const bare = await sink({ disabledCommands: ['STARTTLS'], allowInsecureAuth: true }, (port) =>
      failure(mail(port, { ...login, tls: 'required' })),
    );
    for (const { message } of [stranger, bare]) assert.match(message, /^mail: E[A-Z]+/);
    assert.equal(mails.length, 0);
  });

  it('that nobody has is refused for good', async () => {
    const { message, final } = await sink({ authOptional: true }, (port) =>
      failure(mail(port, { to: ['nobody@example.org'] })),
    );
    assert.deepEqual([message, final], ['mail: EENVELOPE 550', true]);
  });
});
