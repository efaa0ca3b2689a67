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

/** What the engine says, or why it says nothing. */
type Asked = { readonly answer: Answer } | { readonly answer?: undefined; readonly silence: Outcome };

async function asked(socketPath: string, path: string, timeoutMs: number): Promise<Asked> {
  if (!existsSync(socketPath)) {
    const message = `there is no engine at ${socketPath}`;
    const remedy = `mount the engine's socket into the agent service as ${socketPath}, read-only`;
    return { silence: { ...failed(message), fault: { code: 'check-engine-missing', message, remedy } } };
  }
  try {
    const answer = await ask(socketPath, path, timeoutMs);
    return answer.status === 200 ? { answer } : { silence: failed(`HTTP ${answer.status}: ${answer.body}`) };
  } catch (error) {
    return { silence: failed(errorWords(error)) };
  }
}

export function createEngineProbe({ timeoutMs }: CheckOf<'engine'>, socketPath: string): Probe {
  return async () => {
    const said = await asked(socketPath, '/_ping', timeoutMs);
    return said.answer ? { passed: true, output: said.answer.body } : said.silence;
  };
}

/** What the list of containers says of one; "Up 2 minutes (healthy)". */
const Containers = v.array(v.object({ Names: v.array(v.string()), State: v.string(), Status: v.string() }));
type Container = v.InferOutput<typeof Containers>[number];

type Listed =
  | { readonly containers: readonly Container[] }
  | { readonly containers?: undefined; readonly silence: Outcome };

/** All that fit, ended ones too, the newest first; or why there is no list. */
export async function listContainers(
  socketPath: string,
  filters: Readonly<Record<string, readonly string[]>>,
  timeoutMs: number,
): Promise<Listed> {
  const path = `/containers/json?all=true&filters=${encodeURIComponent(JSON.stringify(filters))}`;
  const said = await asked(socketPath, path, timeoutMs);
  if (!said.answer) return said;
  const found = v.safeParse(Containers, parsed(said.answer.body));
  return found.success
    ? { containers: found.output }
    : { silence: failed('the engine lists containers in an unknown form') };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The first that runs and is healthy. One without a health check of its own has nothing in parentheses. */
export function inState(all: readonly Container[]) {
  const good = all.find(({ State, Status }) => State === 'running' && !/\((?!healthy\))/.test(Status));
  return { good, words: (each: Container) => `${each.Names[0]?.slice(1) ?? '?'}: ${each.Status}` };
}

export function createContainerProbe(check: CheckOf<'container'>, socketPath: string): Probe {
  return async () => {
    const listed = await listContainers(socketPath, filters(check), check.timeoutMs);
    if (!listed.containers) return listed.silence;
    if (listed.containers.length === 0) return failed(`no container with ${check.by} ${check.value}`);
    const { good, words } = inState(listed.containers);
    return good ? { passed: true, output: words(good) } : failed(listed.containers.map(words).join(', '));
  };
}

/** The engine takes names for regular expressions. */
const filters = ({ by, value }: CheckOf<'container'>): Record<string, string[]> =>
  by === 'label' ? { label: [value] } : { name: [`^/${value.replaceAll(/[.]/g, '\\.')}$`] };

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
