// The time as the coordinator has it, and moments as people read them: in their own zone. Pure but for the clock itself.
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

/** Words of the coordinator, with the moments in them as all others on this page: a reader at night mixes up two zones. */
export const localTimes = (text: string): string =>
  text.replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, (iso) => clockText(Date.parse(iso)));
