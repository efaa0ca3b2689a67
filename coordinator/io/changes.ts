// The overview as browsers follow it: a document with a version, and a stream of server-sent events that says which
// version is current. An event means "look again", nothing more: a lost one harms nobody, a slow reader holds up
// nothing, and a page that cannot stream asks for the document every few seconds instead.
import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { type Answer, json, type Stream } from '../../shared/io/http.ts';

export interface ChangesOptions {
  /** The document; undefined while there is none. */
  look(): object | undefined;
  /** Unix milliseconds, for the readers' ages. */
  now(): number;
  /** How soon a change is seen. Looking takes at most a tenth of the time, however large the Swarm. */
  everyMs?: number;
  /** How often a stream says something when nothing changes. */
  beatMs?: number;
  mostClients?: number;
  /** Streams end after this; browsers come back. So nothing is held for ever by a client that has gone silently. */
  lifeMs?: number;
}

export interface Changes {
  document(): Answer;
  stream(): Answer | Stream;
}

interface Version {
  name: string;
  answer: Answer;
}

/** A client that lets so much pile up is dropped: events are some 60 bytes. */
const mostBehindBytes = 16_384;
const share = 10;

export function createChanges(options: ChangesOptions): Changes {
  const { look, now, everyMs = 500, beatMs = 5_000, mostClients = 64, lifeMs = 600_000 } = options;
  const clients = new Set<ServerResponse>();
  let current: Version = none;
  let freshUntilMs = Number.NEGATIVE_INFINITY;
  let paceMs = everyMs;
  let said = { name: '', ms: 0 };
  let timer: NodeJS.Timeout | undefined;

  /** The document as of now, or as of a moment ago: many clients cost as much as one. */
  function version(): Version {
    const began = performance.now();
    if (began < freshUntilMs) return current;
    current = versionOf(look());
    const ended = performance.now();
    paceMs = Math.max(everyMs, (ended - began) * share);
    freshUntilMs = ended + paceMs;
    return current;
  }

  function tick(): void {
    timer = undefined;
    let name: string;
    try {
      ({ name } = version());
    } catch {
      // Readers come back, and are told by the document itself what is wrong.
      for (const client of clients) client.end();
      return;
    }
    // Compared with what was said, not with what was seen last: somebody may have asked for the document since.
    const ms = performance.now();
    if (name !== said.name || ms - said.ms >= beatMs) {
      said = { name, ms };
      for (const client of clients) say(client, name);
    }
    schedule();
  }

  /** Nothing is looked at while nobody watches. */
  function schedule(): void {
    if (clients.size > 0) timer ??= setTimeout(tick, Math.min(paceMs, beatMs));
  }

  function say(client: ServerResponse, name: string): void {
    client.write(`event: version\ndata: ${JSON.stringify({ version: name, nowMs: now() })}\n\n`);
    if (client.writableLength > mostBehindBytes) client.destroy();
  }

  function follow(client: ServerResponse, name: string): void {
    client.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      // A proxy that buffers would make the page look as if nothing happened.
      'x-accel-buffering': 'no',
    });
    const end = setTimeout(() => client.end(), lifeMs).unref();
    client.on('error', () => client.destroy());
    client.on('close', () => {
      clearTimeout(end);
      clients.delete(client);
      if (clients.size > 0) return;
      clearTimeout(timer);
      timer = undefined;
    });
    clients.add(client);
    client.write('retry: 2000\n');
    say(client, name);
    schedule();
  }

  return {
    document: () => version().answer,
    stream() {
      if (clients.size < mostClients) {
        const { name } = version();
        return { stream: (client) => follow(client, name) };
      }
      const error = `${mostClients} clients follow already; ask for the overview instead`;
      return { ...json(503, { error }), headers: { 'retry-after': '30' } };
    },
  };
}

const none: Version = { name: 'none', answer: json(503, { error: 'Swarm has not been read yet' }) };

function versionOf(value: object | undefined): Version {
  if (value === undefined) return none;
  const answer = json(200, value);
  const name = createHash('sha256').update(answer.body).digest('hex').slice(0, 16);
  return { name, answer: { ...answer, etag: `W/"${name}"` } };
}
