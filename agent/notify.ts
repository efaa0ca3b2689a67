// Notify scripts: told of every change of state, in order, one at a time for each group, with the arguments that
// keepalived gives its own. They run beside everything else, so the slowest of them holds up no advert and no hand-over.
import type { Script } from '../shared/checks.ts';
import type { Log } from '../shared/io/log.ts';
import { type Problem, problemText } from '../shared/problem.ts';
import type { AssignedInstance, VrrpState } from '../shared/protocol.ts';
import { readableOutput } from './core/check.ts';
import { runGroup } from './io/checks/process-group.ts';
import { commandOf, type ScriptPlace, scriptFault } from './io/checks/script.ts';
import type { Problems } from './io/problems.ts';

export interface Notifier {
  changed(group: string, state: VrrpState, priority: number): void;
  /** What goes wrong with a script ends with the script, or with its group. */
  ordered(instances: readonly Pick<AssignedInstance, 'group' | 'notify'>[]): void;
  /** Resolves when all has been told, or when the time is up. */
  finish(limitMs: number): Promise<void>;
}

export interface NotifyDeps {
  readonly log: Log;
  readonly problems: Problems;
  readonly place: ScriptPlace;
  readonly node: string;
  /** The notify script of a group, if it has one. */
  readonly scriptOf: (group: string) => Script | undefined;
  /** Only tests wait less. */
  readonly timeoutMs?: number;
}

interface Change {
  readonly state: VrrpState;
  readonly priority: number;
  readonly script: Script;
}

/** Changes that wait for a slow script; older ones are dropped, so that the last word is always told. */
const longestQueue = 32;
const defaultTimeoutMs = 30_000;

export function createNotifier(deps: NotifyDeps): Notifier {
  const { log, problems, place, timeoutMs = defaultTimeoutMs } = deps;
  const queues = new Map<string, Change[]>();
  const workers = new Map<string, Promise<void>>();
  /** What the groups are assigned now. */
  let scripts = new Map<string, string>();

  type Found = Pick<Problem, 'code' | 'message' | 'remedy' | 'instead'>;
  const problem = (group: string, script: Script, found: Found) => {
    const whole: Problem = { severity: 'warning', where: `group ${group}, notify`, group, ...found };
    if (scripts.get(group) === JSON.stringify(script)) return problems.set(whole);
    // Of a script that the group has no more nobody would ever clear it.
    log.warn({ event: found.code, group }, problemText(whole));
  };
  const clear = (code: string, group: string) => problems.clear(code, `group ${group}, notify`);

  const tell = async (group: string, { script, state, priority }: Change) => {
    const fault = scriptFault(script, place);
    if (fault) {
      const { message, remedy } = fault;
      return problem(group, script, { code: 'notify-failed', message, remedy, instead: 'nobody is told' });
    }
    const command = commandOf(script, place);
    // keepalived.conf(5), "notify": the arguments follow those of the script's own.
    const args = [...command.args, 'INSTANCE', group, state, String(priority)];
    const env = {
      PATH: place.searchPath,
      SWARM_VIP_GROUP: group,
      SWARM_VIP_NODE: deps.node,
      SWARM_VIP_STATE: state,
    };
    const { result } = runGroup({ ...command, args, env, timeoutMs });
    const { code, end, output, error } = await result;
    if (end === 'exit' && code === 0) {
      clear('notify-failed', group);
      return log.info({ event: 'notified', group, state, script: script.file }, 'notify script has run');
    }
    const why = {
      exit: `exit code ${code}`,
      timeout: `no end within ${timeoutMs} ms`,
      flood: 'wrote too much',
    };
    const words = end === 'not-started' ? `cannot be started: ${error?.message}` : why[end];
    const message = `${script.file} for ${state}: ${words}${output === '' ? '' : `: ${readableOutput(output)}`}`;
    problem(group, script, {
      code: 'notify-failed',
      message,
      remedy: 'correct the script',
      instead: 'the change of state itself is not affected',
    });
  };

  const work = async (group: string, queue: Change[]) => {
    for (let change = queue.shift(); change; change = queue.shift()) await tell(group, change);
    workers.delete(group);
    clear('notify-dropped', group);
  };

  return {
    changed(group, state, priority) {
      const script = deps.scriptOf(group);
      if (!script) return;
      const queue = queues.get(group) ?? [];
      queues.set(group, queue);
      queue.push({ state, priority, script });
      if (queue.length > longestQueue) {
        queue.shift();
        const message = `more than ${longestQueue} changes of state wait for ${script.file}`;
        const remedy = 'make the script faster';
        problem(group, script, {
          code: 'notify-dropped',
          message,
          remedy,
          instead: 'the oldest ones are not told',
        });
      }
      if (!workers.has(group)) workers.set(group, work(group, queue));
    },
    ordered(instances) {
      const before = scripts;
      scripts = new Map(
        instances.flatMap(({ group, notify }) => (notify ? [[group, JSON.stringify(notify)]] : [])),
      );
      for (const [group, script] of before) {
        if (scripts.get(group) === script) continue;
        for (const code of ['notify-failed', 'notify-dropped']) clear(code, group);
      }
    },
    async finish(limitMs) {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, limitMs);
      });
      await Promise.race([Promise.all(workers.values()), late]);
      clearTimeout(timer);
    },
  };
}
