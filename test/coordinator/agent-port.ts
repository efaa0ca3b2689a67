// The coordinator's port for agents in a process of its own, so that its memory can be watched while it is attacked.
// Admits id(1) from 127.0.0.1 and id(2) from everywhere. A line on stdin asks for figures. Run with --expose-gc.
import type { RequestListener } from 'node:http';
import { createInterface } from 'node:readline';
import pino from 'pino';
import { refusalKinds } from '../../coordinator/core/refusal.ts';
import { createAgentServer } from '../../coordinator/io/agent-server.ts';
import { createKeyRing } from '../../coordinator/io/key-ring.ts';
import { createSigningRing } from '../../coordinator/io/signing-ring.ts';
import { createRefusals } from '../../coordinator/refusals.ts';
import { closeCode } from '../../shared/protocol.ts';
import { id } from './world.ts';

const [port = '', ...keys] = process.argv.slice(2);
let reports = 0;
let lines = 0;
const log = pino(
  { level: 'warn' },
  {
    write: () => {
      lines += 1;
    },
  },
);
const refusals = createRefusals(log, Date.now);
const ring = createKeyRing(
  keys.map((key) => Buffer.from(key)),
  Date.now,
);
const neighbours: RequestListener = (_, response) => void response.writeHead(426).end();
const server = createAgentServer(
  ring,
  createSigningRing(undefined),
  {
    admit(node, address) {
      if (node === id(2) || (node === id(1) && address === '127.0.0.1')) return undefined;
      return node === id(1)
        ? { code: closeCode.wrongAddress, reason: 'another address' }
        : { code: closeCode.unknownNode, reason: 'unknown' };
    },
    hello: ({ node }) =>
      void server.send(node, { type: 'welcome', protocol: 1, node, role: 'active', managers: [] }),
    report: (node) => {
      if (node === id(1)) reports += 1;
    },
    history: () => undefined,
    gone: () => undefined,
    refused: refusals.add,
  },
  neighbours,
);
await server.listen({ host: '127.0.0.1', port: Number(port) });
const say = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`);
say({ listening: true });
createInterface({ input: process.stdin })
  .on('line', () => {
    global.gc?.();
    const { rss, heapUsed } = process.memoryUsage();
    const counts = Object.fromEntries(refusalKinds.map((kind) => [kind, refusals.counts().get(kind) ?? 0]));
    say({ rss, heapUsed, reports, lines, counts, connected: server.connected() });
  })
  .on('close', () => process.exit(0));
