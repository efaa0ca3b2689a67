// The rules as operators get them → the same rules in the time that a test has: durations and windows are shortened,
// what is asked stays.
import { parse, stringify } from 'yaml';

interface Rules {
  groups: { interval: string; rules: { alert?: string; expr: string; for?: string }[] }[];
}

export interface Shortened {
  /** In the place of every `for`. */
  readonly for: string;
  /** In the place of every window such as [10m]. */
  readonly window: string;
}

export function quickRules(text: string, { for: duration, window }: Shortened): string {
  const rules = parse(text) as Rules;
  for (const group of rules.groups) {
    group.interval = '1s';
    for (const rule of group.rules) {
      if (rule.for !== undefined) rule.for = duration;
      rule.expr = rule.expr.replace(/\[\d+[smh]\]/g, `[${window}]`);
    }
  }
  return stringify(rules);
}

export const alertNames = (text: string): string[] =>
  (parse(text) as Rules).groups.flatMap(({ rules }) => rules.flatMap(({ alert }) => alert ?? []));
