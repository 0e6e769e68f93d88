/* SPDX-License-Identifier: Apache-2.0
 * The configuration commands alone, without the rest of the program: for scripts that write
 * docs/configuration.md and for tests. */
#include <stdio.h>
#include <string.h>

#include "lb/config/config_cmd.h"

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "check") == 0)
		return config_cmd_check(argv[2]);
	if (argc == 3 && strcmp(argv[1], "show") == 0)
		return config_cmd_show(argv[2]);
	if (argc == 2 && strcmp(argv[1], "schema") == 0)
		return config_cmd_schema();
	if (argc == 2 && strcmp(argv[1], "reference") == 0)
		return config_cmd_reference();
	fprintf(stderr, "usage: config_tool check FILE | show FILE | schema | reference\n");
	return 2;
}
