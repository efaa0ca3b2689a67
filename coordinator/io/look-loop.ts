// When to read Swarm: soon after something may have changed, and every now and then in case an event was lost.
// Single-flight: never two reads at a time, however many events arrive.

/** A re-read covers events that were lost; the event stream makes changes visible at once. */
const rereadMs = 5_000;
/** Events come in bursts; one read serves them all. */
const burstMs = 30;

export interface LookLoop {
  /** Something may have changed. */
  again(): void;
  stop(): void;
}

/** Starts with a read at once. `look` must not throw. */
export function startLookLoop(look: () => Promise<unknown>, periodMs = rereadMs): LookLoop {
  let timer: NodeJS.Timeout | undefined;
  let soon = false;
  let reading = false;
  let stopped = false;

  const run = async (): Promise<void> => {
    reading = true;
    soon = false;
    await look();
    reading = false;
    if (!stopped) timer = setTimeout(run, soon ? burstMs : periodMs);
  };
  timer = setTimeout(run, 0);
  return {
    again() {
      if (soon || stopped) return;
      soon = true;
      if (reading) return;
      clearTimeout(timer);
      timer = setTimeout(run, burstMs);
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
