// The checks of a group as the schema let them through → checks as agents run them. One that cannot be run as written is
// left out aloud: a bent check would be another one.

import * as v from 'valibot';
import type { Check, Script, Timing } from '../../shared/checks.ts';
import { HttpUrl } from '../../shared/checks.ts';
import { cronFault } from '../../shared/cron.ts';
import type { CheckEntry, ScriptEntry } from './checks-schema.ts';
import { parseDurationMs } from './duration.ts';
import type { Complaint } from './groups-values.ts';
import { readable } from './readable.ts';

/** @param more the path below the entry */
export type ComplainAt = (complaint: Complaint, ...more: (string | number)[]) => void;

const kinds = ['http', 'tcp', 'script', 'engine', 'container', 'service'] as const;
const leftOut = 'this check is left out, the rest of the group is served';

export function readChecks(
  entries: readonly CheckEntry[],
  complain: (complaint: Complaint, index: number, ...more: (string | number)[]) => void,
): Check[] {
  const checks: Check[] = [];
  entries.forEach((entry, index) => {
    const refuse = (message: string, remedy: string, value?: string, ...more: (string | number)[]) => {
      const shown = value === undefined ? {} : { value: readable(value) };
      complain(
        { code: 'check-invalid', severity: 'error', message, remedy, instead: leftOut, ...shown },
        index,
        ...more,
      );
      return undefined;
    };
    const check = readCheck(entry, refuse);
    if (!check) return;
    if (checks.some(({ name }) => name === check.name)) {
      refuse('expected each name once in a group', 'give one of the two another name', check.name);
    } else checks.push(check);
  });
  return checks;
}

type Refuse = (message: string, remedy: string, value?: string, ...more: (string | number)[]) => undefined;

function readCheck(entry: CheckEntry, refuse: Refuse): Check | undefined {
  const named = kinds.filter((kind) => entry[kind] !== undefined);
  const [kind, ...more] = named;
  if (kind === undefined || more.length > 0) {
    const found = named.length === 0 ? 'none' : named.join(' and ');
    return refuse(`expected one of ${kinds.join(', ')}, found ${found}`, 'write one check for each');
  }
  const timing = readTiming(entry, refuse);
  const timeoutMs = readDuration(entry.timeout ?? '1s', 10, 600_000, 'timeout', refuse);
  const test = readTest(entry, refuse);
  if (!timing || timeoutMs === undefined || !test) return undefined;
  const { rise = 2, fall = 3, weight, name = kind } = entry;
  return { ...test, name, timing, timeoutMs, rise, fall, ...(weight === undefined ? {} : { weight }) };
}

type Test =
  | Pick<Extract<Check, { kind: 'http' }>, 'kind' | 'url' | 'method' | 'headers' | 'status' | 'body' | 'tls'>
  | Pick<Extract<Check, { kind: 'tcp' }>, 'kind' | 'host' | 'port' | 'send' | 'expect'>
  | Pick<Extract<Check, { kind: 'script' }>, 'kind' | 'script'>
  | { kind: 'engine' }
  | Pick<Extract<Check, { kind: 'container' }>, 'kind' | 'by' | 'value'>
  | Pick<Extract<Check, { kind: 'service' }>, 'kind' | 'service'>;

function readTest(entry: CheckEntry, refuse: Refuse): Test | undefined {
  const { http, tcp, script, engine, container, service } = entry;
  if (service !== undefined) return { kind: 'service', service };
  if (engine) return { kind: 'engine' };
  if (container) return readContainer(container, refuse);
  if (http) return readHttp(http, refuse);
  if (tcp) return readTcp(tcp, refuse);
  return script === undefined ? undefined : { kind: 'script', script: readScript(script) };
}

export function readScript(entry: ScriptEntry): Script {
  if (typeof entry === 'string') return { file: entry };
  const { file, args = [], shell } = entry;
  return { file, ...(args.length > 0 ? { args } : {}), ...(shell ? { shell: true as const } : {}) };
}

