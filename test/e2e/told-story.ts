// What receivers and the public see of a life in a lab: every take-over is told, and no secret is said anywhere.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import type { TestContext } from 'node:test';
import type { HistoryDocument } from '../../coordinator/core/history.ts';
import type { Status } from '../../coordinator/core/status.ts';
import { cli, three } from '../demo/stage.ts';
import type { Lab } from '../lab/lab.ts';
import { hostAddress } from '../lab/names.ts';
import { until } from '../lab/run.ts';
import { outputsOf } from './outputs.ts';
import type { Told } from './told.ts';

interface Story {
  lab: Lab;
  told: Told;
  seen(what: string, holds: (status: Status) => boolean): Promise<Status>;
}

/** Everything since then, over whatever has happened in the lab meanwhile. */
export async function everybodyIsTold(
  { lab, told, wait, seen, sinceMs }: Story & { wait: Parameters<typeof until>[2]; sinceMs: number },
  t: TestContext,
): Promise<void> {
  const { stdout } = await cli(lab, ['history', '--limit', '1000', '-o', 'json']);
  const switches = (JSON.parse(stdout) as HistoryDocument).switches.filter(({ atMs }) => atMs > sinceMs);
  const taken = () => told.heard().filter(({ status }) => status === 200);
  const hooks = () =>
    taken().flatMap(({ path, body }) => (path?.startsWith('/hook/') ? [JSON.parse(body ?? '')] : []));
  const missing = () =>
    switches.filter(
      ({ group, atMs, to }) =>
        !hooks().some(
          (each) =>
            each.event === 'holder' &&
            each.group === group &&
            each.node === to.hostname &&
            Date.parse(each.at) === atMs,
        ),
    );
  await until(
    () => `every take-over to be told: ${JSON.stringify({ missing: missing(), told: hooks() })}`,
    () => missing().length === 0 || undefined,
    wait,
  );
  assert.ok(switches.length >= 4, stdout);
  const said = (event: string, phase: string, group: string | null) =>
    hooks().some((each) => each.event === event && each.phase === phase && each.group === group);
  for (const phase of ['began', 'ended'])
    for (const [event, group] of [
      ['drained', 'main'],
      ['no-holder', 'taken'],
    ] as const)
      await until(`${event} ${phase}`, () => said(event, phase, group) || undefined, wait);
  const reasons = hooks().map(({ summary }) => summary);
  const moved = /main is held by node[23], after node1: node1 drained: watched/;
  assert.ok(
    reasons.some((words) => moved.test(words)),
    reasons.join('\n'),
  );
  for (const { headers, body, path } of taken().filter((each) => each.path?.startsWith('/hook/'))) {
    const signed = `${headers?.['webhook-id']}.${headers?.['webhook-timestamp']}.${body}`;
    const mark = createHmac('sha256', told.planted.key).update(signed).digest('base64');
    assert.deepEqual([headers?.['webhook-signature'], path], [`v1,${mark}`, `/hook/${told.planted.hook}`]);
  }
  const refused = told.heard().filter(({ status }) => status === 503).length;
  const ids = hooks().map(({ id }) => id);
  t.diagnostic(
    `${ids.length} events, ${ids.length - new Set(ids).size} twice, ${refused} refusals on the way`,
  );
  assert.ok(refused > 0);
  // One that dies between a delivery and the word of it is repeated under the same id.
  assert.ok(ids.length - new Set(ids).size <= 2, ids.join());
  const chat = taken().filter(({ path }) => path === `/chat/${told.planted.chat}`);
  const mails = told.heard().flatMap(({ mail }) => mail ?? []);
  for (const { group, to } of switches.filter((each) => each.group === 'main')) {
    const words = `${group} is held by ${to.hostname}`;
    assert.ok(
      chat.some(({ body }) => body?.includes(words)),
      words,
    );
    assert.ok(
      mails.some((mail) => mail.includes(words)),
      words,
    );
  }
  assert.ok(mails.every((mail) => !mail.includes('taken')));
  assert.equal(told.heard().find(({ login }) => login)?.password, told.planted.mail);
  await seen('the one that nobody answers for', ({ problems }) =>
    problems.some(
      ({ code, where }) => code === 'notification-failing' && where.endsWith('notifications.clear'),
    ),
  );
}

const sealedHost = 111;
const ghostHost = 112;

/** @param define puts groups into force, beside the receivers */
export async function noSecretIsSaid(
  { lab, told, seen, define }: Story & { define(groups: object): Promise<void> },
  t: TestContext,
): Promise<void> {
  const { planted } = told;
  const manager = await lab.manager();
  const env = { KEEPALIVED_GROUP: 'ghost', KEEPALIVED_VIRTUAL_IPS: hostAddress(lab.names, ghostHost) };
  await lab.docker(manager, [
    ...['service', 'create', '--detach', '--no-resolve-image', '--replicas', '0', '--name', 'ghost'],
    ...['--label', 'swarm-vip.role=coordinator'],
    ...Object.entries({ ...env, KEEPALIVED_PASSWORD: `${planted.env}-and-more` }).flatMap((each) => [
      '--env',
      each.join('='),
    ]),
    'unused',
  ]);
  const address = hostAddress(lab.names, sealedHost);
  await define({ sealed: told.sealed(address) });
  const status = await seen('the group with the password to be held', ({ groups, problems }) => {
    const sealed = groups.find(({ name }) => name === 'sealed');
    const failing = sealed?.members.every(({ checks }) => checks[0]?.up === false);
    return (
      sealed?.holders.length === 1 && failing === true && problems.some(({ code }) => code === 'password-cut')
    );
  });
  const holder = status.groups.find(({ name }) => name === 'sealed')?.holders[0]?.hostname ?? '';
  const inside = async (node: string, service: string, file: string) => {
    const filter = `label=com.docker.swarm.service.name=${service}`;
    const [container = ''] = (await lab.docker(node, ['ps', '-q', '-f', filter])).stdout.trim().split('\n');
    return (await lab.exec(node, ['docker', 'exec', container, 'cat', file])).stdout.trim();
  };
  const conf = await inside(holder, 'swarm-vip_agent', '/run/swarm-vip/keepalived.conf');
  // It is in use, so the search would find it.
  assert.ok(conf.includes(planted.vrrp), 'the password is not in keepalived.conf');
  const psk = await inside(manager, 'swarm-vip_coordinator', '/run/secrets/swarm-vip-key');
  const clear = told.text(lab, {
    sealed: {
      addresses: [address],
      auth: { password: planted.vrrp },
      checks: [{ http: { url: `http://u:${planted.clear}@127.0.0.1/` } }],
    },
    bad: { addresses: [address], auth: { password: [planted.clear] }, chekcs: 1 },
  });
  const outputs = await outputsOf(lab, three, clear);
  const found = [...outputs].flatMap(([where, text]) =>
    Object.entries({ ...planted, psk })
      .filter(([, secret]) => text.includes(secret))
      .map(([what]) => `${what} in ${where}`),
  );
  assert.deepEqual(found, []);
  const silent = [...outputs].filter(([, text]) => text.trim() === '').map(([where]) => where);
  assert.deepEqual(silent, []);
  t.diagnostic(`${outputs.size} outputs, ${[...outputs.values()].join('').length} characters`);
  for (const [where, text] of outputs)
    if (
      /^(log of swarm-vip_agent|swarm-vip (status|groups|nodes|history|events)|.*api\/v1\/(status|history|overview))/.test(
        where,
      )
    )
      assert.ok(/sealed|main/.test(text), `${where} speaks of no group`);
  await lab.docker(manager, ['service', 'rm', 'ghost']);
}
