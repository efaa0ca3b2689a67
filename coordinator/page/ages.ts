// Moments as people read them. Ages are counted by the coordinator's clock, not by the reader's, which may be wrong.
import { el, setText } from './dom.ts';

let aheadMs = 0;

/** The coordinator says what time it is. */
export function setClock(nowMs: number): void {
  aheadMs = nowMs - Date.now();
}

export const nowMs = (): number => Date.now() + aheadMs;

export function ageText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** In the reader's own time zone; with the date when it is not today. */
export function clockText(ms: number): string {
  const time = new Date(ms);
  const clock = time.toLocaleTimeString('en-GB');
  const today = new Date(nowMs()).toDateString() === time.toDateString();
  return today ? clock : `${time.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' })} ${clock}`;
}

/** "3 min", growing by itself. */
export function age(sinceMs: number): HTMLTimeElement {
  const time = el('time', 'age', ageText(nowMs() - sinceMs));
  time.dateTime = new Date(sinceMs).toISOString();
  time.title = clockText(sinceMs);
  time.dataset['since'] = String(sinceMs);
  return time;
}

export function moment(ms: number): HTMLTimeElement {
  const time = el('time', '', clockText(ms));
  time.dateTime = new Date(ms).toISOString();
  return time;
}

export function refreshAges(): void {
  for (const time of document.querySelectorAll<HTMLElement>('time[data-since]'))
    setText(time, ageText(nowMs() - Number(time.dataset['since'])));
}
