// The agent's and the coordinator's containers, seen from the host: by their first processes.
import { processesOf } from './cgroups.ts';
import { commandLineOf, namespacePids, readProc } from './engine.ts';
import type { LabNames } from './names.ts';

const programs = {
  agent: /\/opt\/swarm-vip\/(init\.sh|agent\.js)/,
  coordinator: /\/opt\/swarm-vip\/coordinator\.js/,
} as const;
export type Program = keyof typeof programs;

/** The host's PIDs of the containers' PID 1. */
export function containersOf(lab: LabNames, node: string, program: Program): number[] {
  return processesOf(lab, node).filter((pid) => {
    const ids = namespacePids(pid);
    return ids.length > 2 && ids.at(-1) === 1 && programs[program].test(commandLineOf(pid));
  });
}

/** The same; throws when there is none. */
export function firstsOf(lab: LabNames, node: string, program: Program): number[] {
  const firsts = containersOf(lab, node, program);
  if (firsts.length === 0) throw new Error(`no ${program} container runs on ${node}`);
  return firsts;
}

/** Every process of those containers, by the control group that they share. */
export function containerProcesses(lab: LabNames, node: string, program: Program): number[] {
  const groups = new Set(firstsOf(lab, node, program).map((pid) => readProc(pid, 'cgroup')));
  return processesOf(lab, node).filter((pid) => groups.has(readProc(pid, 'cgroup')));
}
