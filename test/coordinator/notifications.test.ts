// `notifications` of groups.yaml: what is wrong with one receiver is named, stops no other, and takes no address away.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { checkConfig } from '../../coordinator/core/config-check.ts';
import { collectGroups } from '../../coordinator/core/groups.ts';
import { concernsReceiver } from '../../coordinator/core/notice-shapes.ts';
import type { Notice } from '../../coordinator/core/notices.ts';
import { config, service, snapshot } from './world.ts';

const read = (text: string, services = [] as Parameters<typeof snapshot>[1]) =>
  collectGroups(snapshot([], services, [config(`groups: { web: { addresses: [10.0.0.100] } }\n${text}`)]));
const of = (entry: string) =>
  read(`notifications:\n  pager: ${entry}\n  other: { chat: { url: "https://chat" } }\n`);

describe('notifications of groups.yaml', () => {
  it('are read as the example has them', () => {
    const text = readFileSync(
      new URL('../../coordinator/schema/groups.example.yaml', import.meta.url),
      'utf8',
    );
    const { receivers } = collectGroups(snapshot([], [], [config(text)]));
    assert.deepEqual(
      receivers.map(({ name, way }) => `${name} ${way}`),
      ['pager webhook', 'alerts alertmanager', 'room chat', 'db-admins smtp'],
    );
    const [pager, , , mail] = receivers;
    assert.deepEqual(pager, {
      ...{ name: 'pager', groups: undefined, events: ['no-holder', 'two-holders'] },
      ...{ way: 'webhook', target: { secret: 'pager-url' }, signingSecret: 'pager-key' },
    });
    assert.ok(mail?.way === 'smtp');
    assert.deepEqual(
      [mail.host, mail.port, mail.tls, mail.groups],
      ['mail.example.org', 587, 'required', ['db']],
    );
  });

  it('that cannot be used are named with line and remedy; the others are told, the groups served', () => {
    const bad: [entry: string, code: string, words: RegExp][] = [
      ['{}', 'notification-invalid', /expected exactly one of webhook, alertmanager, chat, smtp, found none/],
      [
        '{ chat: { url: "http://a" }, smtp: { server: a, from: a@b, to: [c@d] } }',
        'notification-invalid',
        /found chat and smtp/,
      ],
      ['{ chat: {} }', 'notification-invalid', /either url or url_file/],
      ['{ chat: { url: "http://a", url_file: b } }', 'notification-invalid', /either url or url_file/],
      ['{ chat: { url: "ftp://t0ken" } }', 'value-invalid', /begins with http/],
      ['{ webhook: { url_file: ../../etc/passwd } }', 'value-invalid', /name of a Docker secret/],
      ['{ smtp: { server: "a b", from: a@b, to: [c@d] } }', 'value-invalid', /HOST:PORT/],
      [
        '{ smtp: { server: a, from: a@b, to: ["c@d\\r\\nBcc: x@y"] } }',
        'value-invalid',
        /an address such as/,
      ],
      [
        '{ smtp: { server: a, from: a@b, to: [c@d], user: u } }',
        'notification-invalid',
        /user and password_file together/,
      ],
      ['{ slack: { url: "http://t0ken" } }', 'key-unknown', /expected one of webhook, alertmanager, chat/],
      ['17', 'value-invalid', /map of keys/],
    ];
    for (const [entry, code, words] of bad) {
      const { receivers, problems, groups } = of(entry);
      assert.deepEqual(
        receivers.map(({ name }) => name),
        ['other'],
        entry,
      );
      assert.equal(groups.length, 1, entry);
      const found =
        problems.find((each) => each.code === code) ?? assert.fail(`${entry}: ${JSON.stringify(problems)}`);
      assert.match(found.message, words);
      assert.match(found.where, /^config groups-1, line 3, column \d+, notifications\.pager/);
      assert.ok(!JSON.stringify(problems).includes('t0ken'), JSON.stringify(problems));
    }
  });

  it('with a wrong filter are told of all rather than of nothing', () => {
    const { receivers, problems } = of('{ chat: { url: "http://a" }, events: [no-holders], groups: web }');
    assert.deepEqual(
      receivers.map(({ name, events, groups }) => [name, events, groups]),
      [
        ['pager', undefined, undefined],
        ['other', undefined, undefined],
      ],
    );
    assert.deepEqual(
      problems.map(({ severity }) => severity),
      ['error', 'error', 'error'],
    );
  });

  it('for a group that nobody defines are a warning; for one of a service they are not', () => {
    const entry = 'notifications: { a: { chat: { url: "http://a" }, groups: [shop-db, wbe-shop] } }';
    const { problems } = read(entry, [
      service({ KEEPALIVED_GROUP: 'shop-db', KEEPALIVED_VIRTUAL_IPS: '10.0.0.101' }),
    ]);
    assert.deepEqual(
      problems.map(({ code, value, message }) => [code, value, message]),
      [['notification-group-unknown', 'wbe-shop', 'nobody defines this group']],
    );
  });

  it('alone need groups: {} beside them, which the check says', () => {
    const { usable, problems } = checkConfig('notifications: { a: { chat: { url: "http://a" } } }');
    assert.deepEqual([usable, problems[0]?.remedy], [false, 'write groups: {} to define none']);
    assert.ok(checkConfig('groups: {}\nnotifications: { a: { chat: { url: "http://a" } } }').usable);
  });

  it('concern a receiver by group and kind; what concerns no group concerns all', () => {
    const [pager] = of('{ chat: { url: "http://a" }, groups: [web], events: [problem, holder] }').receivers;
    assert.ok(pager);
    const concerns = (kind: Notice['kind'], group: string | null) =>
      concernsReceiver(pager, { kind, group } as Notice);
    assert.deepEqual(
      [
        concerns('holder', 'web'),
        concerns('holder', 'db'),
        concerns('problem', null),
        concerns('drained', 'web'),
      ],
      [true, false, true, false],
    );
  });
});
