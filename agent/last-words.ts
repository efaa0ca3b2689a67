// What keepalived says, in our own log and in the report of its crash.
import type { Log } from '../shared/io/log.ts';

const minuteMs = 60_000;
/** Different ones within a minute. More is a flood: it says nothing more, and fills the disk of the node. */
const mostWarnings = 60;

/** keepalived's own log: each warning once a minute in ours, and the last lines for the report of a crash. */
export function createLastWords(log: Log, now: () => number) {
  const lines: string[] = [];
  let said = new Set<string>();
  let minuteBeganMs = Number.NEGATIVE_INFINITY;
  return {
    hear(text: string, warning: boolean) {
      lines.push(text);
      if (lines.length > 8) lines.shift();
      if (now() - minuteBeganMs >= minuteMs) {
        minuteBeganMs = now();
        said = new Set();
      }
      if (!warning || said.has(text) || said.size > mostWarnings) {
        log.debug({ event: 'keepalived-says' }, text);
        return;
      }
      said.add(text);
      if (said.size > mostWarnings) {
        log.warn(
          { event: 'keepalived-flood' },
          'keepalived warns of too much: the rest of this minute is left out',
        );
      } else log.warn({ event: 'keepalived-says' }, text);
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
