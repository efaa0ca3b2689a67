// Bundles each program into one file: the images carry no node_modules, and the agent holds only what it imports.
import { cpSync, rmSync } from 'node:fs';
import { build } from 'esbuild';

rmSync('dist', { recursive: true, force: true });
await build({
  entryPoints: {
    agent: 'agent/main.ts',
    coordinator: 'coordinator/main.ts',
    'swarm-vip': 'coordinator/cli.ts',
  },
  outdir: 'dist',
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  sourcemap: 'linked',
  legalComments: 'none',
  // nunjucks' file watcher, ssh2's and ws' native speed-ups: optional, absent here by choice.
  external: ['chokidar', 'cpu-features', 'bufferutil', 'utf-8-validate', '*.node'],
  banner: {
    js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
  },
});
cpSync('agent/keepalived.conf.njk', 'dist/keepalived.conf.njk');
