/* SPDX-License-Identifier: Apache-2.0
 * config_cmd - the subcommands of the program that deal with the configuration alone.
 * Owner:      none.
 * Errors:     the exit status: 0, or 1 after messages on stderr. */
#ifndef LB_CONFIG_CONFIG_CMD_H
#define LB_CONFIG_CONFIG_CMD_H

#include <stdio.h>

struct config;

/* `weir check FILE`: one line "FILE: good: 1 port, ..." if it is. */
int config_cmd_check(const char *file);
/* The same, after `more` (NULL: nothing more) found no fault in it; it writes its own messages. */
typedef int config_check_fn(const struct config *cfg, FILE *err);
int config_cmd_check_with(const char *file, config_check_fn *more);
/* `weir config show FILE` */
int config_cmd_show(const char *file);
/* `weir config schema` */
int config_cmd_schema(void);
/* `weir config reference`: docs/configuration.md */
int config_cmd_reference(void);
int config_cmd_manual(void);

#endif
