// Lines of keepalived's own log → what they mean to us. Only a few are signals; the rest explain a failure.

export interface KeepalivedLine {
  /** Without the date that keepalived puts in front. */
  readonly text: string;
  readonly meaning: 'ready' | 'respawning' | 'warning' | 'detail';
}

const date = /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}: /;

/** Mismatches that only the log tells about, and that mean two holders or none. */
const warnings = [
  /received an invalid passwd/,
  /advertisement interval mismatch/,
  /wrong version/,
  /unexpected ip number count/,
  /not present in MASTER advert/,
  /not a unicast peer/,
  /TTL\/HL .* not in range/,
  /cannot|can't|unable to|error|failed|not found|does not exist/i,
];

export function readKeepalivedLine(line: string): KeepalivedLine {
  const text = line.replace(date, '').slice(0, 500);
  if (text === 'Startup complete' || text === 'Reload complete') return { text, meaning: 'ready' };
  if (text.includes('VRRP child process') && text.includes('died: Respawning')) {
    return { text, meaning: 'respawning' };
  }
  return { text, meaning: warnings.some((pattern) => pattern.test(text)) ? 'warning' : 'detail' };
}
