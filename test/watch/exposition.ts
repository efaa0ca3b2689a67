// Prometheus' text format → families and series, as a scraper sees them.
export interface Series {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Exposition {
  readonly types: ReadonlyMap<string, string>;
  readonly series: readonly Series[];
}

export function readExposition(text: string): Exposition {
  const types = new Map<string, string>();
  const series: Series[] = [];
  for (const line of text.split('\n').filter((each) => each !== '')) {
    const type = /^# TYPE (\S+) (\S+)$/.exec(line);
    if (type) types.set(type[1] ?? '', type[2] ?? '');
    if (line.startsWith('#')) continue;
    const found = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (!found) throw new Error(`no line of the text format: ${line}`);
    const [, name = '', inner = '', value = ''] = found;
    const labels = [...inner.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key = '', text = '']) => [
      key,
      text,
    ]);
    series.push({ name, labels: Object.fromEntries(labels), value: Number(value) });
  }
  return { types, series };
}

/** The values of one name, chosen by some of their labels. */
export const valuesOf = (
  { series }: Exposition,
  name: string,
  chosen: Readonly<Record<string, string>> = {},
): number[] =>
  series
    .filter((each) => each.name === name)
    .filter(({ labels }) => Object.entries(chosen).every(([key, value]) => labels[key] === value))
    .map(({ value }) => value);
