// Tells receivers what happens: every coordinator looks, so that it can take over; the active one delivers. What is told is
// kept in a label (core/told.ts); what happened while nobody told comes from the agents' history.
import type { Log } from '../shared/io/log.ts';
import type { Problem } from '../shared/problem.ts';
import type { Coordinator } from './coordinator.ts';
import type { HistoryDocument } from './core/history.ts';
import { concernsReceiver, repeatMs } from './core/notice-shapes.ts';
import {
  beginNoticing,
  longestPastMs,
  type Notice,
  type Noticed,
  notice,
  noticeOf,
  standing,
} from './core/notices.ts';
import type { Receiver } from './core/notifications.ts';
import type { Status } from './core/status.ts';
import { awaitsEnd, knows, readTold, type Told, tell, toldLabel, toldText, welcome } from './core/told.ts';
import { type Delivery, DeliveryError } from './io/receivers.ts';

export interface Notifier {
  /** Looks, and begins what is due; resolves when nothing of it is under way. */
  look(): Promise<void>;
  problems(): Problem[];
  counts(): ReadonlyMap<string, NotificationCount>;
}

export interface NotificationCount {
  delivered: number;
  failed: number;
  lost: number;
  pending: number;
}

export interface NotifierDeps {
  status(): Status | undefined;
  history(): Pick<HistoryDocument, 'switches'> | undefined;
  receivers(): readonly Receiver[];
  isActive(): boolean;
  /** What the labels of all nodes say. */
  told(): readonly string[];
  /** Writes the label of the own node. */
  save(text: string): Promise<unknown>;
  delivery: Delivery;
  log: Log;
  now(): number;
  random(): number;
}

/** What a notifier asks of the coordinator beside it. */
export const knowledgeOf = (
  coordinator: Pick<Coordinator, 'status' | 'history' | 'plan' | 'isActive' | 'snapshot'>,
): Pick<NotifierDeps, 'status' | 'history' | 'receivers' | 'isActive' | 'told'> => ({
  status: coordinator.status,
  history: coordinator.history,
  receivers: () => coordinator.plan().receivers ?? [],
  isActive: coordinator.isActive,
  told: () => coordinator.snapshot()?.nodes.flatMap(({ labels }) => labels[toldLabel] ?? []) ?? [],
});

/** What a standby alone has seen begin and end longer ago was no matter for anybody. */
const freshMs = 120_000;
const recentMs = 3_600_000;
const mostWaiting = 200;
const shortestPauseMs = 1_000;
const longestPauseMs = 60_000;
/** So many failures in a row are a problem in status. */
const mostFailures = 3;

interface Line {
  waiting: Notice[];
  failures: number;
  /** In words, of the last failure; undefined once a delivery has worked. */
  why: string | undefined;
  nextMs: number;
  lastMs: number;
  busy: boolean;
  count: { delivered: number; failed: number; lost: number };
}

