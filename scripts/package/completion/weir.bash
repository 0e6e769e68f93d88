# SPDX-License-Identifier: Apache-2.0
# Completion of weir for bash.
_weir() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command='' at=0 words='' i
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-c | --config | -s | --socket | -o | --log-level | --client | --listener) i=$((i + 1)) ;;
		-*) ;;
		*) if [ -z "$command" ]; then command=${COMP_WORDS[i]}; else at=$((at + 1)); fi ;;
		esac
	done
	case $prev in
	-c | --config | -s | --socket)
		COMPREPLY=($(compgen -f -- "$cur"))
		compopt -o filenames 2>/dev/null
		return
		;;
	--log-level) words='error warn info debug' ;;
	-o) words='json' ;;
	esac
	if [ -z "$words" ]; then
		case $command:$cur in
		:-*) words='-c --config --log-level --log-json --version --help' ;;
		route:-*) words='--client --listener -o' ;;
		store:-*) words='-s --socket --dry-run' ;;
		plan:-* | status:-* | counters:-* | services:-* | listeners:-* | health:-* | tcp:-* | reload:-* | stop:-*) words='-s -o' ;;
		:*) words='check route store config status counters services listeners health tcp reload stop plan' ;;
		config:*) [ "$at" != 0 ] || words='show schema reference manual' ;;
		store:*) [ "$at" != 0 ] || words='backup verify restore reshard' ;;
		route:*) [ "$at" != 1 ] || words='GET HEAD POST PUT PATCH DELETE OPTIONS' ;;
		esac
	fi
	if [ -n "$words" ]; then
		COMPREPLY=($(compgen -W "$words" -- "$cur"))
	else
		COMPREPLY=($(compgen -f -- "$cur"))
		compopt -o filenames 2>/dev/null
	fi
}
complete -F _weir weir
