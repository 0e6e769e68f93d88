# SPDX-License-Identifier: Apache-2.0
# -h and --help of a script print the comment it begins with. Sourced, with the script's arguments.
case ${1:-} in
-h | --help)
	awk 'NR > 2 && !/^#/ {exit} NR > 2 {sub(/^# ?/, ""); print}' "$0"
	exit 0
	;;
esac
