// Checks by the local Docker Engine, where its socket is mounted: that it answers, or that a container runs and is
// healthy. What containers do is also told by the engine's events; they only say "look again".
import { existsSync } from 'node:fs';
import { request } from 'node:http';
import * as v from 'valibot';
import type { CheckOf } from '../../../shared/checks.ts';
import { errorWords, failed, type Outcome, type Probe } from './outcome.ts';

const mostBytes = 4 * 1024 * 1024;

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** GET over the socket, whole and within its time. */
function ask(socketPath: string, path: string, timeoutMs: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let size = 0;
    const call = request({ socketPath, path, agent: false }, (response) => {
      response.on('data', (data: Buffer) => {
        size += data.length;
        if (size > mostBytes) call.destroy(new Error(`answered more than ${mostBytes} bytes`));
        else parts.push(data);
      });
      response.on('end', () => {
        clearTimeout(timer);
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(parts).toString('utf8') });
      });
      response.on('error', fail);
    });
    const fail = (error: Error) => {
      clearTimeout(timer);
      reject(error);
    };
    const timer = setTimeout(
      () => call.destroy(new Error(`the engine does not answer within ${timeoutMs} ms`)),
      timeoutMs,
    );
    call.on('error', fail);
    call.end();
  });
}

/** Runs `judge` on the engine's answer; everything else that happens is a failure with its words. */
async function asked(
  socketPath: string,
  path: string,
  timeoutMs: number,
  judge: (answer: Answer) => Outcome,
): Promise<Outcome> {
  if (!existsSync(socketPath)) {
    const message = `there is no engine at ${socketPath}`;
    const remedy = `mount the engine's socket into the agent service as ${socketPath}, read-only`;
    return { ...failed(message), fault: { code: 'check-engine-missing', message, remedy } };
  }
  try {
    return judge(await ask(socketPath, path, timeoutMs));
  } catch (error) {
    return failed(errorWords(error));
  }
}

export function createEngineProbe({ timeoutMs }: CheckOf<'engine'>, socketPath: string): Probe {
  return () =>
    asked(socketPath, '/_ping', timeoutMs, ({ status, body }) =>
      status === 200 ? { passed: true, output: body } : failed(`HTTP ${status}: ${body}`),
    );
}

/** What the list of containers says of one; "Up 2 minutes (healthy)". */
const Containers = v.array(v.object({ Names: v.array(v.string()), State: v.string(), Status: v.string() }));

export function createContainerProbe(check: CheckOf<'container'>, socketPath: string): Probe {
  const path = `/containers/json?all=true&filters=${encodeURIComponent(JSON.stringify(filters(check)))}`;
  return () =>
    asked(socketPath, path, check.timeoutMs, ({ status, body }) => {
      if (status !== 200) return failed(`HTTP ${status}: ${body}`);
      const found = v.safeParse(Containers, JSON.parse(body));
      return found.success
        ? judge(check, found.output)
        : failed('the engine lists containers in an unknown form');
    });
}

/** The engine takes names for regular expressions. */
const filters = ({ by, value }: CheckOf<'container'>) =>
  by === 'label' ? { label: [value] } : { name: [`^/${value.replaceAll(/[.]/g, '\\.')}$`] };

function judge({ by, value }: CheckOf<'container'>, all: v.InferOutput<typeof Containers>): Outcome {
  if (all.length === 0) return failed(`no container with ${by} ${value}`);
  // A container without a health check of its own has nothing in parentheses.
  const good = all.find(({ State, Status }) => State === 'running' && !/\((?!healthy\))/.test(Status));
  const words = (each: (typeof all)[number]) => `${each.Names[0]?.slice(1) ?? '?'}: ${each.Status}`;
  return good ? { passed: true, output: words(good) } : failed(all.map(words).join(', '));
}

const retryMs = 5_000;
const events = ['start', 'die', 'pause', 'unpause', 'health_status'];

/** Calls back when a container may have changed, and whenever events may have been missed. Never ends by itself. */
export function watchContainers(socketPath: string, onEvent: () => void): () => void {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let call: ReturnType<typeof request> | undefined;
  const retry = () => {
    if (stopped) return;
    clearTimeout(timer);
    timer = setTimeout(follow, retryMs);
  };
  const follow = () => {
    const wanted = encodeURIComponent(JSON.stringify({ type: ['container'], event: events }));
    call = request({ socketPath, path: `/events?filters=${wanted}`, agent: false }, (response) => {
      if (response.statusCode === 200) onEvent();
      response.on('data', onEvent);
      response.on('close', retry);
      response.on('error', retry);
    });
    call.on('error', retry);
    call.end();
  };
  follow();
  return () => {
    stopped = true;
    clearTimeout(timer);
    call?.destroy();
  };
}
