/* SPDX-License-Identifier: Apache-2.0
 * ctl - weirctl: the control interface for people and scripts.
 *
 * Every command is one row of a table; usage, `weirctl help`, the man page and shell completion
 * come from it. Tables are for people and may change; `-o json` is what the interface answered.
 * Owner:      one process, one command.
 * Invariants: CT1 exit statuses are those of enum ctl_exit, for ever. CT2 colours and cursor
 *             movements go to terminals alone. CT3 what came from the other process reaches a
 *             terminal without control characters. */
#ifndef LB_CTL_CTL_H
#define LB_CTL_CTL_H

#include <jansson.h>
#include <stdio.h>

#include "lb/admin/admin_client.h"

enum ctl_exit {
	CTL_OK = 0,
	CTL_REFUSED = 1,     /* weir said no, or something failed on the way */
	CTL_USAGE = 2,       /* the command line is wrong */
	CTL_UNREACHABLE = 3, /* no weir answers there */
	CTL_CHANGES = 4,     /* plan: the file would change something */
	CTL_RESTART = 5,     /* plan: the file needs a restart */
};

#define CTL_HEADERS 32

struct ctl {
	struct admin_target to;
	bool json, color, dry_run, listener, upstream, ack;
	double watch_s; /* 0: once */
	const char *client, *vip, *service, *protocol, *filter, *output;
	const char *count, *seconds, *snap, *direction;
	const char *via; /* listener of a request */
	const char *headers[CTL_HEADERS];
	uint32_t header_cnt;
	FILE *out;
};

struct ctl_command {
	const char *name;
	const char *args;    /* "SERVICE BACKEND" */
	const char *options; /* letters of the options it takes besides the general ones */
	const char *summary;
	const char *help; /* more, for the man page; may be NULL */
	int min_args, max_args;
	int (*run)(struct ctl *c, char **argv, int argc);
	const char *const *words; /* what its first argument may be, for completion; or NULL */
};

extern const struct ctl_command ctl_commands[];
extern const uint32_t ctl_command_cnt;

struct ctl_option {
	char letter;
	const char *name, *arg, *help;
};
extern const struct ctl_option ctl_options[];
extern const uint32_t ctl_option_cnt;

/* Everything but main(): arguments to exit status. */
int ctl_main(int argc, char **argv);

#endif
