// The model's only clock. Product code runs in it unchanged: while a simulation runs, the global timers and the promise
// timers are the ones of this file. Every callback belongs to a life (a process); what is dead never runs again.
import { createRequire, syncBuiltinESMExports } from 'node:module';

/** A process: ended once, it never runs again. */
export interface Life {
  alive: boolean;
  readonly bornMs: number;
}

export interface Task {
  readonly atMs: number;
  readonly seq: number;
  readonly owner: Life | undefined;
  readonly run: () => void;
  cancelled: boolean;
}

interface PromiseTimers {
  setTimeout: (ms: number, value?: unknown) => Promise<unknown>;
}
const promiseTimers = createRequire(import.meta.url)('node:timers/promises') as PromiseTimers;
const real = {
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  setInterval: globalThis.setInterval,
  clearInterval: globalThis.clearInterval,
  setImmediate: globalThis.setImmediate,
  promise: promiseTimers.setTimeout,
};

export class VirtualTime {
  nowMs = 0;
  /** Tasks done: the steps of the world. */
  steps = 0;
  readonly #heap: Task[] = [];
  #seq = 0;
  /** Whose code runs right now; timers made meanwhile are its own. */
  #current: Life | undefined;

  /** Runs as the world itself: synchronous, of no process. */
  after(ms: number, run: () => void): Task {
    return this.#add(ms, undefined, run);
  }

  /** Runs as a process, with all that its promises set going. */
  afterAs(owner: Life, ms: number, run: () => void): Task {
    return this.#add(ms, owner, run);
  }

  #add(ms: number, owner: Life | undefined, run: () => void): Task {
    const task: Task = { atMs: this.nowMs + Math.max(0, ms), seq: this.#seq++, owner, run, cancelled: false };
    const heap = this.#heap;
    let at = heap.push(task) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (!before(task, heap[up])) break;
      heap[at] = heap[up] as Task;
      at = up;
    }
    heap[at] = task;
    return task;
  }

  #pop(): Task | undefined {
    const heap = this.#heap;
    const [first] = heap;
    const last = heap.pop();
    if (!first || !last || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let next = 2 * at + 1;
      if (next >= heap.length) break;
      if (next + 1 < heap.length && before(heap[next + 1] as Task, heap[next])) next += 1;
      if (!before(heap[next] as Task, last)) break;
      heap[at] = heap[next] as Task;
      at = next;
    }
    heap[at] = last;
    return first;
  }

  /** Does everything that is due until then. `look` is called before time moves on. */
  async runUntil(ms: number, look: () => void): Promise<void> {
    for (;;) {
      const next = this.#heap[0];
      if (!next || next.atMs > ms) break;
      this.#pop();
      if (next.cancelled || next.owner?.alive === false) continue;
      if (next.atMs > this.nowMs) look();
      this.nowMs = next.atMs;
      this.steps += 1;
      this.#current = next.owner;
      next.run();
      // All promises that can go on do so, before anything else happens.
      if (next.owner) await new Promise<void>((resolve) => real.setImmediate(resolve));
      this.#current = undefined;
    }
    this.nowMs = ms;
    look();
  }

  /** Replaces the timers of the whole program; returns how to put them back. */
  install(): () => void {
    const timer = (owner: Life | undefined, ms: number, run: () => void) =>
      new ModelTimer(this.#add(ms, owner, run));
    const set = (run: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) =>
      timer(this.#current, Math.max(1, ms), () => run(...args));
    const clear = (found: unknown) => {
      if (found instanceof ModelTimer) found.cancel();
    };
    const patch: Record<string, unknown> = {
      setTimeout: set,
      clearTimeout: clear,
      clearInterval: clear,
      setImmediate: (run: (...args: unknown[]) => void, ...args: unknown[]) =>
        timer(this.#current, 0, () => run(...args)),
      setInterval: (run: () => void, ms = 0) => {
        const owner = this.#current;
        const every = timer(owner, ms, () => {
          run();
          again();
        });
        const again = () =>
          every.renew(
            this.#add(ms, owner, () => {
              run();
              again();
            }),
          );
        return every;
      },
    };
    Object.assign(globalThis, patch);
    promiseTimers.setTimeout = (ms, value) =>
      new Promise((resolve) => void this.#add(ms, this.#current, () => resolve(value)));
    syncBuiltinESMExports();
    return () => {
      const { promise, ...globals } = real;
      Object.assign(globalThis, globals);
      promiseTimers.setTimeout = promise;
      syncBuiltinESMExports();
    };
  }
}

const before = (a: Task, b: Task | undefined): boolean =>
  b !== undefined && (a.atMs < b.atMs || (a.atMs === b.atMs && a.seq < b.seq));

/** What Node calls a Timeout. */
class ModelTimer {
  #task: Task;
  #over = false;
  constructor(task: Task) {
    this.#task = task;
  }
  cancel(): void {
    this.#over = true;
    this.#task.cancelled = true;
  }
  renew(task: Task): void {
    this.#task = task;
    if (this.#over) task.cancelled = true;
  }
  unref(): this {
    return this;
  }
  ref(): this {
    return this;
  }
}

/** A small seeded generator (mulberry32): 0 ≤ n < 1. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
