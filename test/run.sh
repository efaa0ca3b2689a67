#!/bin/sh
# All tests, for `npm test`: files that wait most of their time go two at a time, and so do Swarms that are to work; those
# on which every lost probe counts have the machine for themselves. What only computes takes the turns that these leave.
# shellcheck disable=SC2046,SC2086 # no path here holds a blank
set -u
runner='node --import tsx --import ./test/assert-ok.ts --test --test-reporter=spec'
failed=0
suite() {
  $runner "$@" || failed=1
}
compute=$(ls test/tidy.test.ts test/model/*.test.ts)
alone=$(ls test/e2e/main-job.test.ts test/e2e/live-change.test.ts test/e2e/planned-moves.test.ts \
  test/e2e/membership.test.ts test/e2e/store-trouble.test.ts test/e2e/status-page.test.ts test/faults/faults.test.ts)
computed=$(mktemp)
trap 'rm -f "$computed"' EXIT
chrt --idle 0 $runner --test-concurrency=1 $compute >"$computed" 2>&1 &
computing=$!
trap 'kill "$computing"; exit 130' INT TERM
suite --test-concurrency=2 $(ls test/*.test.ts test/*/*.test.ts | grep -vF -e test/e2e/ -e test/faults/faults -e "$compute")
wait "$computing" || failed=1
cat "$computed"
trap 'exit 130' INT TERM
suite --test-concurrency=2 $(ls test/e2e/*.test.ts | grep -vF "$alone")
suite --test-concurrency=1 $alone
exit "$failed"
