// A station inside the lab's network: asks for pages, receives what Alertmanager sends, and opens and closes ports, as it
// is told on stdin, one JSON object a line; what it learns it says on stdout.
import { createServer, type Server } from 'node:http';
import { createServer as createTcpServer, type Server as TcpServer } from 'node:net';
import { createInterface } from 'node:readline';

type Order =
  | { id: number; url: string }
  | { id: number; open: number; host: string }
  | { id: number; close: number };

const say = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`);
const ports = new Map<number, TcpServer>();

async function obey(order: Order): Promise<unknown> {
  if ('url' in order) {
    const response = await fetch(order.url, { signal: AbortSignal.timeout(10_000) });
    return { status: response.status, body: await response.text() };
  }
  if ('open' in order) {
    const server = createTcpServer((socket) => socket.on('error', () => undefined).end());
    ports.set(order.open, server);
    await new Promise<void>((resolve) => server.listen(order.open, order.host, resolve));
    return {};
  }
  const server = ports.get(order.close);
  ports.delete(order.close);
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
  return {};
}

const receiver: Server = createServer(async (request, response) => {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  say({ received: JSON.parse(text) });
  response.end();
});
receiver.listen(9099, '127.0.0.1', () => say({ listening: true }));
createInterface({ input: process.stdin })
  .on('line', (line) => {
    const order = JSON.parse(line) as Order;
    obey(order).then(
      (answer) => say({ id: order.id, answer }),
      (error: unknown) => say({ id: order.id, error: String(error) }),
    );
  })
  .on('close', () => process.exit(0));
