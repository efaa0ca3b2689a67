// Debian's Prometheus and Alertmanager in the lab's client, with the files that operators get: only names of hosts and
// durations are filled in.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import * as v from 'valibot';
import type { Lab } from '../lab/lab.ts';
import { nodeSocket } from '../lab/names.ts';
import { until } from '../lab/run.ts';
import { quickRules } from './quick-rules.ts';

const root = new URL('../..', import.meta.url).pathname;
export const monitoring = `${root}coordinator/monitoring/`;

export type Discovery = 'http-sd' | 'dockerswarm-sd' | 'static';

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: string;
}

export interface Notification {
  readonly status: 'firing' | 'resolved';
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly atMs: number;
}

export interface Monitor {
  /** An instant query. */
  query(expression: string): Promise<Sample[]>;
  /** Health of each target, by "job node-or-coordinator". */
  targets(): Promise<Map<string, string>>;
  /** What the webhook has received, oldest first. */
  notifications(): readonly Notification[];
  /** Any page in the lab's network. */
  fetch(url: string): Promise<{ status: number; body: string }>;
  /** A TCP port at its own address. */
  openPort(port: number): Promise<void>;
  closePort(port: number): Promise<void>;
  stop(): Promise<void>;
}

const Answer = v.object({
  status: v.literal('success'),
  data: v.object({
    result: v.array(
      v.object({
        metric: v.record(v.string(), v.string()),
        value: v.tuple([v.number(), v.string()]),
      }),
    ),
  }),
});
const Targets = v.object({
  data: v.object({
    activeTargets: v.array(v.object({ labels: v.record(v.string(), v.string()), health: v.string() })),
  }),
});
const Received = v.object({
  alerts: v.array(
    v.object({
      status: v.picklist(['firing', 'resolved']),
      labels: v.record(v.string(), v.string()),
      annotations: v.record(v.string(), v.string()),
    }),
  ),
});
const Line = v.object({
  id: v.optional(v.number()),
  answer: v.optional(v.object({ status: v.optional(v.number(), 0), body: v.optional(v.string(), '') })),
  error: v.optional(v.string()),
  received: v.optional(Received),
});

const alertmanager = `
route:
  receiver: webhook
  group_by: ['...']
  group_wait: 100ms
  group_interval: 1s
  repeat_interval: 1h
receivers:
  - name: webhook
    webhook_configs: [{ url: 'http://127.0.0.1:9099/', send_resolved: true }]
`;

/** An example as it is, with the lab's hosts in the place of its placeholders, in a test's time. */
function configured(lab: Lab, discovery: Discovery): string {
  const [one, two, three] = lab.nodes().map(({ address }) => address);
  const managers = lab.nodes().filter(({ manager }) => manager);
  return readFileSync(`${monitoring}prometheus.${discovery}.yaml`, 'utf8')
    .replaceAll('WORKER-1', two ?? '')
    .replaceAll('WORKER-2', three ?? '')
    .replaceAll(/MANAGER-(\d)/g, (_, n: string) => managers[Number(n) - 1]?.address ?? one ?? '')
    .replaceAll('/var/run/docker.sock', nodeSocket(lab.names, 'node1'))
    .replaceAll('refresh_interval: 30s', 'refresh_interval: 1s')
    .replaceAll('scrape_interval: 5s', 'scrape_interval: 1s\n    scrape_timeout: 900ms')
    .concat('\nglobal: { evaluation_interval: 1s }\n');
}

