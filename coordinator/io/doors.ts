// The ports of this host: for agents and for the read-only pages. Of several coordinators on one host one has them, by
// a rule over Swarm's state; the others come and go without a fight.
import type { Server } from 'node:http';
import { listenTcp } from '../../shared/io/http.ts';
import type { Log } from '../../shared/io/log.ts';
import type { ListenAddress } from '../../shared/io/settings.ts';
import type { Problem } from '../../shared/problem.ts';
import type { AgentServer } from './agent-server.ts';

export interface Doors {
  open(): boolean;
  /** Opens or closes them; a port that somebody else has still is tried again with the next call. */
  keep(wanted: boolean): Promise<void>;
  close(): Promise<void>;
  problems(): Problem[];
}

/** A coordinator that leaves, or one of another stack that has not looked yet, gives the port back by then. */
const patienceMs = 15_000;

export function createDoors(deps: {
  agents: Pick<AgentServer, 'listen' | 'close'>;
  agentListen: ListenAddress;
  pages: Server;
  pagesListen: ListenAddress;
  log: Log;
  now: () => number;
}): Doors {
  const { agents, agentListen, pages, pagesListen, log, now } = deps;
  const open = { agents: false, pages: false };
  let takenSinceMs: number | undefined;
  let taken = 0;

  async function tried(port: number, listen: () => Promise<void>): Promise<boolean> {
    try {
      await listen();
      return true;
    } catch (error) {
      if (!(error instanceof Error) || !('code' in error) || error.code !== 'EADDRINUSE') throw error;
      if (takenSinceMs === undefined) {
        takenSinceMs = now();
        log.warn({ event: 'port-taken', port }, 'another process has the port; tries again');
      }
      taken = port;
      return false;
    }
  }

  async function close(): Promise<void> {
    takenSinceMs = undefined;
    if (open.agents) {
      open.agents = false;
      await agents.close();
    }
    if (open.pages) {
      open.pages = false;
      pages.closeAllConnections();
      await new Promise((resolve) => pages.close(resolve));
    }
  }

  return {
    open: () => open.agents,
    async keep(wanted) {
      if (!wanted) {
        if (open.agents)
          log.info({ event: 'ports-given-up' }, 'another coordinator of this host has the ports now');
        return close();
      }
      open.agents ||= await tried(agentListen.port, () => agents.listen(agentListen));
      open.pages ||= await tried(pagesListen.port, () => listenTcp(pages, pagesListen));
      if (open.agents && open.pages) takenSinceMs = undefined;
    },
    close,
    problems() {
      if (takenSinceMs === undefined || now() - takenSinceMs < patienceMs) return [];
      return [
        {
          code: 'port-taken',
          severity: 'error',
          where: 'the coordinator’s host',
          value: String(taken),
          message: `another process listens on port ${taken}`,
          instead: taken === agentListen.port ? 'no agent can connect here' : 'the pages are not served here',
          remedy: 'free the port, or set AGENT_LISTEN and HTTP_LISTEN',
        },
      ];
    },
  };
}
