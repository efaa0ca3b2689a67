// What a test makes of a measured step: it holds, it fails, or the machine was too noisy to say, three times in a row.
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { MAX_CONTROL_GAP_MS, type Verdict } from '../lab/judge.ts';

/** Of one run, or of the last of several. */
type Judged = Verdict & { readonly voids?: number };

/** True when the verdict counts. A void one skips the test, visibly and with its figures: it says nothing about us. */
function counts(t: TestContext, verdict: Judged): boolean {
  t.diagnostic(JSON.stringify(verdict));
  if (!verdict.void) return true;
  t.skip(
    `skipped, because the machine was too noisy to judge: control gap ${verdict.controlGapMs} ms, ` +
      `limit ${MAX_CONTROL_GAP_MS} ms, ${(verdict.voids ?? 0) + 1} runs`,
  );
  return false;
}

/** Asserts that the step kept its bound. A test's last line, for in a skipped test no failure counts any more. */
export function keepsBound(t: TestContext, verdict: Judged): void {
  if (counts(t, verdict)) assert.ok(verdict.ok, JSON.stringify(verdict));
}
