#!/bin/sh
# All tests, for `npm test`: files that wait most of their time or only compute go two at a time, and so do Swarms that
# are to work; those on which every lost probe counts have the machine for themselves.
# shellcheck disable=SC2046,SC2086 # no path here holds a blank
set -u
suite() {
  node --import tsx --test --test-reporter=spec "$@" || failed=1
}
failed=0
trap 'exit 130' INT TERM
alone=$(ls test/e2e/main-job.test.ts test/e2e/live-change.test.ts test/e2e/planned-moves.test.ts \
  test/e2e/membership.test.ts test/e2e/status-page.test.ts test/faults/faults.test.ts)
suite --test-concurrency=2 $(ls test/*.test.ts test/*/*.test.ts | grep -vF -e test/e2e/ -e test/faults/faults)
suite --test-concurrency=2 $(ls test/e2e/*.test.ts | grep -vF "$alone")
suite --test-concurrency=1 $alone
exit "$failed"
