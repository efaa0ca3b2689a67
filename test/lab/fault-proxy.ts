// Stands between a coordinator and the real engine of its node, and passes everything on but for the trouble that the
// mode file asks for. Runs inside the node. Usage: fault-proxy.ts LISTEN ENGINE MODE-FILE
import { chmodSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { FaultMode, Trouble } from './fault-proxies.ts';

const [listen = '', engine = '', modeFile = ''] = process.argv.slice(2);
/** Answers to lists as they were when the mode was last `record`, by URL. */
const recorded = new Map<string, Buffer>();

const modeNow = (): FaultMode => JSON.parse(readFileSync(modeFile, 'utf8')) as FaultMode;
const slowMs = 7_000;

const troubles: Record<Trouble, (url: string, answer: Answer, response: ServerResponse) => Promise<void>> = {
  none: async (_, answer, response) => whole(response, answer),
  record: async (url, answer, response) => {
    recorded.set(url, answer.body);
    whole(response, answer);
  },
  slow: async (_, answer, response) => {
    await delay(slowMs);
    whole(response, answer);
  },
  error: async (_, __, response) => whole(response, { status: 500, body: Buffer.from('{"message":"no"}') }),
  /** The connection ends in the middle of the answer. */
  cut: async (_, { status, body }, response) => {
    response.writeHead(status, { 'content-type': 'application/json', 'content-length': body.length });
    response.write(body.subarray(0, body.length / 2));
    await delay(20);
    response.socket?.destroy();
  },
  /** The answer stops in the middle, and the connection stays. */
  stall: async (_, { status, body }, response) => {
    response.writeHead(status, { 'content-type': 'application/json', 'content-length': body.length });
    response.write(body.subarray(0, body.length / 2));
  },
  /** A whole answer of half a document. */
  garbled: async (_, { status, body }, response) =>
    whole(response, { status, body: body.subarray(0, body.length / 2) }),
  empty: async (_, __, response) => whole(response, { status: 200, body: Buffer.from('[]') }),
  partial: async (_, { status, body }, response) => {
    const [, ...others] = JSON.parse(String(body)) as unknown[];
    whole(response, { status, body: Buffer.from(JSON.stringify(others)) });
  },
  old: async (url, answer, response) =>
    whole(response, { ...answer, body: recorded.get(url) ?? answer.body }),
  deaf: async (_, answer, response) => whole(response, answer),
};

interface Answer {
  status: number;
  body: Buffer;
}

function whole(response: ServerResponse, { status, body }: Answer): void {
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': body.length }).end(body);
}

async function serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = incoming.url ?? '/';
  const onward = request(
    { socketPath: engine, path: url, method: incoming.method, headers: incoming.headers },
    (answer) => {
      if (url.startsWith('/events')) {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        response.flushHeaders();
        // Deaf: the stream stays open, and nothing comes any more.
        answer.on('data', (chunk: Buffer) => modeNow().trouble === 'deaf' || response.write(chunk));
        answer.on('end', () => response.end());
        return;
      }
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () => {
        const { trouble, lists } = modeNow();
        const concerned =
          incoming.method === 'GET' &&
          lists.some((list) => url.startsWith(`/${list}?`) || url === `/${list}`);
        const act = troubles[concerned ? trouble : 'none'];
        void act(url, { status: answer.statusCode ?? 502, body: Buffer.concat(chunks) }, response);
      });
    },
  );
  onward.on('error', () => response.destroy());
  response.on('close', () => onward.destroy());
  incoming.pipe(onward);
}

rmSync(listen, { force: true });
createServer((incoming, response) => void serve(incoming, response)).listen(listen, () => {
  chmodSync(listen, 0o660);
  process.stdout.write('ready\n');
});
