// Loaded before every test file. Node words the failure of an `assert.ok` without a message by parsing the source at the
// place of the call; tsx hands it everything on one line, and that takes minutes of a core, which fails what runs beside.
import assert, { AssertionError } from 'node:assert/strict';

assert.ok = function ok(actual: unknown, message?: string | Error): asserts actual {
  if (actual) return;
  if (message instanceof Error) throw message;
  const words = message ?? `expected something truthy, found ${String(actual)}`;
  throw new AssertionError({ message: words, actual, expected: true, operator: '==', stackStartFn: ok });
};
