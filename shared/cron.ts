// Cron expressions: five fields, or six with seconds first; numbers, lists, ranges and steps. Names and the special
// letters of some dialects are left out, so that every reader understands one expression alike.

const fields = [
  ['second', 0, 59],
  ['minute', 0, 59],
  ['hour', 0, 23],
  ['day of the month', 1, 31],
  ['month', 1, 12],
  ['day of the week', 0, 7],
] as const;

/** What is wrong with it, in words; undefined when nothing is. */
export function cronFault(text: string): string | undefined {
  const parts = text.split(' ');
  if (parts.length !== 5 && parts.length !== 6) {
    return `expected 5 fields, or 6 with seconds, separated by single spaces, found ${parts.length}`;
  }
  for (const [index, [name, least, most]] of fields.slice(fields.length - parts.length).entries()) {
    const part = parts[index] ?? '';
    const good = part.split(',').every((item) => isItem(item, least, most));
    if (!good) return `expected for the ${name} numbers from ${least} to ${most}, as in 5, 1-5, */10 or 1,2`;
  }
  return undefined;
}

function isItem(item: string, least: number, most: number): boolean {
  const match = /^(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:\/(\d{1,2}))?$/.exec(item);
  if (!match) return false;
  const [, from, to, step] = match;
  const within = (text: string | undefined) =>
    text === undefined || (Number(text) >= least && Number(text) <= most);
  const ordered = from === undefined || to === undefined || Number(from) <= Number(to);
  // A step needs something to step through.
  const steps = step === undefined || (Number(step) > 0 && (from === undefined || to !== undefined));
  return within(from) && within(to) && ordered && steps;
}
