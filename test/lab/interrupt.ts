// Ctrl-C, SIGTERM and a closed terminal end a command in an orderly way: what was begun is removed first.

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export class Interrupted extends Error {
  readonly signal: NodeJS.Signals;
  constructor(signal: NodeJS.Signals) {
    super(`interrupted by ${signal}`);
    this.name = 'Interrupted';
    this.signal = signal;
  }
}

/** The shell's convention: 128 plus the number of the signal. */
export const exitCodeOf = (signal: NodeJS.Signals): number =>
  ({ SIGHUP: 129, SIGINT: 130 })[String(signal)] ?? 143;

/**
 * Runs `work` with a signal that aborts on the first interrupt. Further ones are swallowed while `work` cleans up:
 * an impatient second Ctrl-C must not leave half a lab behind.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const onSignal = (signal: NodeJS.Signals) => {
    if (controller.signal.aborted) process.stderr.write('cleaning up, a moment\n');
    else controller.abort(new Interrupted(signal));
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  try {
    const result = await work(controller.signal);
    controller.signal.throwIfAborted();
    return result;
  } catch (error) {
    if (controller.signal.aborted) throw controller.signal.reason;
    throw error;
  } finally {
    for (const signal of SIGNALS) process.off(signal, onSignal);
  }
}
