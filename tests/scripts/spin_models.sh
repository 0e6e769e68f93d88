#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Check the models in tests/model/spin with Spin, and that it finds what was broken in them on purpose:
# a model that cannot fail shows nothing.
set -uo pipefail
cd "$(dirname "$0")/../model/spin"
models=$PWD
command -v spin >/dev/null || { echo "SKIP spin is not installed"; echo "0 passed, 0 failed, 6 skipped"; exit 0; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
passed=0 failed=0

# Verify the model in this folder; true if it has no error and was searched to its end.
verify() {
	rm -f pan pan.*
	spin -a "$1" >spin.out 2>&1 && cc -O2 -DSAFETY -DCOLLAPSE -w -o pan pan.c &&
		timeout 120 ./pan -m200000 >pan.out 2>&1 &&
		grep -q 'errors: 0' pan.out && ! grep -q 'max search depth too small' pan.out
}

result() { # name, 0 or 1
	if [ "$2" = 0 ]; then
		echo "ok      $1"
		passed=$((passed + 1))
	else
		echo "FAILED  $1"
		cat spin.out pan.out 2>/dev/null | tail -n 20
		failed=$((failed + 1))
	fi
}

holds() {
	verify "$models/$1.pml"
	result "$1: holds" $?
}

# Model, what is broken, and the sed script that breaks it.
breaks() {
	sed -E "$3" "$models/$1.pml" >broken.pml
	if cmp -s broken.pml "$models/$1.pml"; then
		echo "the script changes nothing" >pan.out
		result "$1: $2" 1
		return
	fi
	verify broken.pml
	grep -qE 'errors: [1-9]' pan.out
	result "$1: $2 is found" $?
}

holds publish
breaks publish "no second look at the header" 's/:: version != ver -> again = true//; s/:: atomic \{ version == ver -> found = i; fw = w \}/:: found = i; fw = w/'
holds wait
breaks wait "a look before the bit is set" 's/waiting\[me\] = true;/skip;/; s/:: state == LEASE -> atomic/:: state == LEASE -> waiting[me] = true; atomic/'
holds retire
breaks retire "made pins added up first" 's/b = back\[0\]; b = b \+ back\[1\]; (m = .*made\[1\]);/\1; b = back[0]; b = b + back[1];/'

echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ]
