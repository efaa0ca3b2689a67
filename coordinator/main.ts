// Composition root of the coordinator: makes the real dependencies and connects them.
import { setTimeout as delay } from 'node:timers/promises';
import type Docker from 'dockerode';
import { createHttpServer, listenUnix, pageListener } from '../shared/io/http.ts';
import { createLog, type Log } from '../shared/io/log.ts';
import { SettingError } from '../shared/io/settings.ts';
import { taskPeriodMs } from '../shared/protocol.ts';
import { version } from '../shared/version.ts';
import { createActions } from './actions.ts';
import { type Config, readConfig } from './config.ts';
import { type Coordinator, createCoordinator } from './coordinator.ts';
import { ourServices, readServices, roleLabel } from './core/swarm-services.ts';
import { toldLabel } from './core/told.ts';
import { createAgentServer } from './io/agent-server.ts';
import { createSteward } from './io/agent-steward.ts';
import { createDoors } from './io/doors.ts';
import { createEngine, limit } from './io/engine.ts';
import { createKeyRing, type KeyRing } from './io/key-ring.ts';
import { createKeyVault } from './io/key-vault.ts';
import { startLookLoop } from './io/look-loop.ts';
import { createMetrics } from './io/metrics.ts';
import { readOwnContainer } from './io/own-container.ts';
import { createDelivery } from './io/receivers.ts';
import { relayed } from './io/relay.ts';
import { createSigningRing, type SigningRing } from './io/signing-ring.ts';
import { createSwarm, type JoinTokens, type Swarm } from './io/swarm.ts';
import { createMigrateAction } from './migrate.ts';
import { createNotifier, knowledgeOf, startNotifying } from './notifier.ts';
import { createPages } from './pages.ts';
import { createRefusals } from './refusals.ts';
import { createRolloutMeter } from './rollout-meter.ts';
import { metricsRoutes } from './scraping.ts';

/** How soon a port is tried again that another process has. */
const portRetryMs = 500;
/** Shorter than Docker's usual 10 s before SIGKILL. */
const releaseMs = 4_000;

async function main(): Promise<void> {
  const config = readConfig(process.env);
  const log = createLog('coordinator', config.logLevel);
  const stop = new AbortController();
  const docker = createEngine(config.dockerSocket);
  const [service, task] = await ownNames(config, docker, log);
  const swarm = createSwarm(docker, service);
  const self = config.node ?? (await askUntilAnswered(() => swarm.ownNode(), log));
  // Without a key from the operator both follow from Swarm, and the agents are created here.
  const derived = config.keys.length === 0;
  const keys = createKeyRing(config.keys, Date.now);
  const vault = createKeyVault(docker, log);
  const signing = createSigningRing(derived ? undefined : config.signingKey, vault.read);

  if (derived && config.signingKey)
    log.warn(
      { event: 'setting-note' },
      'COORDINATOR_KEY_FILE is for agents of a compose file: those that are created here know a key that follows from Swarm',
    );

  const refusals = createRefusals(log, Date.now);
  const metrics = createMetrics(version, refusals.counts, () => notifier.counts());
  const meter = createRolloutMeter(metrics.applied);

  const server = createAgentServer(
    keys,
    signing,
    {
      admit: (node, address) => coordinator.admit(node, address),
      hello: (hello) => coordinator.hello(hello),
      report: (node, report) => coordinator.report(node, report),
      history: (node, { transitions }) => coordinator.remember(node, transitions),
      gone: (node) => coordinator.gone(node),
      refused: refusals.add,
    },
    (request, response) => pageListener(pages, actions)(request, response),
  );
  const coordinator: Coordinator = createCoordinator({
    ...{ self, service, task, version, swarm, log, meter },
    send: server.send,
    connected: server.connected,
    disconnect: server.disconnect,
    now: Date.now,
    listens: () => doors.open(),
  });
  const httpPort = config.httpListen.port;
  const scraping = metricsRoutes({ coordinator, metrics, meter, httpPort, now: Date.now });
  const pages = createPages({ coordinator, scraping, refused: refusals.counts, httpPort, now: Date.now });
  const doors = createDoors({
    agents: server,
    agentListen: config.agentListen,
    pages: createHttpServer(pages),
    pagesListen: config.httpListen,
    log,
    now: Date.now,
  });
  const actions = {
    ...createActions({ coordinator, swarm, log, now: Date.now }),
    ...createMigrateAction({ coordinator, swarm, log }),
  };
  const notifier = createNotifier({
    ...knowledgeOf(coordinator),
    save: (text) => swarm.setLabel(self, toldLabel, text),
    delivery: createDelivery(),
    ...{ log, now: Date.now, random: Math.random },
  });
  const notifying = startNotifying(notifier, log);
  const steward = createSteward({
    docker,
    swarm,
    keys: derived ? keys : undefined,
    signing,
    vault,
    log,
    now: Date.now,
  });

  const [localPages, localActions] = relayed(
    { keys, port: config.agentListen.port, owns: () => doors.open() || coordinator.ownsPorts() },
    pages,
    actions,
  );
  // The container is healthy by its own doing, whoever has the ports.
  const local = createHttpServer({ ...localPages, '/healthz': pages['/healthz'] }, localActions);
  await listenUnix(local, config.socketPath);

  let retry: NodeJS.Timeout | undefined;
  const tasks = startLookLoop(coordinator.lookAtTasks, taskPeriodMs);
  const looks = startLookLoop(async () => {
    // Agents are admitted by what Swarm says of them, so the ports open with the first good read.
    if (!(await coordinator.look())) return;
    tasks.again();
    try {
      if (derived) await deriveKeys(await swarm.joinTokens(), keys, signing, log);
      const wasOpen = doors.open();
      await doors.keep(coordinator.ownsPorts() && keys.current() !== undefined).catch(fail);
      // Only who can be reached becomes active.
      if (doors.open() && !wasOpen) looks.again();
      else if (!doors.open() && coordinator.ownsPorts()) {
        clearTimeout(retry);
        retry = setTimeout(looks.again, portRetryMs);
      }
      await labelOwnService(coordinator, swarm, service);
      // In a pause Swarm itself is worked on: no service of ours is to be made or changed meanwhile.
      const untended =
        coordinator.isActive() && !coordinator.plan().pause
          ? await steward.tend(coordinator.snapshot() ?? fail('no snapshot'), coordinator.agentNodes())
          : [];
      coordinator.setOwnProblems([...doors.problems(), ...untended, ...notifier.problems()]);
    } catch (error) {
      log.warn({ event: 'look-unfinished', error: String(error) }, 'not all could be done; tries again');
    }
  });
  swarm.watch(looks.again, stop.signal);
  log.info(
    { event: 'started', version, node: self, agents: config.agentListen, http: config.httpListen },
    'started',
  );

  const shutDown = async (signal: string) => {
    log.info({ event: 'stopping', signal }, 'stopping; agents go on with their last assignment');
    stop.abort();
    looks.stop();
    tasks.stop();
    notifying.stop();
    clearTimeout(retry);
    if (derived && service !== undefined && (await isLast(docker, service, coordinator, log))) {
      await coordinator.release(releaseMs);
      await steward.dissolve().catch((error: unknown) => {
        log.error({ event: 'not-dissolved', error: String(error) }, 'agents are left: docker service rm');
      });
    }
    local.close();
    await doors.close();
    process.exit(0);
  };
  process.once('SIGTERM', (signal) => void shutDown(signal));
  process.once('SIGINT', (signal) => void shutDown(signal));
}

