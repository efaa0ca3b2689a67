// `swarm-vip`: asks the coordinator in the same container through its unix socket.
// Data on stdout, the rest on stderr. Exit codes: 0 ok, 1 error, 2 usage, 5 unreachable, 6 degraded.
import { request } from 'node:http';
import { Command, CommanderError, Option } from 'commander';
import { version } from '../shared/version.ts';
import { socketPath } from './config.ts';
import type { Status } from './core/status.ts';
import { statusTable } from './io/status-table.ts';

const exitCode = { ok: 0, error: 1, usage: 2, unreachable: 5, degraded: 6 } as const;

class CliError extends Error {
  readonly code: number;
  constructor(message: string, code: number) {
    super(message);
    this.code = code;
  }
}

/** GET over the coordinator's unix socket. @throws CliError unreachable when nobody answers within 5 s */
function ask(path: string): Promise<{ status: number; body: string }> {
  const socket = socketPath(process.env);
  return new Promise((resolve, reject) => {
    const unreachable = (reason: string) =>
      reject(
        new CliError(
          `no coordinator answers at ${socket}: ${reason}. Run this inside a coordinator's container: ` +
            'docker exec $(docker ps -q -f label=com.docker.swarm.service.name=…_coordinator) swarm-vip status',
          exitCode.unreachable,
        ),
      );
    const call = request({ socketPath: socket, path, timeout: 5_000 }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }),
      );
    });
    call.on('timeout', () => call.destroy(new Error('no answer within 5 s')));
    call.on('error', (error) => unreachable(error.message));
    call.end();
  });
}

async function showStatus({ output }: { output: 'table' | 'json' }): Promise<void> {
  const { status, body } = await ask('/api/v1/status');
  if (status !== 200) throw new CliError(`the coordinator answers ${status}: ${body.trim()}`, exitCode.error);
  const document = JSON.parse(body) as Status;
  process.stdout.write(output === 'json' ? `${JSON.stringify(document, null, 2)}\n` : statusTable(document));
  process.exitCode = document.verdict === 'OK' ? exitCode.ok : exitCode.degraded;
}

const program = new Command('swarm-vip')
  .description('Highly available virtual IPs for Docker Swarm')
  .version(version)
  .exitOverride()
  .showHelpAfterError();
program
  .command('status')
  .description('show groups, holders, members and problems; exit 6 when not everything is well')
  .addOption(new Option('-o, --output <format>', 'output format').choices(['table', 'json']).default('table'))
  .action(showStatus);
program
  .command('ping')
  .description('exit 0 when the coordinator answers and has read Swarm')
  .action(async () => {
    const { status, body } = await ask('/healthz');
    if (status !== 200) throw new CliError(`not ready: ${body.trim()}`, exitCode.error);
  });

program.parseAsync().catch((error: unknown) => {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? exitCode.ok : exitCode.usage;
    return;
  }
  process.stderr.write(`swarm-vip: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = error instanceof CliError ? error.code : exitCode.error;
});
