// Wiring of the agent: environment, links to the managers, applier, keeper, reports. Started and watched by init.sh.
//
//   coordinator ──assignment──▶ links ──▶ applier ──tested config──▶ keeper ──▶ keepalived
//        ▲                                                 FIFO, log, dumps │
//        └──────────────report────── (this file) ◀── states, pauses, kernel addresses
import { mkdirSync, openSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { createHttpServer, listenTcp } from '../shared/io/http.ts';
import { createLog, type Log } from '../shared/io/log.ts';
import { SettingError } from '../shared/io/settings.ts';
import { type Hello, protocolVersion, type Report } from '../shared/protocol.ts';
import { version } from '../shared/version.ts';
import { createApplier } from './applier.ts';
import { type AgentConfig, readConfig } from './config.ts';
import { visibleInterfaces } from './core/kernel.ts';
import { buildReport, type ReportInput } from './core/report.ts';
import { createHandOver } from './hand-over.ts';
import { testConfig } from './io/config-test.ts';
import { readKeepalivedVersion } from './io/keepalived-process.ts';
import { readProcessPriority } from './io/process-priority.ts';
import { createRenderer } from './io/template.ts';
import { createLinks, type Links } from './links.ts';
import { createNodeSide, type Events } from './node-side.ts';
import { createPages, notServed } from './pages.ts';
import { createQuarantine } from './quarantine.ts';
import { createReporter } from './reporter.ts';

/** EX_CONFIG of sysexits.h: init.sh does not try again. */
const exitConfig = 78;
const heartbeatPeriodMs = 1000;
/** How long a stop waits for notify scripts: PID 1 allows 8 s in all, a hand-over takes up to 6.3. */
const lastWordsMs = 500;
/** How long a cold start waits for a coordinator before it uses what it was told last. */
const coldStartMs = 3000;

const now = () => performance.now();

async function main(): Promise<void> {
  const config = configOrExit();
  const log = createLog('agent', config.logLevel).child({ node: config.nodeId, hostname: config.hostname });
  endOnBug(log);
  mkdirSync(config.paths.runDir, { recursive: true, mode: 0o700 });
  beat(config.paths.heartbeat);
  for (const note of config.notes) log.warn({ event: 'setting-note' }, note);
  const keepalivedVersion = await readKeepalivedVersion();
  log.info({ event: 'started', version, keepalivedVersion }, 'agent started');

  const events: Events = {
    onKernelChange: () => undefined,
    onGone: () => undefined,
    onSurroundings: () => undefined,
    onChange: () => undefined,
    send: () => undefined,
  };
  const onChange = () => events.onChange();
  const node = await createNodeSide(config, log, events);
  const { keeper, kernel, store, states, history, parts, problems, observer } = node;
  const priority = await readProcessPriority(config);
  for (const problem of priority.problems) problems.set(problem);
  const quarantine = createQuarantine({ config, store, log });
  const lastRun = quarantine.lastRun();
  await keeper.begin(lastRun);
  const render = createRenderer(new URL('./keepalived.conf.njk', import.meta.url));
  const applier = createApplier({
    config,
    log,
    problems,
    processLines: priority.lines,
    store,
    keeper,
    render,
    test: (text) => testConfig(config.paths.configTest, text),
    quarantine,
    observer,
    kernel: kernel.current,
    holds: (group) => states.current().get(group)?.state === 'MASTER',
    onChange,
  });
  events.onKernelChange = () => {
    observer.look();
    applier.reconsider();
    node.holding.look();
  };
  events.onGone = observer.gone;
  events.onSurroundings = () => {
    applier.reconsider();
    node.holding.look();
  };

  const reportOn = (running: ReportInput['running']): Report => {
    const { phase, restarts } = keeper.supervise();
    return buildReport({
      interfaces: visibleInterfaces(kernel.current(), node.owned.all()),
      kernel: kernel.current(),
      running,
      idle: applier.idle(),
      rejected: applier.rejected(),
      phase,
      restarts,
      states: states.current(),
      observed: observer.observed(),
      pauses: parts.current(),
      checks: node.checks.results(),
      problems: problems.all(),
    });
  };
  const report = () => reportOn(keeper.supervise().running);
  let leaving = false;
  const reporter = createReporter(report, (text) => links.send(text));
  events.onChange = reporter.changed;
  events.send = (text) => links.send(text);
  const links: Links = createLinks({
    config,
    log,
    store,
    problems,
    hello: () => helloFrame(config, keepalivedVersion),
    random: Math.random,
    // Whoever leaves takes no more orders: the next life is told again.
    onAssignment: (assignment) => leaving || applier.receive(assignment),
    onTasks: node.tasks.receive,
    onWelcome() {
      reporter.resend();
      history.resend();
    },
    onChange,
  });
  // An adopted keepalived runs already; a cold start gives the coordinators a moment.
  const coldStart = setTimeout(applier.useCached, keeper.supervise().phase === 'stopped' ? coldStartMs : 0);
  const server = createHttpServer(
    createPages(report, () => {
      const { running, loading, wanted } = keeper.supervise();
      return {
        report: report(),
        instances: reportOn(running ?? loading ?? wanted).instances,
        up: keeper.isAlive(),
        dump: keeper.lastDump(),
        links: links.status(),
        fifo: states.counters(),
        holding: node.holding.counters(),
        reloads: { ...keeper.reloads(), rejected: applier.rejections() },
        standsAside: (group) =>
          wanted?.instances.some((each) => each.group === group && each.standAside !== undefined) ?? false,
        checking: node.checks.isRunning,
        leaseSeconds: config.leaseSeconds,
        leases: node.leases.stats(),
        foreign: observer.foreign(),
        agentVersion: version,
        keepalivedVersion,
      };
    }),
  );
  listenTcp(server, config.metricsListen).catch((error: unknown) => problems.set(notServed(error)));

  const handOver = createHandOver({ parts, log, now });
  const leave = async (signal: string) => {
    if (leaving) return handOver.hasten();
    leaving = true;
    node.holding.stop();
    log.info({ event: 'stopping', signal }, 'hands over, stops keepalived and ends');
    clearTimeout(coldStart);
    // A dead keepalived has nothing to hand over, whatever it said last.
    if (config.handOver && keeper.isAlive()) await handOver.run();
    await keeper.leave();
    history.flush();
    parts.stop();
    node.leases.stop();
    await node.notifier.finish(lastWordsMs);
    reporter.stop();
    // The last word, "nothing runs here", lets the coordinators forget this node at once.
    reporter.resend();
    links.close();
    kernel.stop();
    observer.stop();
    server.close();
    await sleep(50);
    log.info({ event: 'stopped' }, 'keepalived has ended');
    process.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void leave(signal));
}

/** The next life of the agent adopts the running keepalived; going on with a broken state would be worse. */
function endOnBug(log: Log): void {
  for (const kind of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(kind, (error: unknown) => {
      const words = error instanceof Error ? error.stack : String(error);
      log.fatal({ event: 'bug', kind, error: words }, 'ends by a bug; keepalived goes on');
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
  // The count only grows, so it is written over the one before: opening and emptying a file each second was an eighth of
  // what the agent used at rest.
  const fd = openSync(file, 'w', 0o600);
  let count = 0;
  const write = () => {
    count += 1;
    writeSync(fd, `${count}\n`, 0);
  };
  write();
  setInterval(write, heartbeatPeriodMs);
}

function helloFrame(config: AgentConfig, keepalivedVersion: string): Hello {
  return {
    type: 'hello',
    protocol: protocolVersion,
    node: config.nodeId,
    hostname: config.hostname,
    agentVersion: version,
    keepalivedVersion,
    clockMs: Date.now(),
  };
}

await main();
