// Runs inside the lab as whoever is told: an HTTP server (webhook and chat) that refuses now and then, and an SMTP server.
// Everything that comes is a line of JSON on stdout. Arguments: HTTP port, SMTP port.
import { createServer } from 'node:http';
import { SMTPServer } from 'smtp-server';

const [http = 0, smtp = 0] = process.argv.slice(2).map(Number);
const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);

let requests = 0;
createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request) body += String(chunk);
  requests += 1;
  const status = requests % 4 === 0 ? 503 : 200;
  say({ path: request.url, status, headers: request.headers, body });
  response.writeHead(status).end();
}).listen(http);

new SMTPServer({
  authOptional: true,
  allowInsecureAuth: true,
  disabledCommands: ['STARTTLS'],
  onAuth: ({ username, password }, _, done) => {
    say({ login: username, password });
    done(null, { user: username });
  },
  onData(stream, _, done) {
    let mail = '';
    stream.on('data', (chunk) => {
      mail += String(chunk);
    });
    stream.on('end', () => {
      say({ mail });
      done();
    });
  },
}).listen(smtp);
