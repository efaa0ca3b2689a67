// What is wrong on this node right now, kept by code and place; said in the log once, when it begins and when it ends.
import type { Log } from '../../shared/io/log.ts';
import { type Problem, problemText } from '../../shared/problem.ts';

export interface Problems {
  set(problem: Problem): void;
  clear(code: string, where: string): void;
  all(): Problem[];
}

export function createProblems(log: Log, onChange: () => void): Problems {
  const current = new Map<string, Problem>();
  const keyOf = (code: string, where: string) => `${code}\0${where}`;
  return {
    set(found) {
      const problem = cut(found);
      const key = keyOf(problem.code, problem.where);
      const before = current.get(key);
      if (before && problemText(before) === problemText(problem)) return;
      current.set(key, problem);
      const write = problem.severity === 'error' ? log.error : log.warn;
      write.call(log, { event: 'problem', code: problem.code, group: problem.group }, problemText(problem));
      onChange();
    },
    clear(code, where) {
      if (!current.delete(keyOf(code, where))) return;
      log.info({ event: 'problem-ended', code, where }, 'problem ended');
      onChange();
    },
    all: () => [...current.values()],
  };
}

/** Keeps a report far below the limit of a frame, whatever a tool printed. */
function cut(problem: Problem): Problem {
  const short = (text: string) => text.slice(0, 600);
  return {
    ...problem,
    where: short(problem.where),
    message: short(problem.message),
    instead: short(problem.instead),
    remedy: short(problem.remedy),
  };
}
