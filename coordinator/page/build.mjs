// Bundles the status page: one module, one style sheet, static HTML. The coordinator serves the directory as it is.
import { cpSync, mkdirSync } from 'node:fs';
import { build } from 'esbuild';

const here = new URL('.', import.meta.url).pathname;

/** @param {string} directory to fill */
export async function buildPage(directory) {
  mkdirSync(directory, { recursive: true });
  await build({
    entryPoints: [`${here}page.ts`, `${here}page.css`],
    outdir: directory,
    bundle: true,
    minify: true,
    platform: 'browser',
    target: ['chrome109', 'firefox115', 'safari16'],
    format: 'esm',
    legalComments: 'none',
  });
  for (const file of ['index.html', 'icon.svg']) cpSync(`${here}${file}`, `${directory}/${file}`);
}
