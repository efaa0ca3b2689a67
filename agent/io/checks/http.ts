// Check by an HTTP request: status, text in the body, certificate. A connection of its own each time; no redirect is
// followed, since it would check somebody else.
import { readFileSync } from 'node:fs';
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { join } from 'node:path';
import type { CheckOf } from '../../../shared/checks.ts';
import { errorWords, failed, type Outcome, type Probe } from './outcome.ts';

type HttpCheck = CheckOf<'http'>;
/** As much of a body is read. */
const most = 65_536;

/** @param directory where `tls.caFile` is mounted */
export function createHttpProbe(check: HttpCheck, directory: string): Probe {
  return () =>
    new Promise<Outcome>((resolve) => {
      const end = (outcome: Outcome) => {
        clearTimeout(timer);
        request?.destroy();
        resolve(outcome);
      };
      const timer = setTimeout(() => end(failed(`no answer within ${check.timeoutMs} ms`)), check.timeoutMs);
      let request: ReturnType<typeof requestHttp> | undefined;
      try {
        request = open(check, directory);
      } catch (error) {
        return end(failed(errorWords(error)));
      }
      request.on('error', (error) => end(failed(errorWords(error))));
      request.on('response', (response) => judge(check, response, end));
      request.end();
    });
}

function open({ url, method, headers, tls }: HttpCheck, directory: string) {
  const options = { method, headers: { 'user-agent': 'swarm-vip-check', ...headers }, agent: false };
  if (url.startsWith('http:')) return requestHttp(url, options);
  return requestHttps(url, {
    ...options,
    rejectUnauthorized: tls?.insecure !== true,
    ...(tls?.serverName === undefined ? {} : { servername: tls.serverName }),
    // Read each time: a rotated file counts at once.
    ...(tls?.caFile === undefined ? {} : { ca: readFileSync(join(directory, tls.caFile)) }),
  });
}

function judge(check: HttpCheck, response: IncomingMessage, end: (outcome: Outcome) => void): void {
  const code = response.statusCode ?? 0;
  const line = `HTTP ${code}`;
  if (!check.status.some(([from, to]) => code >= from && code <= to)) {
    const wanted = check.status.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(', ');
    end(failed(`${line}, expected ${wanted}`));
    return;
  }
  let seen = 0;
  const parts: Buffer[] = [];
  const decide = () => {
    const body = Buffer.concat(parts).toString('utf8');
    if (check.body === undefined || body.includes(check.body)) return end({ passed: true, output: line });
    end(failed(`${line}, but ${JSON.stringify(check.body)} is not in the first ${seen} bytes of the body`));
  };
  response.on('data', (data: Buffer) => {
    seen += data.length;
    parts.push(data);
    if (seen >= most) decide();
  });
  response.on('end', decide);
  response.on('error', (error) => end(failed(`${line}, then ${errorWords(error)}`)));
  response.on('aborted', () => end(failed(`${line}, then the connection broke`)));
}
