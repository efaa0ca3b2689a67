// The status page in Chromium, fed by the coordinator's own code: for everybody, with any input, over any line.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import axe from 'axe-core';
import type { Page } from 'playwright-core';
import { json } from '../../shared/io/http.ts';
import { id } from '../coordinator/world.ts';
import { until } from '../lab/run.ts';
import { type PageBrowser, startBrowser, type WatchedPage } from './browser.ts';
import { builtPage, groupName, type PageSwarm, pageSwarm } from './swarm-of.ts';

const hostile = '<img src=x onerror=alert(1)>"\'&amp;</td><script>alert(2)</script>';
const directory = mkdtempSync(join(tmpdir(), 'swarm-vip-page-'));

describe('the status page', { timeout: 120_000 }, () => {
  let browser: PageBrowser;
  let built: URL;
  let swarm: PageSwarm;
  const paused = { reason: 'check', detail: `check web fails: ${hostile}`, sinceMs: 1 } as const;

  before(async () => {
    [built, browser] = await Promise.all([builtPage(directory), startBrowser()]);
    // Something of everything: a fault, a drain, a node out of contact, problems, a past, and nobody who holds group-3.
    swarm = await pageSwarm({
      ...{ nodes: 6, groups: 3, pageDirectory: built },
      change: (plain) => ({
        ...plain,
        nodes: plain.nodes.map((each, k) => ({
          ...each,
          ...(k === 1 ? { hostname: hostile } : {}),
          labels: {
            ...each.labels,
            ...(k === 2 ? { 'swarm-vip.drain': hostile.replaceAll(';', ',') } : {}),
            ...(k === 4 ? { 'swarm-vip.window': `0 3 1 1 *;2h;${hostile.replaceAll(';', ',')}` } : {}),
            ...(k === 3 ? { 'swarm-vip.priority': hostile } : {}),
          },
        })),
      }),
    });
    await swarm.settle((n, group) => {
      if (group === groupName(3)) return { state: 'FAULT', pause: paused };
      return n === 4 ? { state: 'FAULT', pause: paused } : {};
    });
    swarm.remember(1, [7_200_000, groupName(1), 'BACKUP>MASTER'], [3_600_000, groupName(1), 'MASTER>FAULT']);
    swarm.remember(2, [3_000_000, groupName(1), 'BACKUP>MASTER']);
    swarm.coordinator.gone(id(5));
  });
  after(async () => {
    await browser?.close();
    await swarm?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  async function drawn(watched: WatchedPage): Promise<Page> {
    await watched.page.locator('#groups-rows tr').first().waitFor();
    return watched.page;
  }

  it('shows whatever comes from outside as text', async () => {
    const watched = await browser.open(swarm.url);
    const page = await drawn(watched);
    const text = await page.locator('main').innerText();
    for (const place of ['#grid-rows', '#maintenance-rows', '#wrong-list'])
      assert.ok((await page.locator(place).innerText()).includes('<script>alert(2)</script>'), place);
    assert.ok(text.includes('onerror=alert(1)'));
    assert.equal(await page.locator('main :is(img, script)').count(), 0);
    assert.deepEqual(watched.complaints, []);
    await watched.close();
  });

  it('tells what operators have asked for, and every moment in the zone of its reader', async () => {
    const untilMs = Date.now() + 3_600_000;
    const until = new Date(untilMs).toISOString();
    const busy = await pageSwarm({
      ...{ nodes: 3, groups: 2, pageDirectory: built },
      change: (plain) => ({
        ...plain,
        nodes: plain.nodes.map((each, k) => ({
          ...each,
          labels: {
            ...each.labels,
            ...(k === 0 ? { 'swarm-vip.pause': `raft;until=${until}` } : {}),
            ...(k === 1 ? { 'swarm-vip.drain': `disk;until=${until}` } : {}),
            ...(k === 2 ? { 'swarm-vip.window': '0 3 1 1 *;2h;patches' } : {}),
          },
        })),
      }),
    });
    try {
      await busy.settle();
      const timezoneId = 'Asia/Tokyo';
      const watched = await browser.open(busy.url, { timezoneId });
      const page = await drawn(watched);
      const clock = new Date(untilMs).toLocaleTimeString('en-GB', { timeZone: timezoneId });
      const rows = await page.locator('#maintenance-rows tr').allInnerTexts();
      assert.equal(rows.length, 3, rows.join('\n'));
      for (const [at, words] of [
        [0, /Paused[\s\S]*all nodes[\s\S]*raft/],
        [1, /Drained[\s\S]*host2[\s\S]*group-1, group-2[\s\S]*disk/],
        [2, /Window, to come[\s\S]*host3[\s\S]*patches[\s\S]*1 Jan 12:00:00 to 1 Jan 14:00:00/],
      ] as const)
        assert.match(rows[at] ?? '', words);
      for (const at of [0, 1]) assert.ok(rows[at]?.includes(clock), `${rows[at]} without ${clock}`);
      assert.ok((await page.locator('#sentence').innerText()).includes(`Paused until`));
      assert.ok((await page.locator('#grid-rows').innerText()).includes(clock));
      assert.match(await page.locator('#about').innerText(), /Asia\/Tokyo/);
      assert.doesNotMatch(await page.locator('body').innerText(), /\d{4}-\d\d-\d\dT/);
      await watched.close();
    } finally {
      await busy.close();
    }
  });

  it('lists what all groups complain of once, and calls nobody in reserve out', async () => {
    const large = await pageSwarm({ nodes: 19, groups: 2, pageDirectory: built });
    try {
      await large.settle();
      const watched = await browser.open(large.url);
      const page = await drawn(watched);
      assert.equal(await page.locator('#verdict').innerText(), 'OK');
      assert.equal(await page.locator('#grid td.reserve').count(), 6);
      assert.match(await page.locator('#groups-rows').innerText(), /16 of 16[\s\S]*3 in reserve/);
      large.coordinator.gone(id(1));
      await page.locator('#verdict', { hasText: 'DEGRADED' }).waitFor();
      const wrong = await page.locator('#wrong-list li').allInnerTexts();
      assert.equal(wrong.length, 1, wrong.join('\n'));
      assert.match(
        wrong[0] ?? '',
        /node host1: [\s\S]*\(concerns group-1, group-2\)[\s\S]*confirm-down host1/,
      );
      assert.match(await page.locator('#sentence').innerText(), /1 error is listed below/);
      await watched.close();
    } finally {
      await large.close();
    }
  });

  it('cannot be made to run or load anything else: its policy refuses it', async () => {
    const watched = await browser.open(swarm.url);
    const page = await drawn(watched);
    const refused = await page.evaluate(`(() => {
      const failed = [];
      try { document.body.innerHTML = '<b>x</b>'; } catch (error) { failed.push('html'); }
      const script = document.createElement('script');
      try { script.textContent = 'window.ran = true'; document.body.append(script); } catch (error) { failed.push('script'); }
      try { document.body.setAttribute('onclick', 'window.ran = true'); document.body.click(); } catch (error) { failed.push('handler'); }
      return { failed, ran: window.ran === true };
    })()`);
    assert.deepEqual(refused, { failed: ['html', 'script', 'handler'], ran: false });
    const elsewhere = await page.evaluate(
      `fetch('http://127.0.0.1:1/').then(() => 'open', (error) => String(error))`,
    );
    assert.match(String(elsewhere), /TypeError/);
    // The same watch that every other test relies on has seen all of it.
    for (const directive of ['connect-src', 'require-trusted-types-for']) {
      const seen = () => watched.complaints.some((each) => each.startsWith(`policy: ${directive}`));
      await until(`a violation of ${directive}`, () => seen() || undefined, { timeoutMs: 5_000 });
    }
    await watched.close();
  });

  for (const [kind, colorScheme, viewport] of [
    ['a desk', 'light', { width: 1400, height: 900 }],
    ['a wall', 'dark', { width: 2560, height: 1440 }],
    ['a phone', 'dark', { width: 390, height: 844 }],
  ] as const) {
    it(`breaks no rule of accessibility in ${colorScheme} on ${kind}, and fits its width`, async () => {
      const watched = await browser.open(swarm.url, { viewport, colorScheme });
      const page = await drawn(watched);
      for (const each of await page.locator('summary').all()) await each.click();
      await page.evaluate(axe.source);
      const found = (await page.evaluate(`axe.run(document, { resultTypes: ['violations'] })
        .then(({ violations, passes }) => ({
          passes: passes.length,
          violations: violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html, failureSummary }) =>
            html.slice(0, 120) + ' ' + failureSummary).join(' | ')),
        }))`)) as { violations: string[]; passes: number };
      assert.deepEqual(found.violations, []);
      assert.ok(found.passes > 20, `only ${found.passes} rules applied`);
      const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
      assert.ok(Number(overflow) <= 0, `${overflow} px too wide`);
      assert.deepEqual(watched.complaints, []);
      await watched.close();
    });
  }

  it('has landmarks, one first heading, and tables that a screen reader knows as such, as cards too', async () => {
    const watched = await browser.open(swarm.url, { viewport: { width: 390, height: 844 } });
    const page = await drawn(watched);
    for (const role of ['banner', 'navigation', 'main', 'contentinfo', 'status'] as const)
      assert.equal(await page.getByRole(role).count(), 1, role);
    assert.equal(await page.getByRole('heading', { level: 1 }).count(), 1);
    const table = page.getByRole('table', { name: 'Groups' });
    assert.equal(await table.getByRole('row').count(), 4);
    assert.equal(await table.getByRole('rowheader').count(), 3);
    assert.equal(await table.getByRole('columnheader', { includeHidden: true }).count(), 7);
    assert.equal(await page.locator('#grid').getByRole('rowheader').count(), 6);
    await watched.close();
  });

  it('is used by keyboard alone: skip, search, scroll, open, and a search survives an update', async () => {
    const watched = await browser.open(swarm.url, { viewport: { width: 390, height: 600 } });
    const page = await drawn(watched);
    const focused = async () =>
      String(await page.evaluate('document.activeElement.id || document.activeElement.className'));
    await page.keyboard.press('Tab');
    assert.equal(await focused(), 'skip');
    await page.keyboard.press('Enter');
    assert.equal(await focused(), 'wrong');
    const seen: string[] = [];
    while (!seen.includes('scroll') && seen.length < 20) {
      await page.keyboard.press('Tab');
      seen.push(await focused());
      if (seen.at(-1) === 'nodes-find') {
        await page.keyboard.type('host1');
        assert.equal(await page.locator('#grid-rows tr').count(), 1);
        assert.equal(await page.locator('#nodes-count').innerText(), '1 of 6 nodes');
        swarm.coordinator.gone(id(6));
        await page.locator('#agents-rows tr.old', { hasText: 'host6' }).waitFor();
        assert.equal(await focused(), 'nodes-find', 'an update takes the focus away');
        assert.equal(await page.locator('#grid-rows tr').count(), 1, 'an update ends the search');
        for (let k = 0; k < 5; k++) await page.keyboard.press('Backspace');
      }
    }
    assert.deepEqual(seen, ['nodes-find', 'nodes-wrong', 'scroll']);
    await page.keyboard.press('ArrowRight');
    const scrolled = async () =>
      Number(await page.evaluate(`document.querySelector('.scroll').scrollLeft`)) > 0;
    await until('the table to scroll', async () => (await scrolled()) || undefined, { timeoutMs: 5_000 });
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    assert.ok(await page.locator('#day-groups ul').first().isVisible());
    await watched.close();
  });

  it('touches the live region only when it has something new to say', async () => {
    const watched = await browser.open(swarm.url);
    const page = await drawn(watched);
    await page.evaluate(`new MutationObserver((all) => { window.touched = (window.touched ?? 0) + all.length; })
      .observe(document.querySelector('[role=status]'), { subtree: true, childList: true, characterData: true, attributes: true })`);
    // More than one beat of the stream.
    await page.waitForTimeout(6_000);
    assert.equal(await page.evaluate('window.touched ?? 0'), 0);
    await watched.close();
  });
});

describe('the status page and its coordinator', { timeout: 120_000 }, () => {
  let browser: PageBrowser;
  let built: URL;
  before(async () => {
    [built, browser] = await Promise.all([builtPage(directory), startBrowser()]);
  });
  after(async () => {
    await browser?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  /** The holder falls silent, and the next one takes over. */
  async function failOver(swarm: PageSwarm): Promise<void> {
    const [group] = swarm.coordinator.status()?.groups ?? [];
    const [first, second] = group?.members ?? [];
    assert.ok(first && second);
    swarm.coordinator.gone(first.node);
    const n = [1, 2, 3].find((each) => id(each) === second.node) ?? 0;
    swarm.tell(n, () => ({ state: 'MASTER' }));
  }

  const holder = (page: Page) => page.locator('#groups-rows .holder');

  for (const [line, routes] of [
    ['by the stream', {}],
    ['by polling, when there is no stream', { '/api/v1/changes': () => json(503, { error: 'full' }) }, 4_500],
  ] as const) {
    it(`changes by itself ${line}`, async (t) => {
      const swarm = await pageSwarm({ nodes: 3, groups: 1, pageDirectory: built, routes });
      t.after(() => swarm.close());
      await swarm.settle();
      const watched = await browser.open(swarm.url);
      await watched.page.locator('#verdict', { hasText: /^OK$/ }).waitFor();
      const before = await holder(watched.page).innerText();
      await failOver(swarm);
      // Sooner than the beat of the stream, which would heal a lost event.
      await watched.page.locator('#verdict', { hasText: 'DEGRADED' }).waitFor({ timeout: 4_500 });
      assert.notEqual(await holder(watched.page).innerText(), before);
      // The refused stream itself is all that the browser complains of.
      const complaints = watched.complaints.filter((each) => !each.includes('503'));
      assert.deepEqual(complaints, []);
      await watched.close();
    });
  }

  it('lets nothing of what is old go on: ages and strips stand still once nobody answers', async (t) => {
    const swarm = await pageSwarm({ nodes: 3, groups: 1, pageDirectory: built });
    await swarm.settle(() => ({ stateSinceMs: Date.now() - 5_000 }));
    const watched = await browser.open(swarm.url);
    t.after(() => watched.close());
    const { page } = watched;
    await page.locator('#verdict', { hasText: /^OK$/ }).waitFor();
    const age = () => page.locator('#groups-rows .age').first().innerText();
    const first = await age();
    await until('the age to grow', async () => (await age()) !== first || undefined, { timeoutMs: 5_000 });
    await swarm.close();
    await page.locator('#verdict', { hasText: 'NO CONTACT' }).waitFor({ timeout: 20_000 });
    const [before, silence] = [await age(), await page.locator('#source').innerText()];
    const silent = () => page.locator('#source').innerText();
    await until('time to pass', async () => (await silent()) !== silence || undefined, { timeoutMs: 5_000 });
    await page.waitForTimeout(1_500);
    assert.equal(await age(), before);
  });

  it('says that the coordinator is only starting while Swarm has not been read', async (t) => {
    const swarm = await pageSwarm({
      ...{ nodes: 1, groups: 1, pageDirectory: built },
      routes: { '/api/v1/overview': () => json(503, { error: 'not yet' }) },
    });
    t.after(() => swarm.close());
    const { page, close } = await browser.open(swarm.url);
    await page.locator('#verdict', { hasText: 'STARTING' }).waitFor();
    await close();
  });
});
