// The list of guards keeps up with the code: `npm run fuzz -- mutants` takes each away.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { guards } from './guards.ts';

describe('the guards that the model must miss', () => {
  for (const { name, file, text, instead } of guards) {
    it(`${name} is found exactly once where the list says`, () => {
      const source = readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
      assert.equal(source.split(text).length - 1, 1, text);
      assert.notEqual(instead, text);
    });
  }
});
