// One shape for everything that is wrong: it names the place, the value, the remedy and what was done instead.
import * as v from 'valibot';
import { Words } from './words.ts';

export const Problem = v.object({
  /** Stable kebab-case word for scripts, e.g. "priority-clamped". */
  code: v.pipe(v.string(), v.regex(/^[a-z][a-z0-9-]{1,63}$/)),
  /** `error`: something asked for is not done. `warning`: it is done otherwise than asked. */
  severity: v.picklist(['error', 'warning']),
  /** Where: "node web-01 (id), label KEEPALIVED_PRIORITY". */
  where: Words,
  group: v.optional(v.string()),
  node: v.optional(v.string()),
  /** The offending value, cut to a readable length; never a secret. */
  value: v.optional(Words),
  /** What is wrong: expected and found. */
  message: Words,
  /** What was done instead. */
  instead: Words,
  /** What the operator can do about it. */
  remedy: Words,
});
export type Problem = v.InferOutput<typeof Problem>;

/** What is wrong, and what comes of it; the remedy stands elsewhere. */
export function problemWords({ where, message, value, instead }: Problem): string {
  const found = value === undefined ? '' : ` (found "${value}")`;
  return `${where}: ${message}${found}. Instead: ${instead}`;
}

/** One line for logs and tables. */
export const problemText = (problem: Problem): string =>
  `${problemWords(problem)}. Remedy: ${problem.remedy}.`;

/** Identity of a problem: the same problem seen twice is one. */
export function problemKey(problem: Problem): string {
  return [problem.code, problem.where, problem.group, problem.node, problem.value].join('\u0000');
}
