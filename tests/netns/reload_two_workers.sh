#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# reload.sh once more with two workers: generations are adopted one worker at a time, while packets
# cross between them.
WORKERS=2 exec "$(dirname "$0")/reload.sh"
