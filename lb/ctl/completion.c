/* SPDX-License-Identifier: Apache-2.0
 * Completion for bash, from the table of commands. Names of services and backends are asked of the
 * running process. */
#include <string.h>

#include "lb/ctl/ctl_pvt.h"

static void put_words(FILE *out)
{
	for (uint32_t i = 0; i < ctl_command_cnt; i++)
		fprintf(out, "%s%s", i > 0 ? " " : "", ctl_commands[i].name);
}

static void put_first_args(FILE *out)
{
	for (uint32_t i = 0; i < ctl_command_cnt; i++) {
		const struct ctl_command *cmd = &ctl_commands[i];

		if (cmd->words == NULL)
			continue;
		fprintf(out, "\t%s) words='", cmd->name);
		for (const char *const *w = cmd->words; *w != NULL; w++)
			fprintf(out, "%s%s", w != cmd->words ? " " : "", *w);
		fputs("' ;;\n", out);
	}
	fputs("\thelp) words=$commands ;;\n", out);
}

/* Those behind which an argument stands, as a pattern. */
static void put_argument_options(FILE *out)
{
	bool any = false;

	for (uint32_t i = 0; i < ctl_option_cnt; i++) {
		if (ctl_options[i].arg == NULL)
			continue;
		fprintf(out, "%s-%c | --%s", any ? " | " : "", ctl_options[i].letter,
			ctl_options[i].name);
		any = true;
	}
}

static void put_options(FILE *out)
{
	for (uint32_t i = 0; i < ctl_option_cnt; i++)
		fprintf(out, "%s--%s", i > 0 ? " " : "", ctl_options[i].name);
	fputs(" --help --version", out);
}

static const char head[] =
	"# Completion of weirctl for bash; printed by `weirctl completion bash`.\n"
	"_weirctl_pools() {\n"
	"\tweirctl -o json \"${to[@]}\" backends 2>/dev/null |\n"
	"\t\tsed -n 's/.*\"'\"$1\"'\": \"\\([^\"]*\\)\".*/\\1/p' | sort -u\n"
	"}\n"
	"_weirctl() {\n"
	"\tlocal cur prev i command='' at=0 words='' to=()\n"
	"\tlocal commands='";

static const char middle[] = "'\n"
			     "\tlocal IFS=$' \\t\\n'\n"
			     "\t_get_comp_words_by_ref -n : cur prev 2>/dev/null || {\n"
			     "\t\tcur=${COMP_WORDS[COMP_CWORD]}\n"
			     "\t\tprev=${COMP_WORDS[COMP_CWORD - 1]}\n"
			     "\t}\n"
			     "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
			     "\t\tcase ${COMP_WORDS[i]} in\n"
			     "\t\t-[sEKAT] | --socket | --cert | --key | --cacert | --token-file)\n"
			     "\t\t\tto+=(\"${COMP_WORDS[i]}\" \"${COMP_WORDS[++i]}\") ;;\n"
			     "\t\t";

static const char past_options[] =
	") i=$((i + 1)) ;;\n"
	"\t\t-*) ;;\n"
	"\t\t*) if [ -z \"$command\" ]; then command=${COMP_WORDS[i]}; else at=$((at + 1)); fi ;;\n"
	"\t\tesac\n"
	"\tdone\n"
	"\tcase $prev in\n"
	"\t-o | --output) words='table json' ;;\n"
	"\t-C | --color) words='auto always never' ;;\n"
	"\t-p | --protocol) words='tcp udp' ;;\n"
	"\t-S | --service) words=$(_weirctl_pools pool) ;;\n"
	"\t-D | --direction) words='in out both' ;;\n"
	"\t-[OsEKAT] | --file | --socket | --cert | --key | --cacert | --token-file)\n"
	"\t\tCOMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n"
	"\tesac\n"
	"\tif [ -n \"$words\" ]; then\n"
	"\t\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
	"\t\treturn\n"
	"\tfi\n"
	"\tif [[ $cur = -* ]]; then\n"
	"\t\tCOMPREPLY=($(compgen -W '";

static const char tail[] = "' -- \"$cur\"))\n"
			   "\t\treturn\n"
			   "\tfi\n"
			   "\tcase $command in\n"
			   "\t'') words=$commands ;;\n";

static const char end[] =
	"\tdrain | weight | enable | disable)\n"
	"\t\tcase $at in\n"
	"\t\t0) words=$(_weirctl_pools pool) ;;\n"
	"\t\t1) words=$(_weirctl_pools backend) ;;\n"
	"\t\tesac ;;\n"
	"\tplan) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n"
	"\tesac\n"
	"\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
	"\tdeclare -F __ltrim_colon_completions >/dev/null && __ltrim_colon_completions \"$cur\"\n"
	"\treturn 0\n"
	"}\n"
	"complete -F _weirctl weirctl\n";

int cmd_completion(struct ctl *c, char **argv, int argc)
{
	(void)argc;
	if (strcmp(argv[0], "bash") != 0)
		return ctl_usage("completion: bash");
	fputs(head, c->out);
	put_words(c->out);
	fputs(middle, c->out);
	put_argument_options(c->out);
	fputs(past_options, c->out);
	put_options(c->out);
	fputs(tail, c->out);
	put_first_args(c->out);
	fputs(end, c->out);
	return CTL_OK;
}
