// Problems come and go with each plan; the log says each once when it appears, and how many are solved.
import type { Log } from '../shared/io/log.ts';
import { type Problem, problemKey, problemText } from '../shared/problem.ts';

export function createProblemLog(log: Log): (problems: readonly Problem[]) => void {
  let known = new Set<string>();
  return (problems) => {
    const before = known;
    known = new Set(problems.map(problemKey));
    for (const problem of problems) {
      if (before.has(problemKey(problem))) continue;
      const level = problem.severity === 'error' ? 'error' : 'warn';
      log[level]({ event: 'problem', problem }, problemText(problem));
    }
    const solved = [...before].filter((key) => !known.has(key)).length;
    if (solved > 0) log.info({ event: 'problems-solved', solved, remaining: known.size }, 'problems solved');
  };
}
