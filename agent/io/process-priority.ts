// The priority that keepalived's VRRP process is to run with, tried out on a process of our own: the container may lack
// the capability, and a cgroup may have no real-time budget. keepalived would only say so in its log, once.
import type { Problem } from '../../shared/problem.ts';
import type { AgentConfig } from '../config.ts';
import { type RunResult, run } from './run.ts';

export interface ProcessPriority {
  /** Complete lines for global_defs. */
  readonly lines: readonly string[];
  readonly problems: readonly Problem[];
}

type Wanted = Pick<AgentConfig, 'vrrpPriority' | 'vrrpRtPriority'>;

export async function readProcessPriority(wanted: Wanted): Promise<ProcessPriority> {
  const { vrrpPriority, vrrpRtPriority } = wanted;
  const tried = [
    vrrpPriority !== null && {
      setting: 'VRRP_PRIORITY',
      line: `vrrp_priority ${vrrpPriority}`,
      result: await run('sh', ['-c', 'renice -n "$1" -p $$', 'sh', String(vrrpPriority)], 5_000),
    },
    vrrpRtPriority !== null && {
      setting: 'VRRP_RT_PRIORITY',
      line: `vrrp_rt_priority ${vrrpRtPriority}`,
      result: await run('chrt', ['--rr', String(vrrpRtPriority), 'true'], 5_000),
    },
  ].filter((each) => each !== false);
  return {
    lines: tried.filter(({ result }) => result.code === 0).map(({ line }) => line),
    problems: tried
      .filter(({ result }) => result.code !== 0)
      .map(({ setting, result }) => refused(setting, result)),
  };
}

function refused(setting: string, { code, stderr }: RunResult): Problem {
  return {
    code: 'priority-refused',
    severity: 'warning',
    where: setting,
    message: `the node refuses this priority: ${stderr.trim() || `exit code ${code}`}`,
    instead: 'keepalived runs with the usual one',
    remedy:
      setting === 'VRRP_PRIORITY'
        ? 'add SYS_NICE to cap_add of the agent, or remove the setting'
        : 'add SYS_NICE to cap_add of the agent; with cgroup v1 give its cgroup a cpu.rt_runtime_us; or remove the setting',
  };
}
