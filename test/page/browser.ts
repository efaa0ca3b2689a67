// Debian's Chromium, driven by playwright-core; inside a network namespace of the lab when told so. Everything that the
// page's policy forbids, and every error that the page makes, is collected: a test that found any has failed.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContextOptions, chromium, type Page } from 'playwright-core';

export interface PageBrowser {
  /** A page of its own, with nothing remembered. */
  open(url: string, options?: BrowserContextOptions): Promise<WatchedPage>;
  close(): Promise<void>;
}

export interface WatchedPage {
  readonly page: Page;
  /** Violations of the policy, uncaught errors, and errors on the console. */
  readonly complaints: string[];
  close(): Promise<void>;
}

const flags = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  ...['--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'],
];

const reportViolations = `document.addEventListener('securitypolicyviolation', (event) =>
  console.error('policy: ' + event.violatedDirective + ' ' + event.blockedURI));`;

/** @param enter command line that runs a program in another network namespace, as `Lab.execCommand` makes it */
export async function startBrowser(enter?: (command: string[]) => string[]): Promise<PageBrowser> {
  const directory = mkdtempSync(join(tmpdir(), 'swarm-vip-browser-'));
  const executablePath = enter ? wrapper(directory, enter(['/usr/bin/chromium'])) : '/usr/bin/chromium';
  const browser = await chromium.launch({ executablePath, args: flags }).catch((error: unknown) => {
    rmSync(directory, { recursive: true, force: true });
    throw error;
  });
  return {
    async open(url, options = {}) {
      const context = await browser.newContext(options);
      const page = await context.newPage();
      const complaints: string[] = [];
      page.on('pageerror', (error) => complaints.push(String(error)));
      page.on('console', (message) => {
        if (message.type() === 'error') complaints.push(message.text());
      });
      await page.addInitScript({ content: reportViolations });
      await page.goto(url);
      return { page, complaints, close: () => context.close() };
    },
    async close() {
      await browser.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function wrapper(directory: string, command: readonly string[]): string {
  const path = join(directory, 'chromium');
  const words = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
  writeFileSync(path, `#!/bin/sh\nexec ${words} "$@"\n`);
  chmodSync(path, 0o755);
  return path;
}
