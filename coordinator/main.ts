// Composition root of the coordinator: makes the real dependencies and connects them.
import { setTimeout as delay } from 'node:timers/promises';
import { type Actions, createHttpServer, json, listenTcp, listenUnix } from '../shared/io/http.ts';
import { createLog, type Log } from '../shared/io/log.ts';
import { SettingError } from '../shared/io/settings.ts';
import { taskPeriodMs } from '../shared/protocol.ts';
import { version } from '../shared/version.ts';
import { createActions } from './actions.ts';
import { type Config, readConfig } from './config.ts';
import { type Coordinator, createCoordinator } from './coordinator.ts';
import { createAgentServer } from './io/agent-server.ts';
import { createEngine } from './io/engine.ts';
import { createKeyRing } from './io/key-ring.ts';
import { startLookLoop } from './io/look-loop.ts';
import { type CoordinatorMetrics, createMetrics } from './io/metrics.ts';
import { overviewRoutes } from './io/overview-routes.ts';
import { createSwarm } from './io/swarm.ts';
import { createRefusals } from './refusals.ts';

async function main(): Promise<void> {
  const config = readConfig(process.env);
  const log = createLog('coordinator', config.logLevel);
  const stop = new AbortController();
  const swarm = createSwarm(createEngine(config.dockerSocket), config.service);
  const self = config.node ?? (await askUntilAnswered(() => swarm.ownNode(), log));

  const refusals = createRefusals(log, Date.now);
  const server = createAgentServer(createKeyRing(config.keys), config.signingKey, {
    admit: (node, address) => coordinator.admit(node, address),
    hello: (hello) => coordinator.hello(hello),
    report: (node, report) => coordinator.report(node, report),
    history: (node, { transitions }) => coordinator.remember(node, transitions),
    gone: (node) => coordinator.gone(node),
    refused: refusals.add,
  });
  const coordinator = createCoordinator({
    self,
    version,
    swarm,
    send: server.send,
    connected: server.connected,
    disconnect: server.disconnect,
    log,
    now: Date.now,
  });

  const http = await serveHttp(
    config,
    coordinator,
    createActions({ coordinator, swarm, log, now: Date.now }),
    createMetrics(version, refusals.counts),
  );
  // Agents are admitted by what Swarm says of them, so the port opens with the first good read.
  let open = false;
  const tasks = startLookLoop(coordinator.lookAtTasks, taskPeriodMs);
  const looks = startLookLoop(async () => {
    if (!(await coordinator.look())) return;
    tasks.again();
    if (open) return;
    open = true;
    await server.listen(config.agentListen).catch(fail);
  });
  swarm.watch(looks.again, stop.signal);
  log.info(
    { event: 'started', version, node: self, agents: config.agentListen, http: config.httpListen },
    'started',
  );

  const shutDown = (signal: string) => {
    log.info({ event: 'stopping', signal }, 'stopping; agents go on with their last assignment');
    stop.abort();
    looks.stop();
    tasks.stop();
    for (const each of http) each.close();
    void server.close().then(() => process.exit(0));
  };
  process.once('SIGTERM', shutDown);
  process.once('SIGINT', shutDown);
}

async function serveHttp(
  config: Config,
  coordinator: Coordinator,
  actions: Actions,
  metrics: CoordinatorMetrics,
) {
  const unread = () => json(503, { error: 'Swarm has not been read yet' });
  const routes = {
    ...overviewRoutes(coordinator, new URL('./page/', import.meta.url), Date.now),
    '/healthz': () => {
      const status = coordinator.status();
      return status
        ? json(200, { ok: true, role: status.coordinator.role, snapshot: status.snapshot })
        : unread();
    },
    '/api/v1/status': () => {
      const status = coordinator.status();
      return status ? json(200, status) : unread();
    },
    '/api/v1/history': () => {
      const history = coordinator.history();
      return history ? json(200, history) : unread();
    },
    '/metrics': async () => {
      const status = coordinator.status();
      if (!status) return unread();
      const body = await metrics.render(status);
      return { status: 200, type: 'text/plain; version=0.0.4; charset=utf-8' as const, body };
    },
  };
  const servers = [createHttpServer(routes), createHttpServer(routes, actions)] as const;
  await listenTcp(servers[0], config.httpListen);
  await listenUnix(servers[1], config.socketPath);
  return servers;
}

/** The engine may start after this container. */
async function askUntilAnswered<T>(ask: () => Promise<T>, log: Log): Promise<T> {
  for (let failures = 0; ; failures++) {
    try {
      return await ask();
    } catch (error) {
      if (failures === 0)
        log.warn({ event: 'engine-silent', error: String(error) }, 'the engine does not answer yet');
      await delay(1_000);
    }
  }
}

function fail(error: unknown): never {
  const words =
    error instanceof SettingError ? error.message : String(error instanceof Error ? error.stack : error);
  process.stderr.write(`swarm-vip coordinator: ${words}\n`);
  process.exit(error instanceof SettingError ? 2 : 1);
}

main().catch(fail);
