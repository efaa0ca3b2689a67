// Health checks and notify scripts as an agent is told to run them, and what it reports of them. Part of protocol.ts.
import * as v from 'valibot';
import { cronFault } from './cron.ts';
import { Words } from './words.ts';

export const CheckName = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$/, 'expected 1 to 32 of A-Z a-z 0-9 _ . -'),
);

/** As Swarm names services; those of a stack begin with its name: web_nginx. */
export const ServiceName = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/, 'expected the name of a Swarm service'),
);

/** A file of the mounted directory: a name, never a path. */
export const ScriptFile = v.pipe(
  v.string(),
  v.regex(
    /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$/,
    'expected the name of a file in the mounted directory, without a path',
  ),
);

const whole = (least: number, most: number) =>
  v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most));
const list = <T extends v.GenericSchema>(item: T, most: number) => v.pipe(v.array(item), v.maxLength(most));
/** Printable, one line: it ends up in requests, argument lists and status tables. */
const line = (most: number) => v.pipe(v.string(), v.maxLength(most), v.regex(/^\P{Cc}*$/u));

/** http and https without credentials: those belong into a header. */
export const HttpUrl = v.pipe(
  v.string(),
  v.maxLength(1000),
  v.check((text) => {
    if (!/^https?:\/\/[\x21-\x7e]+$/.test(text) || !URL.canParse(text)) return false;
    const { username, password, hash } = new URL(text);
    return username === '' && password === '' && hash === '';
  }, 'expected a URL such as http://127.0.0.1:8080/health, without user, password and fragment'),
);

/** Field name as a token (RFC 9110 §5.1), field value as visible ASCII (§5.5). */
export const Headers = v.pipe(
  v.record(
    v.pipe(v.string(), v.regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/)),
    v.pipe(v.string(), v.regex(/^[\x20-\x7e]{0,512}$/)),
  ),
  v.check((headers) => Object.keys(headers).length <= 16, 'expected at most 16 headers'),
);

/** An IP address or a host name. */
export const Host = v.pipe(v.string(), v.regex(/^[A-Za-z0-9:][A-Za-z0-9.:_-]{0,252}$/, 'expected a host'));
export const Cron = v.pipe(
  v.string(),
  v.maxLength(120),
  v.check((text) => cronFault(text) === undefined, 'expected a cron expression'),
);

export const Script = v.object({
  file: ScriptFile,
  args: v.optional(list(line(255), 16)),
  /** Run by /bin/sh; absent: executed itself. */
  shell: v.optional(v.literal(true)),
});
export type Script = v.InferOutput<typeof Script>;

/** At least this much time between two runs; jitter comes on top. Or wall-clock times, in the agent's time zone. */
const Timing = v.union([
  v.object({ intervalMs: whole(100, 86_400_000), jitterMs: whole(0, 86_400_000) }),
  v.object({ schedule: Cron, jitterMs: whole(0, 3_600_000) }),
]);
export type Timing = v.InferOutput<typeof Timing>;

const common = {
  name: CheckName,
  timing: Timing,
  timeoutMs: whole(10, 600_000),
  /** Passes in a row that make a failing check pass, failures in a row that make a passing one fail. */
  rise: whole(1, 100),
  fall: whole(1, 100),
  /** Added to the priority while it fails. Absent: a failing check is a fault, the node holds nothing. */
  weight: v.optional(whole(-253, -1)),
};

const HttpCheck = v.object({
  kind: v.literal('http'),
  url: HttpUrl,
  method: v.picklist(['GET', 'HEAD', 'OPTIONS', 'POST']),
  headers: Headers,
  /** Ranges, both ends included. */
  status: v.pipe(list(v.tuple([whole(100, 599), whole(100, 599)]), 16), v.minLength(1)),
  /** Text that the body must contain. */
  body: v.optional(line(255)),
  tls: v.optional(
    v.object({
      /** Any certificate will do. */
      insecure: v.optional(v.literal(true)),
      serverName: v.optional(Host),
      /** Certificates to trust instead of the usual ones; in the mounted directory. */
      caFile: v.optional(ScriptFile),
    }),
  ),
  ...common,
});
const TcpCheck = v.object({
  kind: v.literal('tcp'),
  host: Host,
  port: whole(1, 65_535),
  send: v.optional(v.pipe(v.string(), v.maxLength(512))),
  /** Text that the answer must contain. Absent: to be connected is enough. */
  expect: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(255))),
  ...common,
});
const ScriptCheck = v.object({ kind: v.literal('script'), script: Script, ...common });

/** The local Docker Engine answers. */
const EngineCheck = v.object({ kind: v.literal('engine'), ...common });
/** A container of the local engine runs and is healthy: an exact name, or a label KEY or KEY=VALUE. */
const ContainerCheck = v.object({
  kind: v.literal('container'),
  by: v.picklist(['name', 'label']),
  value: v.pipe(line(255), v.minLength(1)),
  ...common,
});

/** A task of this Swarm service runs on the node, and is healthy if it says so. */
const ServiceCheck = v.object({ kind: v.literal('service'), service: ServiceName, ...common });

export const Check = v.variant('kind', [
  HttpCheck,
  TcpCheck,
  ScriptCheck,
  EngineCheck,
  ContainerCheck,
  ServiceCheck,
]);
export type Check = v.InferOutput<typeof Check>;
export type CheckOf<Kind extends Check['kind']> = Extract<Check, { kind: Kind }>;

export const maxChecks = 8;
export const Checks = list(Check, maxChecks);

/** How a check stands. Times are Unix milliseconds. */
export const CheckResult = v.object({
  name: CheckName,
  /** Null: it has not run yet. */
  up: v.nullable(v.boolean()),
  sinceMs: whole(0, Number.MAX_SAFE_INTEGER),
  /** Its last result that counted; one that nobody can answer at the moment stands, and grows old. */
  lastRunMs: v.nullable(whole(0, Number.MAX_SAFE_INTEGER)),
  durationMs: v.nullable(whole(0, Number.MAX_SAFE_INTEGER)),
  /** The last words of the last run. */
  output: Words,
  weight: v.optional(whole(-253, -1)),
});
export type CheckResult = v.InferOutput<typeof CheckResult>;
