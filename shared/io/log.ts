// The only place that makes a logger: JSON lines on stdout, secrets redacted by path.
import pino from 'pino';

export type Log = pino.Logger;

/** @param program "agent" or "coordinator"; @param level pino level name. */
export function createLog(program: string, level: string): Log {
  return pino({
    level,
    base: { program },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: { paths: ['password', '*.password', '*.*.password', 'key', '*.key'], censor: '[redacted]' },
  });
}
