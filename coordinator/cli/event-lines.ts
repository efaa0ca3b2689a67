// The CLI's way to a coordinator's events: the socket of its own container, or the network address of the active one.
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import type { StreamLine } from '../core/events.ts';

/** Three beats. */
const silenceMs = 15_000;

/**
 * Calls back for each line until the stream ends.
 * @param from path of a unix socket, or a URL such as http://10.0.0.1:9167
 * @returns resolves with why it ended; `end` ends it
 */
export function readEventLines(
  from: string,
  sinceMs: number,
  onLine: (line: StreamLine, end: () => void) => void,
): Promise<{ heard: boolean; why: string }> {
  return new Promise((resolve) => {
    let heard = false;
    let rest = '';
    const path = `/api/v1/events?since=${sinceMs}`;
    const finish = (why: string) => {
      outgoing.destroy();
      resolve({ heard, why });
    };
    const take = (text: string) => {
      rest += text;
      const lines = rest.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines.filter((each) => each !== '')) {
        heard = true;
        onLine(JSON.parse(line) as StreamLine, () => finish('ended'));
        if (outgoing.destroyed) return;
      }
    };
    const onResponse = (response: IncomingMessage) => {
      response.setEncoding('utf8');
      if (response.statusCode !== 200) {
        response.on('data', (text: string) => finish(`answer ${response.statusCode}: ${text.trim()}`));
        response.on('end', () => finish(`answer ${response.statusCode}`));
        return;
      }
      response.on('data', (text: string) => {
        try {
          take(text);
        } catch (error) {
          finish(`expected lines of JSON: ${String(error)}`);
        }
      });
      response.on('end', () => finish('the coordinator ended it'));
      response.on('error', ({ message }) => finish(message));
    };
    const outgoing: ClientRequest = from.startsWith('http:')
      ? request(new URL(path, from), onResponse)
      : request({ socketPath: from, path }, onResponse);
    outgoing.setTimeout(silenceMs, () => finish(`silent for ${silenceMs / 1000} s`));
    outgoing.on('error', ({ message }) => finish(message));
    outgoing.end();
  });
}
