// Ages that grow by themselves, and moments, as elements.
import { ageText, clockText, nowMs } from './clock.ts';
import { el, setText } from './dom.ts';

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
