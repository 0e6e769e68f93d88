/* SPDX-License-Identifier: Apache-2.0
 * main - the composition root: reads the command line and starts the parts in order. */
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		printf("weir %s\n", WEIR_VERSION);
		return 0;
	}
	fprintf(stderr, "usage: weir --version\n");
	return 2;
}
