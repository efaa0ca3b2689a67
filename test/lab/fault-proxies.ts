// One fault proxy (fault-proxy.ts) on each node of a lab: started before the stack that uses their sockets.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { renameSync, writeFileSync } from 'node:fs';
import { PROJECT_ROOT } from './images.ts';
import type { Lab } from './lab.ts';

export type Trouble =
  | 'none'
  | 'record'
  | 'slow'
  | 'error'
  | 'cut'
  | 'stall'
  | 'garbled'
  | 'empty'
  | 'partial'
  | 'old'
  | 'deaf';

export interface FaultMode {
  readonly trouble: Trouble;
  /** Which of the engine's lists it concerns. */
  readonly lists: readonly string[];
}

export const everyList: readonly string[] = ['nodes', 'services', 'configs', 'tasks'];

export interface FaultProxies {
  /** Where a node's containers find the engine. */
  readonly socket: string;
  set(trouble: Trouble, lists?: readonly string[]): void;
  stop(): Promise<void>;
}

export async function startFaultProxies(lab: Lab, nodes: readonly string[]): Promise<FaultProxies> {
  const modeFile = `${lab.names.dir}/fault-mode.json`;
  const socket = '/run/engine-with-faults.sock';
  const set = (trouble: Trouble, lists = everyList) => {
    writeFileSync(`${modeFile}.new`, JSON.stringify({ trouble, lists } satisfies FaultMode));
    renameSync(`${modeFile}.new`, modeFile);
  };
  set('none');
  const script = ['--import', `${PROJECT_ROOT}/node_modules/tsx/dist/loader.mjs`];
  const proxies: ChildProcess[] = [];
  for (const node of nodes) {
    const [file = '', ...args] = lab.execCommand(node, [
      ...['node', ...script, `${PROJECT_ROOT}/test/lab/fault-proxy.ts`],
      ...[socket, '/run/docker.sock', modeFile],
    ]);
    const proxy = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    proxies.push(proxy);
    if (proxy.stdout) await once(proxy.stdout, 'data');
  }
  return {
    socket,
    set,
    async stop() {
      for (const proxy of proxies) {
        const gone = once(proxy, 'exit');
        if (proxy.kill()) await gone;
      }
    },
  };
}
