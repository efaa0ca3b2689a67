// Plays one row: the fault, until Alertmanager has told each of its alerts; then the cure, until it has told the end.
import type { Stage } from '../demo/stage.ts';
import { until } from '../lab/run.ts';
import type { Monitor, Notification } from './monitor.ts';
import type { AlertRow } from './rows.ts';

export interface Told {
  readonly alert: string;
  readonly firedMs: number;
  readonly resolvedMs: number;
  readonly summary: string;
}

export async function playAlert(row: AlertRow, stage: Stage, monitor: Monitor): Promise<Told[]> {
  const { signal } = stage;
  // One that is told already, by what came before, would not be told again.
  const open = ([alert]: AlertRow['fires'][number]) => {
    const last = new Map(
      monitor
        .notifications()
        .filter(({ labels }) => labels['alertname'] === alert)
        .map(({ labels, status }) => [JSON.stringify(labels), status]),
    );
    return [...last.values()].includes('firing');
  };
  await until(`${row.name}: the end of what was told before`, () => !row.fires.some(open) || undefined, {
    timeoutMs: 120_000,
    everyMs: 50,
    signal,
  });
  const before = monitor.notifications().length;
  const beganMs = Date.now();
  const told = (
    [alert, labels = {}]: AlertRow['fires'][number],
    status: Notification['status'],
    sinceMs = beganMs,
  ) =>
    monitor
      .notifications()
      .slice(before)
      .find(
        (each) =>
          each.status === status &&
          each.atMs >= sinceMs &&
          each.labels['alertname'] === alert &&
          Object.entries(labels).every(([key, value]) => each.labels[key] === value),
      );
  const fired: Notification[] = [];
  let mendedMs = 0;
  try {
    await row.act(stage, monitor);
    for (const wanted of row.fires) {
      fired.push(
        await until(`${row.name}: ${JSON.stringify(wanted)}`, () => told(wanted, 'firing'), {
          timeoutMs: row.patienceMs ?? 45_000,
          everyMs: 50,
          signal,
        }),
      );
    }
  } finally {
    mendedMs = Date.now();
    await row.mend(stage, monitor);
  }
  const ends: Told[] = [];
  for (const [index, wanted] of row.fires.entries()) {
    const end = await until(
      `${row.name}: the end of ${wanted[0]}`,
      () => told(wanted, 'resolved', mendedMs),
      {
        timeoutMs: 120_000,
        everyMs: 50,
        signal,
      },
    );
    ends.push({
      alert: wanted[0],
      firedMs: (fired[index]?.atMs ?? 0) - beganMs,
      resolvedMs: end.atMs - mendedMs,
      summary: fired[index]?.annotations['summary'] ?? '',
    });
  }
  return ends;
}
