// The part of groups.yaml that says how a group is checked and who is told. Meaning: groups-file-checks.ts.
import * as v from 'valibot';

const whole = (least: number, most: number, what = 'a whole number') => {
  const words = `expected ${what} from ${least} to ${most}`;
  return v.pipe(v.number(words), v.integer(words), v.minValue(least, words), v.maxValue(most, words));
};
const described = <T extends v.GenericSchema>(schema: T, description: string) =>
  v.pipe(schema, v.description(description));
const words = (text: string, most: number, pattern: RegExp) =>
  v.pipe(v.string(text), v.maxLength(most, text), v.regex(pattern, text));

const duration = 'expected a duration such as 500ms, 2s or 1m';
const Duration = words(duration, 40, /^(\d+(\.\d+)?(ms|s|m|h|d))+$/);
const file = 'expected the name of a file in the checks directory, without a path';
const File = words(file, 64, /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/);
const plain = 'expected text on one line';
const Line = words(plain, 255, /^[ -~\u00a0-\uffff]*$/);
const status = 'expected HTTP status codes such as 200, 200-299 or [200, 301]';
const Status = v.union(
  [whole(100, 599, 'an HTTP status'), words(status, 7, /^[1-5]\d\d ?- ?[1-5]\d\d$/)],
  status,
);

const Tls = v.strictObject({
  verify: v.optional(described(v.boolean('expected true or false'), 'false: any certificate will do')),
  server_name: v.optional(
    described(
      words('expected a host name', 253, /^[A-Za-z0-9][A-Za-z0-9._-]*$/),
      'Name that the certificate must be for',
    ),
  ),
  ca_file: v.optional(described(File, 'Certificates to trust; a file in the checks directory')),
});

const Http = v.strictObject({
  url: described(
    words('expected a URL such as http://127.0.0.1:8080/health', 1000, /^https?:\/\/[\x21-\x7e]+$/),
    'Asked for on each node by itself, so usually http://127.0.0.1:PORT/…',
  ),
  method: v.optional(v.picklist(['GET', 'HEAD', 'OPTIONS', 'POST'], 'expected GET, HEAD, OPTIONS or POST')),
  headers: v.optional(
    v.record(
      words('expected the name of a header', 64, /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/),
      words('expected the value of a header: printable ASCII on one line', 512, /^[\x20-\x7e]*$/),
    ),
  ),
  status: v.optional(
    described(
      v.union([Status, v.pipe(v.array(Status), v.minLength(1, status), v.maxLength(16, status))], status),
      'Codes and ranges that pass; 200-299 when not said',
    ),
  ),
  body: v.optional(described(Line, 'Text that the body must contain')),
  tls: v.optional(Tls),
});

const Tcp = v.strictObject({
  address: described(
    words(
      'expected HOST:PORT such as 127.0.0.1:5432 or [::1]:5432',
      260,
      /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9][A-Za-z0-9._-]*):\d{1,5}$/,
    ),
    'HOST:PORT; the kernel accepts for a process that hangs, so better expect an answer',
  ),
  send: v.optional(
    described(words('expected text', 512, /^[\t\r\n -~\u00a0-\uffff]*$/), 'Sent once connected'),
  ),
  expect: v.optional(
    described(
      v.pipe(v.string(plain), v.minLength(1, plain), v.maxLength(255, plain)),
      'Text that the answer must contain',
    ),
  ),
});

const Arguments = v.pipe(v.array(Line), v.maxLength(16, 'expected at most 16 arguments'));
const ScriptMap = v.strictObject({
  file: File,
  args: v.optional(Arguments),
  shell: v.optional(described(v.boolean('expected true or false'), 'Run by /bin/sh instead of by itself')),
});
const Script = v.union([File, ScriptMap], `${file}, or {file: …, args: […]}`);
export type ScriptEntry = v.InferOutput<typeof Script>;

const Container = v.strictObject({
  name: v.optional(words('expected the name of a container', 128, /^[A-Za-z0-9][A-Za-z0-9_.-]*$/)),
  label: v.optional(
    described(
      words('expected a label such as KEY or KEY=VALUE', 255, /^[A-Za-z0-9][ -~]*$/),
      'Such as com.docker.swarm.service.name=web: a task of the service runs on this node',
    ),
  ),
});

const CheckEntrySchema = v.strictObject({
  name: v.optional(
    described(
      words('expected 1 to 32 of A-Z a-z 0-9 _ . -', 32, /^[A-Za-z0-9][A-Za-z0-9_.-]*$/),
      'How status and metrics call it; needed when there are two of one kind',
    ),
  ),
  http: v.optional(described(Http, 'An HTTP request from the node')),
  tcp: v.optional(described(Tcp, 'A TCP connection from the node')),
  script: v.optional(
    described(Script, 'A file of the mounted directory /etc/swarm-vip/checks; exit code 0 passes'),
  ),
  engine: v.optional(
    described(
      v.literal(true, 'expected true'),
      'The local Docker Engine answers; its socket must be mounted',
    ),
  ),
  container: v.optional(
    described(
      Container,
      'A container of the local Docker Engine runs and is healthy; the socket of the engine must be mounted',
    ),
  ),
  service: v.optional(
    described(
      words(
        'expected the name of a Swarm service, such as STACK_SERVICE',
        63,
        /^[A-Za-z0-9][A-Za-z0-9_.-]*$/,
      ),
      'A task of this Swarm service runs on the node and is healthy, by its engine where the socket of that is ' +
        'mounted, else by Swarm’s task list',
    ),
  ),
  interval: v.optional(described(Duration, 'Time from run to run; 2s when not said')),
  schedule: v.optional(
    described(
      words('expected a cron expression such as "*/5 * * * *"', 120, /^[0-9*,/ -]+$/),
      'Cron expression instead of an interval, with 5 fields, or 6 with seconds; in the time zone of the agent (UTC)',
    ),
  ),
  jitter: v.optional(described(Duration, 'Random time on top; a tenth of the interval when not said')),
  timeout: v.optional(described(Duration, 'Longest time of a run; 1s when not said')),
  rise: v.optional(described(whole(1, 100), 'Passes in a row until a failing check passes; 2 when not said')),
  fall: v.optional(
    described(whole(1, 100), 'Failures in a row until a passing check fails; 3 when not said'),
  ),
  weight: v.optional(
    described(
      whole(-253, -1),
      'Added to the priority of the node while the check fails; the address moves when another is then higher, and ' +
        'somebody always holds it. Without it a failing check is a fault: the node holds nothing, whoever else does',
    ),
  ),
});
export type CheckEntry = v.InferOutput<typeof CheckEntrySchema>;

export const checkSchemas = {
  checks: v.optional(
    described(
      v.pipe(v.array(CheckEntrySchema), v.minLength(1), v.maxLength(8)),
      'Health checks, run by the agent of every member',
    ),
  ),
  notify: v.optional(
    described(
      Script,
      'A file of the mounted directory /etc/swarm-vip/checks, run on every change of state with the arguments ' +
        'INSTANCE NAME STATE PRIORITY',
    ),
  ),
};

/** Keys that may stand where a path within `checks` leads. */
export function checkKeysAt([, , kind, part]: readonly (string | number)[]): string[] {
  const inner = { http: part === 'tls' ? Tls : Http, tcp: Tcp, script: ScriptMap, container: Container }[
    String(kind)
  ];
  return Object.keys((inner ?? CheckEntrySchema).entries);
}
