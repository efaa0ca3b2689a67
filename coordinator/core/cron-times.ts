// A cron expression (shared/cron.ts) in a time zone → when it is due next. Pure, where libraries only start timers: the
// plan asks at any moment, so a window survives whoever planned it. Day of month and day of week as in cron(8): when
// both are restricted, either is enough. A time that a clock change skips is due when the clock has passed it; one that
// comes twice is due the first time.

const minuteMs = 60_000;
const dayMs = 86_400_000;
/** 29 February comes again after eight years at most. */
const mostDays = 8 * 366 + 1;

/** @param expression without fault; @returns Unix ms ≥ `fromMs`; undefined when it is never due (30 February) */
export function nextTimeMs(expression: string, zone: string, fromMs: number): number | undefined {
  const fields = expression.split(' ');
  const [second = '0', minute = '', hour = '', day = '', month = '', weekday = ''] =
    fields.length === 5 ? ['0', ...fields] : fields;
  const times = {
    seconds: values(second, 0, 59),
    minutes: values(minute, 0, 59),
    hours: values(hour, 0, 23),
  };
  const days = new Set(values(day, 1, 31));
  const months = new Set(values(month, 1, 12));
  const weekdays = new Set(values(weekday, 0, 7).map((each) => each % 7));
  const eitherDay = !day.startsWith('*') && !weekday.startsWith('*');
  const localFrom = fromMs + offsetMs(zone, fromMs);
  // Clocks are set by three hours at most.
  const earliest = localFrom - 180 * minuteMs;
  // The day before as well: its last times may come after a clock change.
  const firstDay = Math.floor(localFrom / dayMs) * dayMs - dayMs;
  for (let count = 0; count <= mostDays; count++) {
    const date = new Date(firstDay + count * dayMs);
    const [byDay, byWeekday] = [days.has(date.getUTCDate()), weekdays.has(date.getUTCDay())];
    const due = eitherDay ? byDay || byWeekday : byDay && byWeekday;
    if (!due || !months.has(date.getUTCMonth() + 1)) continue;
    const found = timesOfDay(date.getTime(), times, earliest)
      .map((local) => instantMs(zone, local))
      .find((ms) => ms >= fromMs);
    if (found !== undefined) return found;
  }
  return undefined;
}

interface Times {
  seconds: readonly number[];
  minutes: readonly number[];
  hours: readonly number[];
}

/** Local times as if they were UTC, ascending; of the many that one day may have, only as many as can matter. */
function timesOfDay(startMs: number, { seconds, minutes, hours }: Times, earliestMs: number): number[] {
  const found: number[] = [];
  for (const hour of hours) {
    if (startMs + (hour + 1) * 60 * minuteMs < earliestMs) continue;
    for (const minute of minutes) {
      for (const second of seconds) {
        const ms = startMs + (hour * 60 + minute) * minuteMs + second * 1_000;
        if (ms >= earliestMs) found.push(ms);
        // Six hours ahead some must be due, whatever clocks do.
        if (ms > earliestMs + 360 * minuteMs && found.length > 1) return found;
      }
    }
  }
  return found;
}

/** Every number that a field of the expression means. */
function values(field: string, least: number, most: number): number[] {
  const all = new Set<number>();
  for (const item of field.split(',')) {
    const [range = '', step = '1'] = item.split('/');
    const [from = String(least), to = from] =
      range === '*' ? [String(least), String(most)] : range.split('-');
    for (let value = Number(from); value <= Number(to); value += Number(step)) all.add(value);
  }
  return [...all].sort((a, b) => a - b);
}

/** @param localMs a wall-clock time of the zone, as if it were UTC */
function instantMs(zone: string, localMs: number): number {
  const before = localMs - offsetMs(zone, localMs - dayMs);
  if (before + offsetMs(zone, before) === localMs) return before;
  const after = localMs - offsetMs(zone, localMs + dayMs);
  return after + offsetMs(zone, after) === localMs ? after : before;
}

/** What the zone's clocks show beyond UTC. */
export function offsetMs(zone: string, ms: number): number {
  const parts = new Map(
    formatter(zone)
      ?.formatToParts(ms)
      .map(({ type, value }) => [type, Number(value)]),
  );
  const part = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? 0;
  const local = Date.UTC(
    part('year'),
    part('month') - 1,
    part('day'),
    part('hour'),
    part('minute'),
    part('second'),
  );
  return local - Math.floor(ms / 1_000) * 1_000;
}

export const isTimeZone = (zone: string): boolean => formatter(zone) !== undefined;

/** Making one costs far more than using it. */
const formatters = new Map<string, Intl.DateTimeFormat>();
const mostFormatters = 100;

function formatter(zone: string): Intl.DateTimeFormat | undefined {
  const known = formatters.get(zone);
  if (known) return known;
  if (!/^[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+){0,2}$/.test(zone)) return undefined;
  try {
    const made = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    if (formatters.size >= mostFormatters) formatters.clear();
    formatters.set(zone, made);
    return made;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