async function deriveKeys(tokens: JoinTokens, keys: KeyRing, signing: SigningRing, log: Log): Promise<void> {
  if (keys.renew(tokens.worker))
    log.info({ event: 'key-derived' }, 'the agents’ key follows from Swarm’s join token');
  if (await signing.renew(tokens))
    log.info(
      { event: 'coordinator-key-derived' },
      'the coordinators’ own key follows from that for managers',
    );
}

/** Of the own service and task: what the stack tells by templates need not be asked of the engine. */
async function ownNames(
  { service, task }: Pick<Config, 'service' | 'task'>,
  docker: Docker,
  log: Log,
): Promise<[string | undefined, string | undefined]> {
  if (service !== undefined && task !== undefined) return [service, task];
  const own = await askUntilAnswered(() => readOwnContainer(docker, limit), log);
  return [service ?? own.service, task ?? own.task];
}

/**
 * Whether the own service is gone from Swarm (a `stack rm`, not an update or a reboot), and no other stack is left.
 * Without a clear answer it is not.
 */
async function isLast(
  docker: Docker,
  service: string,
  coordinator: Pick<Coordinator, 'snapshot'>,
  log: Log,
): Promise<boolean> {
  try {
    const known = new Set(coordinator.snapshot()?.services.map(({ id }) => id));
    const listed = readServices(await docker.listServices(limit()));
    const { coordinators } = ourServices(listed, service, known);
    return coordinators.length === 0 && !listed.some(({ ID }) => ID === service);
  } catch (error) {
    log.warn(
      { event: 'end-unclear', error: String(error) },
      'Swarm does not say whether the stack is removed',
    );
    return false;
  }
}

/** Whatever its image is called, coordinators of other stacks then know it as one of them. */
async function labelOwnService(
  coordinator: Coordinator,
  swarm: Pick<Swarm, 'labelService'>,
  service: string | undefined,
): Promise<void> {
  const own = coordinator.snapshot()?.services.find(({ id }) => id === service);
  // A write during an update would become the state that a rollback returns to.
  if (!own || own.labelled || own.updating) return;
  await swarm.labelService(own.id, roleLabel, 'coordinator');
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
