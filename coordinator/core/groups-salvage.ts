// A part of groups.yaml + its schema → the value without what does not fit, and a problem for each thing left out.
import * as v from 'valibot';
import { didYouMean } from './did-you-mean.ts';
import { type FileProblem, fileProblem } from './groups-problem.ts';
import { type Defaults, type GroupEntry, keysAt, notYet } from './groups-schema.ts';
import { type Path, placeOf, plain, removeAt, type Tree } from './groups-tree.ts';
import type { NotificationEntry } from './notifications.ts';
import { readable } from './readable.ts';

export interface Salvaged<T> {
  /** Undefined when nothing can be made of it. */
  value: T | undefined;
  problems: FileProblem[];
}

interface Salvage<T> {
  schema: v.GenericSchema<unknown, T> & (typeof Defaults | typeof GroupEntry | typeof NotificationEntry);
  root: Tree;
  /** Part of `root`; what does not fit is taken away from it. */
  tree: Tree;
  path: Path;
  source: string;
  instead: string | ((path: Path) => string);
  group?: string;
}

/** More wrong things than this in one group are not told one by one. */
const maxProblems = 50;

export function salvage<T>({ schema, root, tree, path, source, instead, group }: Salvage<T>): Salvaged<T> {
  const problems: FileProblem[] = [];
  while (problems.length < maxProblems) {
    const result = v.safeParse(schema, plain(tree));
    if (result.success) return { value: result.output, problems };
    const [issue] = result.issues;
    const within = pathOf(issue);
    const at = [...path, ...within];
    const { code, message, remedy } = words(issue, within, keysAt(schema, within));
    const missing = issue.received === 'undefined';
    const value = missing || typeof issue.input === 'object' ? undefined : readable(String(issue.input));
    // An address or a check that says too much or too little goes as a whole; everything else goes by itself.
    const remove = within[0] === 'addresses' || within[0] === 'checks' ? within.slice(0, 2) : within;
    const fault = { code, at: placeOf(root, at), path: at, message, remedy, ...(value ? { value } : {}) };
    // A missing key of the group itself has been told by the caller.
    if (!(missing && within.length === 1)) {
      const what = typeof instead === 'string' ? instead : instead([...path, ...remove]);
      problems.push(fileProblem(source, fault, what, group));
    }
    if (within.length === 0 || (missing && within.length === 1)) break;
    removeAt(tree, missing ? remove.slice(0, -1) : remove);
  }
  return { value: undefined, problems };
}

const pathOf = (issue: v.BaseIssue<unknown>): (string | number)[] =>
  (issue.path ?? []).map(({ key }) => (typeof key === 'number' ? key : String(key)));

function words(
  issue: v.BaseIssue<unknown>,
  within: Path,
  known: readonly string[],
): { code: string; message: string; remedy: string } {
  const key = String(within.at(-1) ?? '');
  if (issue.type === 'strict_object' && issue.expected === 'never') {
    if (notYet.has(key)) {
      const message = `${key} is planned, this version cannot do it yet`;
      return { code: 'not-yet', message, remedy: 'remove the key' };
    }
    if (key === '<<') {
      const message = 'merge keys are no part of YAML 1.2';
      return { code: 'key-unknown', message, remedy: 'use defaults, or an alias for a whole value' };
    }
    const message = `expected one of ${known.join(', ')}${didYouMean(key, known)}`;
    return { code: 'key-unknown', message, remedy: 'correct or remove the key' };
  }
  if (issue.received === 'undefined') {
    return { code: 'key-missing', message: `expected the key ${key}`, remedy: 'add it' };
  }
  const code = within[0] === 'addresses' ? 'address-invalid' : 'value-invalid';
  if (issue.type === 'strict_object')
    return { code, message: 'expected a map of keys', remedy: 'correct it' };
  if (issue.type === 'array') {
    return {
      code,
      message: 'expected a list',
      remedy: `write ${key}: [a, b], or one item a line after "- "`,
    };
  }
  if (issue.type === 'min_length') return { code, message: 'expected at least one item', remedy: 'add one' };
  if (issue.type === 'max_length') {
    return { code, message: `expected at most ${issue.expected?.replace(/\D+/g, '')}`, remedy: 'shorten it' };
  }
  if (issue.type === 'string' && issue.message.startsWith('Invalid')) {
    return { code, message: 'expected text', remedy: 'put it in quotes' };
  }
  return { code, message: issue.message, remedy: 'correct or remove the value' };
}
