// Knocks at the coordinator's port as a stranger would: prints "handshake" when TLS refuses, "open" when a WebSocket
// opens, and the close code when one is closed by the coordinator. Usage: knock.ts ADDRESS KEY|none|plain [IDENTITY]
import { type ConnectionOptions, connect } from 'node:tls';
import { type ClientOptions, WebSocket } from 'ws';
import { agentPort } from '../../shared/protocol.ts';
import { pskTlsOptions } from '../../shared/tls.ts';

const [address = '', key = '', identity = 'stranger'] = process.argv.slice(2);
const done = (word: string) => {
  process.stdout.write(`${word}\n`);
  process.exit(0);
};
setTimeout(() => done('timeout'), 5_000);

if (key === 'none') {
  // Ordinary TLS, no pre-shared key.
  connect({ host: address, port: agentPort, rejectUnauthorized: false }, () => done('open')).on('error', () =>
    done('handshake'),
  );
} else if (key === 'plain') {
  new WebSocket(`ws://${address}:${agentPort}`)
    .on('open', () => done('open'))
    .on('error', () => done('handshake'));
} else {
  const options: ClientOptions & Pick<ConnectionOptions, 'pskCallback'> = {
    ...pskTlsOptions,
    pskCallback: () => ({ psk: Buffer.from(key), identity }),
    checkServerIdentity: () => false,
  };
  const socket = new WebSocket(`wss://${address}:${agentPort}`, options);
  socket.on('error', () => done('handshake'));
  socket.on('close', (code) => done(String(code)));
}
