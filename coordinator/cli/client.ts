// The CLI's way to the coordinator in the same container: its unix socket.
import { request } from 'node:http';

/** DESIGN: 0 ok, 1 error, 2 usage, 3 deadline, 4 refused as unsafe, 5 unreachable, 6 degraded; 130 interrupted. */
export const exitCode = {
  ok: 0,
  error: 1,
  usage: 2,
  deadline: 3,
  unsafe: 4,
  unreachable: 5,
  degraded: 6,
  interrupted: 130,
} as const;

export class CliError extends Error {
  readonly code: number;
  constructor(message: string, code: number) {
    super(message);
    this.code = code;
  }
}

export interface Reply {
  status: number;
  body: unknown;
}

export interface Client {
  get(path: string): Promise<Reply>;
  post(path: string, body: unknown): Promise<Reply>;
}

const patienceMs = 15_000;

/** @throws CliError unreachable when nobody answers in time, error when the answer is no JSON */
export function createClient(socketPath: string): Client {
  const call = (method: 'GET' | 'POST', path: string, body?: string): Promise<Reply> =>
    new Promise((resolve, reject) => {
      const outgoing = request({ socketPath, path, method, timeout: patienceMs }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          try {
            resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) });
          } catch (error) {
            const why = error instanceof Error ? error.message : String(error);
            reject(new CliError(`expected JSON from the coordinator: ${why}`, exitCode.error));
          }
        });
      });
      outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${patienceMs / 1000} s`)));
      outgoing.on('error', ({ message }) => reject(unreachable(socketPath, message)));
      outgoing.end(body);
    });
  return {
    get: (path) => call('GET', path),
    post: (path, body) => call('POST', path, JSON.stringify(body)),
  };
}

const unreachable = (socketPath: string, reason: string): CliError =>
  new CliError(
    `no coordinator answers at ${socketPath}: ${reason}. Run this inside a coordinator's container: ` +
      'docker exec $(docker ps -q -f label=com.docker.swarm.service.name=swarm-vip_coordinator) swarm-vip status',
    exitCode.unreachable,
  );

/** The words of an answer that is not the one hoped for. */
export function refusalText({ status, body }: Reply): string {
  const { error } = body as { error?: unknown };
  return typeof error === 'string' ? error : `the coordinator answers ${status}: ${JSON.stringify(body)}`;
}
