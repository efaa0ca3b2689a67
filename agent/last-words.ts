// What keepalived says, in our own log and in the report of its crash.
import type { Log } from '../shared/io/log.ts';

/** keepalived's own log: each warning once a minute in ours, and the last lines for the report of a crash. */
export function createLastWords(log: Log, now: () => number) {
  const lines: string[] = [];
  const saidAt = new Map<string, number>();
  return {
    hear(text: string, warning: boolean) {
      lines.push(text);
      if (lines.length > 8) lines.shift();
      if (!warning || now() - (saidAt.get(text) ?? Number.NEGATIVE_INFINITY) < 60_000) {
        log.debug({ event: 'keepalived-says' }, text);
        return;
      }
      if (saidAt.size > 200) saidAt.clear();
      saidAt.set(text, now());
      log.warn({ event: 'keepalived-says' }, text);
    },
    all: () => lines.join(' | '),
  };
}

export function crashProblem(exit: string | null, words: string) {
  return {
    code: 'keepalived-down',
    severity: 'error',
    where: 'keepalived',
    message: `it ended by itself (${exit ?? 'not our child'}); its last words: ${words || 'none'}`,
    instead: 'this node holds no address; keepalived is started again with a growing delay',
    remedy: 'read its last words',
  } as const;
}
