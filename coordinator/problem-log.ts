// Problems come and go with each plan; the log says each once when it appears, and how many are solved.
import type { Log } from '../shared/io/log.ts';
import { type Problem, problemKey, problemText } from '../shared/problem.ts';

/** @param tell hears of each one that comes or goes */
export function createProblemLog(
  log: Log,
  tell: (type: 'problem' | 'solved', problem: Problem) => void,
): (problems: readonly Problem[]) => void {
  let known = new Map<string, Problem>();
  return (problems) => {
    const before = known;
    known = new Map(problems.map((problem) => [problemKey(problem), problem]));
    for (const problem of known.values()) {
      if (before.has(problemKey(problem))) continue;
      tell('problem', problem);
      const level = problem.severity === 'error' ? 'error' : 'warn';
      log[level]({ event: 'problem', problem }, problemText(problem));
    }
    const gone = [...before].filter(([key]) => !known.has(key));
    for (const [, problem] of gone) tell('solved', problem);
    const solved = gone.length;
    if (solved > 0) log.info({ event: 'problems-solved', solved, remaining: known.size }, 'problems solved');
  };
}
