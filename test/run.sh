#!/bin/sh
# All tests, for `npm test`: files that wait most of their time or only compute go two at a time, those that judge a
# whole Swarm alone.
set -u
suite() {
  node --import tsx --test --test-reporter=spec "$@" || failed=1
}
failed=0
# shellcheck disable=SC2046 # no path here holds a blank
suite --test-concurrency=2 $(ls test/*.test.ts test/*/*.test.ts | grep -v -e '^test/e2e/' -e '^test/faults/')
suite --test-concurrency=1 test/e2e/*.test.ts test/faults/*.test.ts
exit "$failed"