export function createNotifier(deps: NotifierDeps): Notifier {
  const { log, now } = deps;
  let noticed: Noticed | undefined;
  let recent: Notice[] = [];
  let told: Told = new Map();
  let saved = '';
  let saving = false;
  let wasActive = false;
  const lines = new Map<string, Line>();

  const lineOf = (name: string): Line => {
    const known = lines.get(name);
    if (known) return known;
    const count = { delivered: 0, failed: 0, lost: 0 };
    const line: Line = { waiting: [], failures: 0, why: undefined, nextMs: 0, lastMs: 0, busy: false, count };
    lines.set(name, line);
    return line;
  };

  function enqueue(receivers: readonly Receiver[], notices: readonly Notice[]): void {
    for (const receiver of receivers) {
      const line = lineOf(receiver.name);
      for (const each of notices) {
        if (!concernsReceiver(receiver, each) || knows(told, receiver.name, each)) continue;
        line.waiting.push(each);
      }
      const over = line.waiting.length - mostWaiting;
      if (over <= 0) continue;
      line.waiting.splice(0, over);
      line.count.lost += over;
      log.error(
        { event: 'notices-dropped', receiver: receiver.name, dropped: over },
        'too many wait: the oldest are dropped',
      );
    }
  }

  /**
   * Everything that its predecessor may not have told any more: take-overs from the agents' history; of conditions those
   * that go on, those that have ended for whoever was told that they began, and what this one has seen just now.
   */
  function takeOver(receivers: readonly Receiver[], nowMs: number): void {
    for (const { name } of receivers) told = welcome(told, name, nowMs);
    const past = (deps.history()?.switches ?? [])
      .map(noticeOf)
      .filter(({ key, atMs }) => atMs >= nowMs - longestPastMs && noticed?.switches.get(key)?.told);
    const now = noticed ? standing(noticed) : [];
    for (const receiver of receivers) {
      const line = lineOf(receiver.name);
      const ends = (each: Notice) => each.phase === 'ended' && awaitsEnd(told, receiver.name, each.key);
      const seen = recent.filter((each) => each.atMs >= nowMs - freshMs || ends(each));
      const all = new Map([...line.waiting, ...past, ...seen, ...now].map((each) => [each.id, each]));
      line.waiting = [];
      enqueue(
        [receiver],
        [...all.values()].sort((x, y) => x.atMs - y.atMs),
      );
    }
  }

  async function deliver(receiver: Receiver, line: Line): Promise<void> {
    line.busy = true;
    try {
      while (deps.isActive()) {
        const waiting = line.waiting.slice(0, deps.delivery.most(receiver));
        const repeats = receiver.way === 'alertmanager' && now() - line.lastMs >= repeatMs && noticed;
        const again = repeats ? standing(repeats).filter((each) => concernsReceiver(receiver, each)) : [];
        const batch = [...waiting, ...again.filter(({ key }) => waiting.every((each) => each.key !== key))];
        if (batch.length === 0) return;
        await deps.delivery.deliver(receiver, batch, now());
        line.lastMs = now();
        line.waiting = line.waiting.filter((each) => !waiting.includes(each));
        line.count.delivered += waiting.length;
        for (const each of waiting) told = tell(told, receiver.name, each);
        if (line.why !== undefined)
          log.info({ event: 'notifies-again', receiver: receiver.name }, 'is reached again');
        Object.assign(line, { failures: 0, why: undefined });
        if (waiting.length === 0) return;
      }
    } catch (error) {
      failed(receiver, line, error);
    } finally {
      line.busy = false;
    }
  }

  function failed(receiver: Receiver, line: Line, error: unknown): void {
    const final = error instanceof DeliveryError && error.final;
    // Whatever is no word of ours may hold a secret.
    const why =
      error instanceof DeliveryError ? error.message : error instanceof Error ? error.name : 'failed';
    line.failures += 1;
    line.count.failed += 1;
    const pauseMs = Math.min(longestPauseMs, shortestPauseMs * 2 ** Math.min(line.failures - 1, 10));
    line.nextMs = now() + pauseMs * (0.5 + deps.random() / 2);
    if (final) {
      const refused = line.waiting.splice(0, deps.delivery.most(receiver));
      line.count.lost += refused.length;
      for (const each of refused) told = tell(told, receiver.name, each);
    }
    if (why !== line.why || final)
      log.warn(
        { event: 'notification-failed', receiver: receiver.name, why, final, waiting: line.waiting.length },
        final ? 'a receiver refuses; this is not repeated' : 'a receiver cannot be told; tries again',
      );
    line.why = why;
  }

  async function save(): Promise<void> {
    if (saving) return;
    saving = true;
    try {
      for (let text = toldText(told); text !== saved && deps.isActive(); text = toldText(told)) {
        await deps.save(text);
        saved = text;
      }
    } catch (error) {
      log.debug(
        { event: 'told-unsaved', error: String(error) },
        'Swarm takes no label at present; tries again',
      );
    } finally {
      saving = false;
    }
  }

  return {
    async look() {
      const receivers = deps.receivers();
      const status = receivers.length === 0 ? undefined : deps.status();
      if (!status) {
        // Whoever is named later is told of what happens from then on.
        noticed = undefined;
        lines.clear();
        return;
      }
      const nowMs = now();
      const active = deps.isActive();
      if (!wasActive) told = readTold([toldText(told), ...deps.told()]);
      const heard = (key: string) => receivers.some(({ name }) => awaitsEnd(told, name, key));
      const before = noticed ?? beginNoticing(nowMs);
      const step = notice(before, status, deps.history()?.switches ?? [], nowMs, heard);
      noticed = step.noticed;
      recent = [...recent, ...step.notices]
        .filter(({ atMs }) => atMs >= nowMs - recentMs)
        .slice(-mostWaiting);
      for (const name of [...lines.keys()])
        if (receivers.every((each) => each.name !== name)) lines.delete(name);
      if (active && !wasActive) takeOver(receivers, nowMs);
      else if (active) {
        for (const { name } of receivers) told = welcome(told, name, nowMs);
        enqueue(receivers, step.notices);
      }
      wasActive = active;
      if (!active) return;
      const due = receivers.filter(({ name }) => {
        const line = lineOf(name);
        return !line.busy && nowMs >= line.nextMs;
      });
      await Promise.all([
        save(),
        ...due.map(async (receiver) => {
          await deliver(receiver, lineOf(receiver.name));
          await save();
        }),
      ]);
    },
    problems: () =>
      [...lines].flatMap(([name, { failures, why, waiting, count }]): Problem[] => {
        if (why === undefined || failures < mostFailures) return [];
        return [
          {
            code: 'notification-failing',
            severity: 'error',
            where: `groups.yaml, notifications.${name}`,
            message: `the receiver cannot be told: ${why}`,
            instead: `it is tried again, at most a minute apart; ${waiting.length} wait, ${count.lost} are lost`,
            remedy:
              'correct URL, secret or the receiver itself; a secret must be mounted into the coordinator service',
          },
        ];
      }),
    counts: () =>
      new Map([...lines].map(([name, { count, waiting }]) => [name, { ...count, pending: waiting.length }])),
  };
}

const periodMs = 1_000;

/** Looks each second, and at most a tenth of the time however large the Swarm; deliveries wait beside it. */
export function startNotifying(notifier: Pick<Notifier, 'look'>, log: Log): { stop(): void } {
  let timer: NodeJS.Timeout | undefined;
  const round = () => {
    const began = performance.now();
    notifier.look().catch((error: unknown) => {
      const words = error instanceof Error ? error.stack : 'failed';
      log.error({ event: 'notifier-bug', error: words }, 'a look of the notifier failed; the next one comes');
    });
    timer = setTimeout(round, Math.max(periodMs, 9 * (performance.now() - began)));
  };
  timer = setTimeout(round, periodMs);
  return { stop: () => clearTimeout(timer) };
}
