// `npm run bench -- page`: what the status page of a large Swarm costs, browser and coordinator. The coordinator's own
// code makes the document; the reports of the agents are made up, because no machine has 300 engines.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { historyLength } from '../../shared/protocol.ts';
import { id } from '../coordinator/world.ts';
import { until } from '../lab/run.ts';
import { startBrowser } from '../page/browser.ts';
import { builtPage, groupName, type PageSwarm, pageSwarm } from '../page/swarm-of.ts';

export interface PageBenchOptions {
  nodes: number;
  groups: number;
  updates: number;
}

export interface PageFigures {
  documentBytes: number;
  zippedBytes: number;
  /** Status, history and overview, in the coordinator. */
  lookMs: number[];
  /** From the request to the first drawn document. */
  firstMs: number;
  /** The page's own script and the browser's layout, for one change of one node. */
  drawMs: number[];
  /** From the report of an agent to the changed page. */
  seenMs: number[];
  /** A letter typed into the search. */
  searchMs: number[];
}

export async function pageFigures({ nodes, groups, updates }: PageBenchOptions): Promise<PageFigures> {
  const directory = mkdtempSync(join(tmpdir(), 'swarm-vip-bench-page-'));
  const swarm = await pageSwarm({ nodes, groups, pageDirectory: await builtPage(directory) });
  const browser = await startBrowser();
  try {
    await swarm.settle();
    for (let n = 1; n <= nodes; n++) swarm.remember(n, ...past(groups));
    const url = `${swarm.url}api/v1/overview`;
    const plain = await fetch(url, { headers: { 'accept-encoding': 'identity' } });
    const zipped = await fetch(url, { headers: { 'accept-encoding': 'gzip' } });
    const began = performance.now();
    const watched = await browser.open(swarm.url, { viewport: { width: 1600, height: 1000 } });
    await watched.page.locator(`#grid-rows tr:nth-child(${nodes})`).waitFor();
    const firstMs = performance.now() - began;
    return {
      documentBytes: (await plain.arrayBuffer()).byteLength,
      zippedBytes: Number(zipped.headers.get('content-length')),
      firstMs,
      lookMs: Array.from({ length: 10 }, () => lookMs(swarm)),
      ...(await changes(swarm, watched.page, nodes, updates)),
      searchMs: await searches(watched.page),
    };
  } finally {
    await browser.close();
    await swarm.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** As much as a node remembers, spread over the day and all groups. */
const past = (groups: number) =>
  Array.from({ length: historyLength }, (_, k): [number, string, string] => [
    (historyLength - k) * 400_000,
    groupName(1 + (k % groups)),
    Math.floor(k / groups) % 2 === 0 ? 'BACKUP>MASTER' : 'MASTER>BACKUP',
  ]);

function lookMs({ coordinator }: PageSwarm): number {
  const began = performance.now();
  JSON.stringify([coordinator.status(), coordinator.history()]);
  return performance.now() - began;
}

/** One node after another falls silent: banner, list, grid and agents change. */
async function changes(swarm: PageSwarm, page: Page, nodes: number, updates: number) {
  const drawMs: number[] = [];
  const seenMs: number[] = [];
  for (let k = 0; k < updates; k++) {
    await page.evaluate('performance.clearMeasures()');
    const began = performance.now();
    swarm.coordinator.gone(id(nodes - k));
    const row = page.locator('#agents-rows tr.old');
    await until('the page to change', async () => (await row.count()) > k || undefined, {
      ...{ timeoutMs: 60_000, everyMs: 10 },
    });
    seenMs.push(performance.now() - began);
    // Asking for a size makes the browser lay the page out: what is measured ends with what is seen.
    const took = await page.evaluate(`(() => {
      const began = performance.now();
      document.body.getBoundingClientRect();
      const layout = performance.now() - began;
      return performance.getEntriesByName('draw', 'measure').reduce((sum, each) => sum + each.duration, layout);
    })()`);
    drawMs.push(Number(took));
  }
  return { drawMs, seenMs };
}

async function searches(page: Page): Promise<number[]> {
  const took: number[] = [];
  for (const text of ['h', 'host2', 'host29', '']) {
    const ms = await page.evaluate(`(() => {
      const field = document.getElementById('nodes-find');
      const began = performance.now();
      field.value = ${JSON.stringify(text)};
      field.dispatchEvent(new Event('input'));
      document.body.getBoundingClientRect();
      return performance.now() - began;
    })()`);
    took.push(Number(ms));
  }
  return took;
}
