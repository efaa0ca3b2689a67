// `/api/v1/events?since=MS`: what has happened since then, then what happens, as lines of JSON over HTTP without end.
import type { ServerResponse } from 'node:http';
import { type Answer, json, type Stream } from '../../shared/io/http.ts';
import { problemKey } from '../../shared/problem.ts';
import { type LiveEvent, type StreamHead, type StreamLine, transitionEvent } from '../core/events.ts';
import type { HistoryDocument } from '../core/history.ts';
import type { Snapshot } from '../core/snapshot.ts';
import type { Status } from '../core/status.ts';
import type { EventLog } from '../event-log.ts';

export interface EventSource {
  status(): Status | undefined;
  snapshot(): Snapshot | undefined;
  history(): HistoryDocument | undefined;
  events: Pick<EventLog, 'kept' | 'follow'>;
  now(): number;
  /** All coordinators serve HTTP on the same one. */
  httpPort: number;
}

export const beatMs = 5_000;
const mostStreams = 32;
/** A follower that leaves more unread is dropped. */
const mostBehindBytes = 8 * 1_048_576;

/** @returns the route; every call makes a stream of its own */
export function createEventStream(source: EventSource): (query: URLSearchParams) => Answer | Stream {
  let streams = 0;
  return (query) => {
    const status = source.status();
    const text = query.get('since');
    if (text !== null && !/^\d{1,15}$/.test(text))
      return json(400, { error: 'expected since as Unix milliseconds' });
    if (!status) return json(503, { error: 'Swarm has not been read yet' });
    if (streams >= mostStreams) return json(503, { error: `${mostStreams} follow already` });
    const sinceMs = text === null ? source.now() : Number(text);
    return {
      stream(response) {
        streams += 1;
        serve(response, source, status, sinceMs, () => {
          streams -= 1;
        });
      },
    };
  };
}

function serve(
  response: ServerResponse,
  source: EventSource,
  status: Status,
  sinceMs: number,
  done: () => void,
): void {
  const say = (line: StreamLine) => {
    response.write(`${JSON.stringify(line)}\n`);
    if (response.writableLength > mostBehindBytes) response.destroy();
  };
  response.writeHead(200, {
    'content-type': 'application/x-ndjson',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  const beat = setInterval(() => say({ type: 'beat' }), beatMs);
  const leave = source.events.follow({
    heard(event, recalled) {
      if (!recalled || event.atMs >= sinceMs) say(event);
    },
    ended: () => response.end(),
  });
  response.on('error', () => response.destroy());
  response.on('close', () => {
    clearInterval(beat);
    leave();
    done();
  });
  say(headOf(source, status));
  for (const event of before(source, sinceMs)) say(event);
  say({ type: 'live' });
}

function headOf(source: EventSource, { coordinator, problems }: Status): StreamHead {
  const { node, hostname, role, active } = coordinator;
  const address = source.snapshot()?.nodes.find(({ id }) => id === active?.node)?.addresses[0];
  const host = address?.includes(':') ? `[${address}]` : address;
  const elsewhere = role === 'standby' && host !== undefined && active?.node !== node;
  return {
    type: 'stream',
    apiVersion: 'swarm-vip/v1',
    role,
    coordinator: { node, hostname },
    active: elsewhere ? `http://${host}:${source.httpPort}` : null,
    problems: problems.map((problem) => ({ key: problemKey(problem), problem })),
  };
}

function before(source: EventSource, sinceMs: number): LiveEvent[] {
  const transitions = (source.history()?.transitions ?? []).map(transitionEvent);
  return [...transitions, ...source.events.kept()]
    .filter(({ atMs }) => atMs >= sinceMs)
    .sort((a, b) => a.atMs - b.atMs);
}
