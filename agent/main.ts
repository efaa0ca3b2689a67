// Wiring of the agent: environment, links to the managers, applier, keeper, reports. Started and watched by init.sh.
//
//   coordinator ──assignment──▶ links ──▶ applier ──tested config──▶ keeper ──▶ keepalived
//        ▲                                                 FIFO, log, dumps │
//        └──────────────report────── (this file) ◀── states, pauses, kernel addresses
import { mkdirSync, writeFileSync } from 'node:fs';
import * as v from 'valibot';
import packageJson from '../package.json' with { type: 'json' };
import { createHttpServer, json, listenTcp } from '../shared/io/http.ts';
import { createLog, type Log } from '../shared/io/log.ts';
import { SettingError } from '../shared/io/settings.ts';
import {
  AssignedInstance,
  Generation,
  type Hello,
  protocolVersion,
  type Report,
} from '../shared/protocol.ts';
import { createApplier } from './applier.ts';
import { type AgentConfig, type Paths, readConfig } from './config.ts';
import { visibleInterfaces } from './core/kernel.ts';
import { buildReport } from './core/report.ts';
import { watchKernel } from './io/addresses.ts';
import { type Dump, jsonSignal } from './io/dump.ts';
import { renderMetrics } from './io/metrics.ts';
import { createProblems } from './io/problems.ts';
import { run } from './io/run.ts';
import { createStateStore } from './io/state-store.ts';
import { createRenderer } from './io/template.ts';
import { createKeeper, createRunConfig, type RunConfig } from './keeper.ts';
import { createLinks } from './links.ts';
import { createOwnedAddresses } from './owned-addresses.ts';
import { createPauses } from './pauses.ts';
import { createVrrpStates } from './vrrp-states.ts';

/** EX_CONFIG of sysexits.h: init.sh does not try again. */
const exitConfig = 78;
const reportPeriodMs = 1000;
const reportDelayMs = 20;
const heartbeatPeriodMs = 1000;
/** How long a cold start waits for a coordinator before it uses what it was told last. */
const coldStartMs = 3000;
/** Scrapes within this time share one dump: a dump is a signal to keepalived. */
const dumpAgeMs = 5000;

async function main(): Promise<void> {
  const config = configOrExit();
  const log = createLog('agent', config.logLevel).child({ node: config.nodeId });
  const { paths } = config;
  mkdirSync(paths.runDir, { recursive: true, mode: 0o700 });
  beat(paths.heartbeat);
  for (const note of config.notes) log.warn({ event: 'setting-note' }, note);
  const keepalivedVersion = await readKeepalivedVersion();
  log.info({ event: 'started', version: packageJson.version, keepalivedVersion }, 'agent started');

  const now = () => performance.now();
  const wallNow = () => Date.now();
  let onChange: () => void = () => undefined;
  const changed = () => onChange();
  const problems = createProblems(log, changed);
  const store = createStateStore(problems);
  let onKernelChange: () => void = () => undefined;
  const kernel = watchKernel(log, () => {
    onKernelChange();
    changed();
  });
  const pauses = createPauses({
    dir: paths.pauseDir,
    log,
    problems,
    now,
    wallNow,
    interfaceUp: (name) => kernel.current().some((link) => link.name === name && link.up),
    onChange: changed,
  });
  const owned = createOwnedAddresses(paths.owned, { store, kernel, log });
  const states = createVrrpStates({ log, wallNow, onChange: changed });
  const keeper = createKeeper({
    config,
    log,
    problems,
    owned,
    states,
    pauses,
    jsonSignal: await jsonSignal(),
    now,
    onChange: changed,
  });
  await kernel.refresh();
  const lastRun = readLastRun(paths, store);
  await keeper.begin(lastRun);
  const render = createRenderer(new URL('./keepalived.conf.njk', import.meta.url));
  const applier = createApplier({
    config,
    log,
    store,
    keeper,
    render,
    kernel: kernel.current,
    onChange: changed,
  });
  onKernelChange = applier.reconsider;

  const report = (): Report => {
    const { phase, restarts, running } = keeper.supervise();
    return buildReport({
      interfaces: visibleInterfaces(kernel.current(), owned.all()),
      kernel: kernel.current(),
      running,
      idle: applier.idle(),
      rejected: applier.rejected(),
      phase,
      restarts,
      states: states.current(),
      pauses: pauses.current(),
      problems: problems.all(),
    });
  };

  const sender = createReporter(report, (text) => links.send(text));
  onChange = sender.changed;
  const links = createLinks({
    config,
    log,
    store,
    hello: helloFrame(config, keepalivedVersion),
    random: Math.random,
    onAssignment: applier.receive,
    onWelcome: sender.resend,
    onChange: changed,
  });
  // An adopted keepalived runs already; a cold start gives the coordinators a moment.
  const coldStart = setTimeout(applier.useCached, keeper.supervise().phase === 'stopped' ? coldStartMs : 0);

  const dumps = createDumpCache(keeper.dump, now);
  const isUp = () => ['running', 'gating', 'reloading'].includes(keeper.supervise().phase);
  const server = createHttpServer({
    '/metrics': async () => ({
      status: 200,
      type: 'text/plain; version=0.0.4; charset=utf-8',
      body: await renderMetrics({
        report: report(),
        up: isUp(),
        dump: isUp() ? await dumps() : undefined,
        links: links.status(),
        fifo: states.counters(),
        agentVersion: packageJson.version,
        keepalivedVersion,
      }),
    }),
    '/healthz': () => {
      const { keepalived, applied, instances, problems: found } = report();
      const healthy = keepalived.phase !== 'backing-off';
      const reason = found.find((problem) => problem.code === 'keepalived-down')?.message;
      const groups = instances.map(({ group, state, held, pause }) => ({ group, state, held, pause }));
      return json(healthy ? 200 : 503, { healthy, keepalived: keepalived.phase, reason, applied, groups });
    },
  });
  listenTcp(server, config.metricsListen).catch((error: unknown) => {
    problems.set({
      code: 'metrics-not-served',
      severity: 'warning',
      where: 'METRICS_LISTEN',
      message: `expected to listen, found ${String(error)}`,
      instead: 'no metrics and no health page; the addresses are served as ever',
      remedy: 'free the port or set METRICS_LISTEN to another one',
    });
  });

  let leaving = false;
  const leave = async (signal: string) => {
    if (leaving) return;
    leaving = true;
    log.info({ event: 'stopping', signal }, 'stops keepalived and ends');
    clearTimeout(coldStart);
    // Make before break belongs here: ask for a hand-over, wait for the successor, then stop.
    await keeper.leave();
    sender.stop();
    pauses.stop();
    links.close();
    kernel.stop();
    server.close();
    log.info({ event: 'stopped' }, 'keepalived has ended');
    process.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void leave(signal));
  endOnBug(log);
}

