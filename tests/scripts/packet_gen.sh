#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The committed packet scenarios are what their generator writes: no expectation was made by hand.
cd "$(dirname "$0")/../.." || exit 1
exec /usr/bin/python3 tests/packet/gen.py --check
