// When a report goes out: on every change (those within 20 ms together), and once a second in any case.
import { type Report, reportPeriodMs } from '../shared/protocol.ts';

const coalesceMs = 20;

export interface Reporter {
  changed(): void;
  /** Now, and even if nothing has changed: somebody new listens. */
  resend(): void;
  stop(): void;
}

export function createReporter(report: () => Report, send: (text: string) => void): Reporter {
  let last = '';
  let timer: NodeJS.Timeout | undefined;
  const flush = (always: boolean) => {
    clearTimeout(timer);
    timer = undefined;
    const text = JSON.stringify(report());
    if (!always && text === last) return;
    last = text;
    send(text);
  };
  const period = setInterval(() => flush(true), reportPeriodMs);
  return {
    changed() {
      timer ??= setTimeout(() => flush(false), coalesceMs);
    },
    resend: () => flush(true),
    stop() {
      clearInterval(period);
      clearTimeout(timer);
    },
  };
}
