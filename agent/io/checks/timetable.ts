// When a check runs: at once, then at an interval by the monotonic clock, which no change of the wall clock moves, or at
// wall-clock times by cron. It may be hastened in between. A run never overlaps the one before.
import { schedule as scheduleCron } from 'node-cron';
import type { Timing } from '../../../shared/checks.ts';

export interface TimetableDeps {
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
}

export interface Timetable {
  /** Runs at once, or once more after the run that is under way; but not without end. */
  hasten(): void;
  stop(): void;
}

/** Hastened runs begin at least this far apart: a container that restarts in a loop says so all the time. */
const leastMs = 100;

/** @param run must not reject */
export function startTimetable(timing: Timing, run: () => Promise<void>, deps: TimetableDeps): Timetable {
  const { now, random } = deps;
  let timer: NodeJS.Timeout | undefined;
  let busy = false;
  let again = false;
  let stopped = false;
  let beganMs = 0;
  const jitter = () => random() * timing.jitterMs;

  const after = (delayMs: number) => {
    clearTimeout(timer);
    if (!stopped) timer = setTimeout(turn, Math.max(0, delayMs));
  };
  const turn = async () => {
    if (busy || stopped) return;
    busy = true;
    again = false;
    beganMs = now();
    await run();
    busy = false;
    if (again) after(beganMs + leastMs - now());
    else if ('intervalMs' in timing) after(beganMs + timing.intervalMs + jitter() - now());
  };
  const task =
    'schedule' in timing
      ? scheduleCron(timing.schedule, () => after(jitter()), { suppressMissedWarning: true })
      : undefined;
  // Also by cron: until its first time it would say nothing.
  void turn();
  return {
    hasten() {
      again = busy;
      if (!busy) after(beganMs + leastMs - now());
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
      void task?.destroy();
    },
  };
}
