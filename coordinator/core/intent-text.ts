// What labels that hold an operator's intent (drain, pause, window) have in common: REASON, then options, with
// semicolons between them.
import { readable } from './readable.ts';

const maxReason = 200;

/** For people to read; the label may have been written by hand. */
export const readReason = (text: string): string => readable(text).slice(0, maxReason);

/** Reasons lose what the grammar uses itself. */
export const writeReason = (text: string): string =>
  text
    .replace(/[;\p{Cc}]+/gu, ' ')
    .trim()
    .slice(0, maxReason);

export const splitIntent = (text: string): string[] => text.split(';').map((part) => part.trim());

/** "2026-01-31T12:00:00Z" (RFC 3339) → Unix ms; undefined when it is no such time. */
export function readTimeMs(text: string): number | undefined {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)$/.test(text)) return undefined;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}