function readHttp(http: NonNullable<CheckEntry['http']>, refuse: Refuse): Test | undefined {
  const { url, method = 'GET', headers = {}, body, tls } = http;
  if (!v.is(HttpUrl, url)) {
    const message = 'expected a URL without user, password and fragment';
    // A URL that was refused may hold a password.
    return refuse(
      message,
      'write it as in http://127.0.0.1:8080/health; credentials go into headers',
      undefined,
      'http',
      'url',
    );
  }
  if (Object.keys(headers).length > 16) {
    return refuse('expected at most 16 headers', 'leave some out', undefined, 'http', 'headers');
  }
  if (tls && !url.startsWith('https:')) {
    return refuse(
      'expected tls only with an https URL',
      'write https:// or leave tls out',
      undefined,
      'http',
      'tls',
    );
  }
  const ranges = [http.status ?? '200-299'].flat().map((item): [number, number] => {
    const [from = 0, to = from] = String(item)
      .split('-')
      .map((part) => Number(part.trim()));
    return [Math.min(from, to), Math.max(from, to)];
  });
  return {
    kind: 'http',
    url,
    method,
    headers,
    status: ranges,
    ...(body === undefined ? {} : { body }),
    ...(tls ? { tls: readTls(tls) } : {}),
  };
}

function readTls({
  verify,
  server_name: serverName,
  ca_file: caFile,
}: NonNullable<NonNullable<CheckEntry['http']>['tls']>) {
  return {
    ...(verify === false ? { insecure: true as const } : {}),
    ...(serverName === undefined ? {} : { serverName }),
    ...(caFile === undefined ? {} : { caFile }),
  };
}

function readTcp(
  { address, send, expect }: NonNullable<CheckEntry['tcp']>,
  refuse: Refuse,
): Test | undefined {
  const [, host = '', digits = ''] = /^\[?(.*?)\]?:(\d+)$/.exec(address) ?? [];
  const port = Number(digits);
  if (port < 1 || port > 65_535) {
    return refuse('expected a port from 1 to 65535', 'write HOST:PORT', address, 'tcp', 'address');
  }
  if (send !== undefined && expect === undefined) {
    return refuse(
      'expected expect beside send',
      'say which text the answer contains',
      undefined,
      'tcp',
      'send',
    );
  }
  return {
    kind: 'tcp',
    host,
    port,
    ...(send === undefined ? {} : { send }),
    ...(expect === undefined ? {} : { expect }),
  };
}

function readContainer(
  { name, label }: NonNullable<CheckEntry['container']>,
  refuse: Refuse,
): Test | undefined {
  if (name !== undefined && label === undefined) return { kind: 'container', by: 'name', value: name };
  if (label !== undefined && name === undefined) return { kind: 'container', by: 'label', value: label };
  const found = name === undefined ? 'neither' : 'both';
  return refuse(`expected name or label, found ${found}`, 'write one of them', undefined, 'container');
}

function readTiming({ interval, schedule, jitter }: CheckEntry, refuse: Refuse): Timing | undefined {
  if (schedule !== undefined) {
    if (interval !== undefined) {
      return refuse('expected interval or schedule, found both', 'remove one', undefined, 'schedule');
    }
    const fault = cronFault(schedule);
    if (fault !== undefined) return refuse(fault, 'correct the expression', schedule, 'schedule');
    const jitterMs = readDuration(jitter ?? '0ms', 0, 3_600_000, 'jitter', refuse);
    return jitterMs === undefined ? undefined : { schedule, jitterMs };
  }
  const intervalMs = readDuration(interval ?? '2s', 100, 86_400_000, 'interval', refuse);
  if (intervalMs === undefined) return undefined;
  const tenth = `${Math.round(intervalMs / 10)}ms`;
  const jitterMs = readDuration(jitter ?? tenth, 0, intervalMs, 'jitter', refuse);
  return jitterMs === undefined ? undefined : { intervalMs, jitterMs };
}

function readDuration(
  text: string,
  least: number,
  most: number,
  key: 'interval' | 'jitter' | 'timeout',
  refuse: Refuse,
): number | undefined {
  const ms = parseDurationMs(text);
  if (ms !== undefined && ms >= least && ms <= most) return ms;
  return refuse(`expected a duration from ${least} ms to ${most} ms`, `write such a ${key}`, text, key);
}