/** @param part of the lab's network that it runs in: one for each */
export async function startMonitor(
  lab: Lab,
  discovery: Discovery,
  part: 'client' | 'control' = 'client',
): Promise<Monitor> {
  const directory = mkdtempSync(join(tmpdir(), 'monitor-'));
  const rules = readFileSync(`${monitoring}alerts.yaml`, 'utf8');
  writeFileSync(join(directory, 'alerts.yaml'), quickRules(rules, { for: '3s', window: '1m' }));
  writeFileSync(join(directory, 'prometheus.yaml'), configured(lab, discovery));
  writeFileSync(join(directory, 'alertmanager.yaml'), alertmanager);

  const children: ChildProcess[] = [];
  const logs: string[] = [];
  const start = (stdin: 'ignore' | 'pipe', ...command: string[]) => {
    const [file = '', ...args] = lab.execCommand(part, command);
    const child = spawn(file, args, { stdio: [stdin, 'pipe', 'pipe'], cwd: root });
    child.stderr?.on('data', (chunk) => logs.push(String(chunk)));
    children.push(child);
    return child;
  };
  const station = start('pipe', process.execPath, '--import', 'tsx', 'test/watch/station.ts');
  const waiting = new Map<number, (line: v.InferOutput<typeof Line>) => void>();
  const notifications: Notification[] = [];
  if (station.stdout) {
    createInterface({ input: station.stdout }).on('line', (text) => {
      const line = v.parse(Line, JSON.parse(text));
      if (line.id !== undefined) waiting.get(line.id)?.(line);
      for (const alert of line.received?.alerts ?? []) notifications.push({ ...alert, atMs: Date.now() });
    });
  }
  let serial = 0;
  const order = (what: object) =>
    new Promise<{ status: number; body: string }>((resolve, reject) => {
      serial += 1;
      const id = serial;
      waiting.set(id, ({ answer, error }) => {
        waiting.delete(id);
        if (answer) resolve(answer);
        else reject(new Error(error));
      });
      station.stdin?.write(`${JSON.stringify({ id, ...what })}\n`);
    });
  const ask = async (path: string): Promise<unknown> => {
    const { status, body } = await order({ url: `http://127.0.0.1:9090${path}` });
    if (status !== 200) throw new Error(`Prometheus answers ${status} to ${path}: ${body.slice(0, 500)}`);
    return JSON.parse(body);
  };
  const stop = async () => {
    await Promise.all(
      children.map((child) => {
        if (child.exitCode !== null || child.signalCode !== null) return undefined;
        const ended = new Promise((resolve) => child.once('close', resolve));
        child.kill('SIGKILL');
        return ended;
      }),
    );
    rmSync(directory, { recursive: true, force: true });
  };

  start(
    'ignore',
    'prometheus-alertmanager',
    `--config.file=${directory}/alertmanager.yaml`,
    `--storage.path=${directory}/alertmanager`,
    '--web.listen-address=127.0.0.1:9093',
    '--cluster.listen-address=',
  );
  start(
    'ignore',
    'prometheus',
    `--config.file=${directory}/prometheus.yaml`,
    `--storage.tsdb.path=${directory}/prometheus`,
    '--web.listen-address=127.0.0.1:9090',
  );
  try {
    for (const port of [9090, 9093]) {
      await until(
        `port ${port} to be ready`,
        () =>
          order({ url: `http://127.0.0.1:${port}/-/ready` }).then(
            ({ status }) => status === 200 || undefined,
            () => undefined,
          ),
        { timeoutMs: 30_000, everyMs: 200 },
      );
    }
  } catch (error) {
    await stop();
    throw new Error(`${String(error)}\n${logs.join('').slice(-3000)}`);
  }

  return {
    async query(expression) {
      const answer = v.parse(Answer, await ask(`/api/v1/query?query=${encodeURIComponent(expression)}`));
      return answer.data.result.map(({ metric, value: [, value] }) => ({ labels: metric, value }));
    },
    async targets() {
      const { data } = v.parse(Targets, await ask('/api/v1/targets?state=active'));
      return new Map(
        data.activeTargets.map(({ labels, health }) => [
          `${labels['job']} ${labels['node'] ?? labels['coordinator']}`,
          health,
        ]),
      );
    },
    notifications: () => notifications,
    fetch: (url) => order({ url }),
    openPort: async (port) => void (await order({ open: port, host: '0.0.0.0' })),
    closePort: async (port) => void (await order({ close: port })),
    stop,
  };
}
