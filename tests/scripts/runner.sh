#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# scripts/run_tests sees every way in which a program can fail or be missing, and keeps what it said.
NEED_ROOT=0
. "$(dirname "$0")/../netns/lib.sh"

program() { # NAME: its lines on standard input
	{ echo '#!/bin/sh' && cat; } >"$TMP/$1" && chmod +x "$TMP/$1"
}
program good <<<'echo "2 passed, 0 failed, 1 skipped"'
program cmocka <<<'echo "[  PASSED  ] 4 test(s)."'
program bad <<-'SH'
	seq -f 'line %g' 500
	echo "1 passed, 1 failed, 0 skipped"
	exit 1
SH
program silent <<<'exit 0'
program dies <<-'SH'
	echo "3 passed, 0 failed, 0 skipped"
	kill -ABRT $$
SH
program slow <<<'exec sleep 600'
program wraps <<<'echo "with $(basename "$1")"; exec "$1"'
run() { # PROGRAM...: passed, failed, skipped; the report is in $TMP/report
	: >"$TMP/tally"
	BUILD=$TMP/build TEST_TIMEOUT=5 JOBS=3 scripts/run_tests "$TMP/tally" "${@/#/$TMP/}" >"$TMP/report" 2>&1
	rc=$?
	awk -v rc=$rc '{p += $1; f += $2; s += $3} END {print p + 0, f + 0, s + 0, rc}' "$TMP/tally"
}
reported() { grep -qE "/$1 +[0-9]+ passed +$2 failed" "$TMP/report"; }
kept() { cat "$TMP"/build/failed/*_"$1".log; }

equal "programs that pass, and exit status 0" "6 0 1 0" "$(run good cmocka)"
equal "every failure counts, and those beside it" "10 5 1 1" "$(run good bad cmocka silent dies missing slow)"
for t in bad silent dies missing slow; do check "$t is reported" reported $t 1; done
for t in good cmocka; do check "$t is reported" reported $t 0; done
equal "the whole log of a failure is kept" 500 "$(kept bad | grep -c ^line)"
check "its end is shown" grep -q '^line 500$' "$TMP/report"
check "that time was up is said" grep -q 'gave it 5 s' <(kept slow)
check "that nothing ran is said" grep -q 'silent: ran no test' "$TMP/report"
equal "nothing is kept of those that passed" "" "$(find "$TMP/build/failed" -name '*good*')"
export RUN_WITH=$TMP/wraps
equal "by way of another program" "2 1 1 1" "$(run good silent)"
check "which gets the test's name" grep -q '^with silent$' <(kept silent)
unset RUN_WITH
exits 2 scripts/check unit nosuch
says "no stage 'nosuch'" err
finish
