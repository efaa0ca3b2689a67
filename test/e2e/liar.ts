// Poses as the active coordinator, as root on a worker could with the agents' key and a manager's address: welcomes whoever
// connects and assigns nothing, in the greatest epoch. Prints what became of it, a word for each node, and ends when all
// of them have answered, or after a while. Usage: liar.ts ADDRESS KEY NODE…
import { createAgentServer } from '../../coordinator/io/agent-server.ts';
import { createKeyRing } from '../../coordinator/io/key-ring.ts';
import { createSigningRing } from '../../coordinator/io/signing-ring.ts';
import { agentPort } from '../../shared/protocol.ts';

const [host = '', key = '', ...nodes] = process.argv.slice(2);
const answers = new Map(nodes.map((node) => [node, 'silent']));
const done = () => {
  process.stdout.write(`${JSON.stringify(Object.fromEntries(answers))}\n`);
  process.exit(0);
};
const hear = (node: string, answer: string) => {
  answers.set(node, answer);
  if (![...answers.values()].includes('silent')) setTimeout(done, 2_000);
};
const server = createAgentServer(
  createKeyRing([Buffer.from(key)], Date.now),
  createSigningRing(undefined),
  {
    admit: () => undefined,
    hello({ node }) {
      server.send(node, { type: 'welcome', protocol: 1, node, role: 'active', managers: [] });
      server.send(node, { type: 'assignment', epoch: 1e9, counter: 1, instances: [] });
      hear(node, 'refused');
    },
    report: (node) => hear(node, 'obeyed'),
    history: () => undefined,
    gone: () => undefined,
    refused: () => undefined,
  },
  (_, response) => void response.writeHead(426).end(),
);
await server.listen({ host, port: agentPort });
setTimeout(done, 30_000);
