// A protocol peer for the tests: a WebSocket server with TLS-PSK inside the test's network namespace. It does what it
// is told on stdin, one JSON object a line, and says on stdout what it hears.
import { createServer } from 'node:https';
import { createInterface } from 'node:readline';
import { type WebSocket, WebSocketServer } from 'ws';
import { pskTlsOptions } from '../../shared/tls.ts';

const [host = '', port = '9166', key = '', managers = host, manager = 'm'.repeat(25)] = process.argv.slice(2);
const say = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`);
const options = { ...pskTlsOptions, pskCallback: () => Buffer.from(key) };
const server = createServer(options);
const sockets = new Map<string, WebSocket>();
/** The last frame for each node: said again after a reconnect, as a coordinator does. */
const last = new Map<string, string>();

server.on('tlsClientError', (error) => say({ event: 'tls-error', message: error.message }));
new WebSocketServer({ server, perMessageDeflate: false }).on('connection', (socket) => {
  let node = '';
  socket.on('message', (data) => {
    const frame: { type: string; node?: string } = JSON.parse(String(data));
    if (frame.type === 'hello') {
      node = frame.node ?? '';
      sockets.set(node, socket);
      const welcome = {
        type: 'welcome',
        protocol: 1,
        node: manager,
        role: 'active',
        managers: managers.split(','),
      };
      socket.send(JSON.stringify(welcome));
      const again = last.get(node);
      if (again) socket.send(again);
    }
    say({ event: 'frame', node, frame });
  });
  socket.on('close', (code) => {
    if (sockets.get(node) === socket) sockets.delete(node);
    say({ event: 'close', node, code });
  });
});
server.listen(Number(port), '0.0.0.0', () => say({ event: 'listening' }));
createInterface({ input: process.stdin })
  .on('line', (line) => {
    const { node, text, keep }: { node: string; text: string; keep: boolean } = JSON.parse(line);
    if (keep) last.set(node, text);
    sockets.get(node)?.send(text);
  })
  .on('close', () => process.exit(0));
