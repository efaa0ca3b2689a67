// Swarm's leader and the coordinator that is active, as a test sees and moves them.
import { ready, type Stage, statusOf, three } from '../demo/stage.ts';
import type { ChaosVerb } from '../lab/chaos.ts';
import { until } from '../lab/run.ts';

/** By the word of the managers other than `but`, which may be cut off and believe what is over. */
export async function leader({ lab }: Stage, but?: string): Promise<string | undefined> {
  for (const via of three.filter((node) => node !== but)) {
    const list = await lab
      .docker(via, ['node', 'ls', '--format', '{{.Hostname}} {{.ManagerStatus}}'], { timeoutMs: 3_000 })
      .catch(() => undefined);
    const found = list && /^(\S+) Leader$/m.exec(list.stdout)?.[1];
    if (found) return found;
  }
  return undefined;
}

/** Strikes the leader, waits until another one's coordinator is active, and mends. Resolves with the new leader. */
export async function moveLeader(
  stage: Stage,
  [strike, mend]: readonly [ChaosVerb, ChaosVerb],
): Promise<string> {
  const { lab, signal } = stage;
  const old = await until('a leader', () => leader(stage), { timeoutMs: 60_000, everyMs: 500, signal });
  const before = (await statusOf(lab, old)).coordinator;
  await lab.chaos(strike, old);
  try {
    return await until(
      `another active coordinator than ${old}'s`,
      async () => {
        const next = await leader(stage, old);
        if (next === undefined || next === old) return undefined;
        const { coordinator } = await statusOf(lab, next);
        const moved = coordinator.role === 'active' && (coordinator.epoch ?? 0) > (before.epoch ?? 0);
        return moved ? next : undefined;
      },
      { timeoutMs: 90_000, everyMs: 300, signal },
    );
  } finally {
    await lab.chaos(mend, old);
  }
}

/** Of the coordinator that is active; undefined while none is. Only itself knows. */
async function activeEpoch({ lab }: Stage): Promise<number | undefined> {
  const { active } = (await statusOf(lab)).coordinator;
  if (!active) return undefined;
  const { role, epoch } = (await statusOf(lab, active.hostname)).coordinator;
  return role === 'active' ? (epoch ?? undefined) : undefined;
}

/** Every coordinator is killed: what only they remember is forgotten. Resolves when a new one is active and hears all. */
export async function coordinatorsAnew(stage: Stage): Promise<void> {
  const wait = { timeoutMs: 60_000, everyMs: 200, signal: stage.signal };
  const epoch = () => activeEpoch(stage).catch(() => undefined);
  const before = await until('an active coordinator', epoch, wait);
  for (const node of three) await stage.lab.chaos('kill-coordinator', node);
  const isNew = async () => ((await epoch()) ?? 0) > before || undefined;
  await until('a new coordinator to be active', isNew, wait);
  await ready(stage, three);
}
