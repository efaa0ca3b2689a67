// The wall clock jumps, forth and back, on every node and on one only. Network namespaces have none of their own, and this
// machine's is not ours to set: every process of the agent's container is given another one by libfaketime, which leaves
// the monotonic clock alone, as a real jump does.
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { calm, type Stage, three } from '../demo/stage.ts';
import { containerProcesses, firstsOf } from '../lab/containers.ts';
import { readProc } from '../lab/engine.ts';
import { run } from '../lab/run.ts';
import { agentsBack } from './acts.ts';
import { type Row, unnoticed } from './row.ts';
import { deployVariant, type Variant } from './variant.ts';

const seen = '/clock';
const hourS = 3_600;
const steadyMs = 5_000;

const directoryOf = ({ lab }: Stage) => join(lab.names.dir, 'clock');

/** As libfaketime reads it: seconds that are added. */
function setClock(stage: Stage, seconds: number, nodes = three): void {
  const text = `${seconds < 0 ? '' : '+'}${seconds}\n`;
  for (const node of nodes) writeFileSync(join(directoryOf(stage), node), text);
}

const environment = (node: string): Record<string, string> => ({
  LD_PRELOAD: `${seen}/libfaketime.so.1`,
  FAKETIME_TIMESTAMP_FILE: `${seen}/${node}`,
  FAKETIME_NO_CACHE: '1',
  DONT_FAKE_MONOTONIC: '1',
});

async function faked(stage: Stage): Promise<Variant> {
  const directory = directoryOf(stage);
  mkdirSync(join(directory, 'bin'), { recursive: true });
  setClock(stage, 0);
  const { stdout } = await run(['dpkg', '-L', 'libfaketime']);
  const library = stdout.split('\n').find((line) => line.endsWith('/libfaketime.so.1'));
  if (library === undefined) throw new Error(`expected libfaketime.so.1 in its package, found ${stdout}`);
  copyFileSync(library, join(directory, 'libfaketime.so.1'));
  // The agent starts keepalived with an environment of its own: a wrapper in its place adds the clock.
  const [pid] = firstsOf(stage.lab.names, 'node1', 'agent');
  const real = join(directory, 'bin/keepalived');
  copyFileSync(`/proc/${pid}/root/usr/sbin/keepalived`, real);
  const wrapper = join(directory, 'keepalived');
  const variables = Object.entries(environment('$(hostname)')).map(
    ([key, value]) => `export ${key}="${value}"`,
  );
  const lines = ['#!/bin/sh', ...variables, `exec ${seen}/bin/keepalived "$@"`];
  writeFileSync(wrapper, `${lines.join('\n')}\n`, { mode: 0o755 });
  return {
    env: environment('{{.Node.Hostname}}'),
    mounts: [
      { source: directory, target: seen },
      { source: wrapper, target: '/usr/sbin/keepalived' },
    ],
  };
}

/** Every process of the agent, keepalived too, has the library, and a new one in their midst sees the other time. */
async function assertSeen(stage: Stage, node: string, seconds: number): Promise<void> {
  const { names } = stage.lab;
  const programs = containerProcesses(names, node, 'agent').map((pid) => ({
    name: readProc(pid, 'comm').trim(),
    faked:
      readProc(pid, 'maps').includes('libfaketime') &&
      readProc(pid, 'environ').split('\0').includes(`FAKETIME_TIMESTAMP_FILE=${seen}/${node}`),
  }));
  // Node calls its own thread so.
  for (const needed of ['keepalived', 'MainThread', 'perl', 'sh']) {
    if (!programs.some(({ name, faked }) => name.startsWith(needed) && faked))
      throw new Error(`${needed} on ${node} does not have the other clock: ${JSON.stringify(programs)}`);
  }
  // The engine's health check begins as runc.
  const honest = programs.filter(({ name, faked }) => !faked && !name.startsWith('runc'));
  if (honest.length > 0) throw new Error(`not all of ${node} has the other clock: ${JSON.stringify(honest)}`);
  const filter = 'label=com.docker.swarm.service.name=swarm-vip_agent';
  const { stdout: ids } = await stage.lab.docker(node, ['ps', '-q', '-f', filter]);
  const { stdout } = await stage.lab.docker(node, ['exec', ids.trim(), 'date', '+%s']);
  const off = Number(stdout) - Date.now() / 1000 - seconds;
  if (Math.abs(off) > 30)
    throw new Error(`${node}: expected a clock ${seconds} s off, found ${stdout.trim()}`);
}

let undo: (() => Promise<void>) | undefined;

export const clockRow: Row = {
  name: 'wall-clock',
  title: 'the wall clock jumps an hour forth and back, on all nodes and on the holder only',
  prepare: async (stage) => {
    undo ??= await deployVariant(stage, await faked(stage));
    await calm(stage);
  },
  act: async (stage) => {
    const jump = async (seconds: number, nodes = three) => {
      setClock(stage, seconds, nodes);
      await delay(steadyMs);
      for (const node of nodes) await assertSeen(stage, node, seconds);
    };
    await jump(hourS);
    await jump(-hourS);
    await jump(0);
    await jump(hourS, ['node1']);
    await jump(-hourS, ['node1']);
    await jump(0, ['node1']);
    await agentsBack(stage);
  },
  mend: async () => {
    await undo?.();
    undo = undefined;
  },
  holder: 'node1',
  bound: unnoticed,
};
