// Bundles each program into one file: the images carry no node_modules, and the agent holds only what it imports.
import { cpSync, rmSync } from 'node:fs';
import { build } from 'esbuild';
import { buildPage } from './coordinator/page/build.mjs';

/** dockerode's ways to an engine that we never go: over ssh, and BuildKit's gRPC. They would be most of the bundle. */
const withoutUnusedTransports = {
  name: 'without-unused-transports',
  setup(bundle) {
    bundle.onResolve({ filter: /^(ssh2|@grpc\/grpc-js|@grpc\/proto-loader)$/ }, ({ path }) => ({
      path,
      namespace: 'absent',
    }));
    bundle.onLoad({ filter: /.*/, namespace: 'absent' }, () => ({ contents: 'module.exports = {};' }));
  },
};

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
  plugins: [withoutUnusedTransports],
  // nunjucks' file watcher and ws' native speed-ups: optional, absent here by choice.
  external: ['chokidar', 'bufferutil', 'utf-8-validate'],
  banner: {
    js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
  },
});
cpSync('agent/keepalived.conf.njk', 'dist/keepalived.conf.njk');
await buildPage('dist/page');
