// A fault of groups.yaml → a problem that names file, line, column and path.
import type { Problem } from '../../shared/problem.ts';
import type { Path } from './groups-tree.ts';
import type { Fault } from './groups-yaml.ts';
import { readable } from './readable.ts';

/** A problem of the file, for people and for editors. */
export type FileProblem = Problem & { line: number; column: number; path: Path };

/** A fault as a problem; a value that is or stands beside a password is never shown. */
export function fileProblem(
  source: string,
  { code, at, path, value, message, remedy }: Fault,
  instead: string,
  group?: string,
  severity: Problem['severity'] = 'error',
): FileProblem {
  const secret =
    ['auth', 'password', 'headers'].some((key) => path.includes(key)) ||
    (path.includes('url') && (path[0] === 'notifications' || value?.includes('@') === true));
  const place = path.length === 0 ? '' : `, ${readable(path.join('.'))}`;
  return {
    code,
    severity,
    where: `${source}, line ${at.line}, column ${at.column}${place}`,
    ...(group === undefined ? {} : { group: readable(group) }),
    ...(value === undefined || secret ? {} : { value: readable(value) }),
    message,
    instead,
    remedy,
    line: at.line,
    column: at.column,
    path,
  };
}
