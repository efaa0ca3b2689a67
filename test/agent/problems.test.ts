// What is wrong on a node is said once, however much there is to say.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import pino from 'pino';
import { createProblems } from '../../agent/io/problems.ts';

describe('a problem', () => {
  it('that is set again unchanged is neither logged nor reported again, also a very long one', () => {
    const lines: string[] = [];
    let changes = 0;
    const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) });
    const problems = createProblems(log, () => {
      changes += 1;
    });
    const found = (message: string) => ({
      ...({ code: 'check-hangs', severity: 'error', where: 'group web', message } as const),
      ...{ instead: 'nothing', remedy: 'none' },
    });
    for (let time = 0; time < 3; time += 1) problems.set(found('x'.repeat(5000)));
    assert.deepEqual([lines.length, changes, problems.all().length], [1, 1, 1]);
    problems.set(found('y'));
    assert.deepEqual([lines.length, changes, problems.all()[0]?.message], [2, 2, 'y']);
    problems.clear('check-hangs', 'group web');
    assert.deepEqual([lines.length, changes, problems.all().length], [3, 3, 0]);
  });
});
