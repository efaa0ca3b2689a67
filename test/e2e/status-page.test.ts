// The status page in a browser inside the lab's network, while the lab is hurt: it must tell the truth by itself, on the
// active coordinator and on a standby. SCREENSHOTS=DIR keeps what it looked like.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { stringify } from 'yaml';
import { calm, cli, settled, statusOf } from '../demo/stage.ts';
import { firstsOf } from '../lab/containers.ts';
import { signalProcess, until } from '../lab/run.ts';
import { type PageBrowser, startBrowser, type WatchedPage } from '../page/browser.ts';
import { stageOf } from './on-stage.ts';

const wall = { width: 1280, height: 800 };
const phone = { width: 390, height: 844 };
const directory = process.env['SCREENSHOTS'];

describe('the status page on a real Swarm', { timeout: 10 * 60_000 }, () => {
  const stage = stageOf('page');
  const { lab } = stage;
  let browser: PageBrowser;
  /** On node1, the holder, which is to lose its power. */
  let first: WatchedPage;
  /** On a standby, which goes on. */
  let standby: WatchedPage;
  let standbyName = '';

  before(async () => {
    browser = await startBrowser((command) => lab.execCommand('client', command));
    const { coordinator } = await statusOf(lab);
    standbyName = coordinator.active?.hostname === 'node2' ? 'node3' : 'node2';
    first = await browser.open(urlOf('node1'), { viewport: wall });
    standby = await browser.open(urlOf(standbyName), { viewport: wall });
  });
  after(() => browser?.close());

  const urlOf = (name: string) => {
    const node = lab.nodes().find((each) => each.name === name);
    assert.ok(node, name);
    return `http://${node.address}:9167/`;
  };

  async function shows(watched: WatchedPage, word: string, timeout = 30_000): Promise<void> {
    await watched.page
      .locator('#verdict')
      .filter({ hasText: new RegExp(`^${word}$`) })
      .waitFor({ timeout })
      .catch(async (error: unknown) => {
        const found = await watched.page.locator('#banner').innerText();
        throw new Error(`expected the banner to say ${word}, found: ${found}`, { cause: error });
      });
  }

  const groupRow = (watched: WatchedPage) =>
    watched.page.locator('#groups-rows tr', { hasText: 'main' }).innerText();

  async function keep(name: string, watched = standby): Promise<void> {
    if (directory === undefined) return;
    mkdirSync(directory, { recursive: true });
    // What fits the screen first: some of it is gone after a second.
    await watched.page.screenshot({ path: `${directory}/${name}-top.png` });
    await watched.page.screenshot({ path: `${directory}/${name}.png`, fullPage: true });
  }

  async function keepPhone(name: string): Promise<void> {
    if (directory === undefined) return;
    const watched = await browser.open(urlOf(standbyName), {
      viewport: phone,
      colorScheme: 'dark',
      deviceScaleFactor: 2,
    });
    await watched.page.locator('#groups-rows tr').first().waitFor();
    await keep(name, watched);
    await watched.close();
  }

  it('says OK, names the holder, and is the same on a standby, which names the active coordinator', async () => {
    await shows(first, 'OK');
    await shows(standby, 'OK');
    for (const watched of [first, standby]) assert.match(await groupRow(watched), /node1[\s\S]*node2/);
    assert.match(await first.page.locator('#source').innerText(), /Told by node1, /);
    assert.match(await standby.page.locator('#source').innerText(), /a standby .*; node\d is active/);
    assert.equal(
      await first.page.locator('#grid').innerText(),
      await standby.page.locator('#grid').innerText(),
    );
    await keep('healthy');
    await keepPhone('phone');
  });

  it('changes banner and row by itself when the holder loses power, and says so where nobody answers', async () => {
    await lab.chaos('power-off', 'node1');
    await shows(standby, 'DEGRADED');
    await showsHolder('node2');
    assert.match(await standby.page.locator('#wrong-list').innerText(), /node1/);
    const old = standby.page.locator('#grid-rows tr.old');
    await old.waitFor();
    assert.match(await old.innerText(), /node1[\s\S]*not heard for \d+ s[\s\S]*UNKNOWN/);
    await keep('degraded');
    await keepPhone('phone-degraded');
    await shows(first, 'NO CONTACT');
    assert.match(await first.page.locator('#sentence').innerText(), /old: it was OK then/);
    assert.match(await first.page.title(), /^NO CONTACT/);
    assert.equal(await first.page.locator('body.stale').count(), 1);
    await keep('no-contact', first);
  });

  it('recovers by itself when the node is back, on both pages', async () => {
    await calm(stage);
    await shows(standby, 'OK');
    await shows(first, 'OK');
    await showsHolder('node1');
    const day = standby.page.locator('#day-groups');
    await day.locator('summary').click();
    // Where node2 waited a few milliseconds for its turn, node3 was first and node2 took over from it.
    assert.match(await day.innerText(), /node1 → node[23] [^\n]*fell silent/);
    await keep('recovered');
  });

  it('shows a real pair of holders', async () => {
    // One that is active would end it within two seconds, so it stands still; a standby hears every agent as well.
    const active = (await statusOf(lab)).coordinator.active?.hostname ?? '';
    const watched = active === standbyName ? first : standby;
    const coordinators = firstsOf(lab.names, active, 'coordinator');
    for (const pid of coordinators) signalProcess(pid, 'SIGSTOP');
    try {
      await lab.chaos('drop-vrrp', 'node1');
      await shows(watched, 'TWO HOLDERS', 10_000);
      await keep('two-holders', watched);
    } finally {
      for (const pid of coordinators) signalProcess(pid, 'SIGCONT');
    }
    await lab.chaos('restore-vrrp', 'node1');
    await settled(stage, 'node1');
    await shows(standby, 'OK');
  });

  it('shows that nobody holds when a check fails everywhere, with the check’s own words', async () => {
    const check = { tcp: { address: '127.0.0.1:5999' }, interval: '500ms', fall: 2 };
    await define('failing', [check]);
    await shows(standby, 'NO HOLDER');
    await until(
      'the words of the check',
      async () =>
        /refused/i.test(await standby.page.locator('#grid td.FAULT').first().innerText()) || undefined,
      { timeoutMs: 10_000 },
    );
    await keep('no-holder');
    await define('mended', []);
    await settled(stage, 'node1');
    // Not OK: the file and the environment define the same group.
    await shows(standby, 'DEGRADED');
    await showsHolder('node1');
  });

  it('shows who is drained, why and until when, as text and never as HTML', async () => {
    const reason = '<img src=x onerror=alert(1)> new disk';
    const { code, stderr } = await cli(lab, ['drain', '--yes', 'node3', '--reason', reason, '--for', '2h']);
    assert.equal(code, 0, stderr);
    const row = standby.page.locator('#maintenance-rows tr');
    await row.waitFor();
    assert.match(await row.innerText(), /node3[\s\S]*main[\s\S]*<img src=x onerror=alert\(1\)> new disk/);
    assert.equal(await standby.page.locator('main img').count(), 0);
    await keep('drained');
  });

  it('has broken no rule of its policy, and made no error', () => {
    const broken = (text: string) => !/Failed to load resource|net::ERR_/.test(text);
    assert.deepEqual(standby.complaints, []);
    // Its coordinator was without power for a while.
    assert.deepEqual(first.complaints.filter(broken), []);
  });

  const showsHolder = (node: string) =>
    until(
      `the page to show ${node} as holder`,
      async () =>
        (await standby.page.locator('#groups-rows td:nth-child(4)').innerText()).includes(node) || undefined,
      { timeoutMs: 20_000 },
    );

  async function define(name: string, checks: readonly object[]): Promise<void> {
    const input = stringify({
      groups: { main: { addresses: [lab.vip], ...(checks.length > 0 ? { checks } : {}) } },
    });
    await lab.docker(
      await lab.manager(),
      ['config', 'create', '--label', 'swarm-vip.groups=yes', `${name}-${Date.now()}`, '-'],
      { input },
    );
  }
});