/** The next life of the agent adopts the running keepalived; going on with a broken state would be worse. */
function endOnBug(log: Log): void {
  for (const kind of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(kind, (error: unknown) => {
      log.fatal(
        { event: 'bug', kind, error: error instanceof Error ? error.stack : String(error) },
        'ends by a bug',
      );
      process.exit(1);
    });
  }
}

function configOrExit(): AgentConfig {
  try {
    return readConfig(process.env);
  } catch (error) {
    if (!(error instanceof SettingError)) throw error;
    createLog('agent', 'info').fatal({ event: 'setting' }, error.message);
    process.exit(exitConfig);
  }
}

/** init.sh kills an agent whose count stands still. */
function beat(file: string): void {
  let count = 0;
  const write = () => {
    count += 1;
    writeFileSync(file, `${count}\n`);
  };
  write();
  setInterval(write, heartbeatPeriodMs);
}

async function readKeepalivedVersion(): Promise<string> {
  const { stdout, stderr } = await run('keepalived', ['--version'], 5_000);
  return /Keepalived v(\S+)/.exec(`${stderr}${stdout}`)?.[1] ?? 'unknown';
}

function helloFrame(config: AgentConfig, keepalivedVersion: string): Hello {
  return {
    type: 'hello',
    protocol: protocolVersion,
    node: config.nodeId,
    hostname: config.hostname,
    agentVersion: packageJson.version,
    keepalivedVersion,
  };
}

/** Sends a report on every change, changes within 20 ms together, and once a second in any case. */
function createReporter(report: () => Report, send: (text: string) => void) {
  let last = '';
  let timer: NodeJS.Timeout | undefined;
  const flush = (always: boolean) => {
    timer = undefined;
    const text = JSON.stringify(report());
    if (!always && text === last) return;
    last = text;
    send(text);
  };
  const period = setInterval(() => flush(true), reportPeriodMs);
  return {
    changed() {
      timer ??= setTimeout(() => flush(false), reportDelayMs);
    },
    resend: () => flush(true),
    stop() {
      clearInterval(period);
      clearTimeout(timer);
    },
  };
}

function createDumpCache(dump: () => Promise<Dump | undefined>, now: () => number) {
  let cached: Dump | undefined;
  let takenMs = Number.NEGATIVE_INFINITY;
  return async () => {
    if (now() - takenMs >= dumpAgeMs) {
      cached = (await dump()) ?? cached;
      takenMs = now();
    }
    return cached;
  };
}

const LastRun = v.object({
  generation: Generation,
  instances: v.array(AssignedInstance),
  text: v.string(),
  settled: v.boolean(),
});

/** What the last life of the agent gave to keepalived. An unsettled one may not have arrived: it is sent again. */
function readLastRun(paths: Paths, store: ReturnType<typeof createStateStore>): RunConfig | undefined {
  const last = store.read(paths.applied, LastRun);
  if (!last) return undefined;
  const config = createRunConfig(last.generation, last.instances, last.text, 0);
  return last.settled ? config : { ...config, key: 'unsettled' };
}

await main();
