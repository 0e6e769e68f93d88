/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/tmpdir.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void tmpdir_make(char out[TMPDIR_MAX])
{
	const char *base = getenv("TMPDIR");

	(void)snprintf(out, TMPDIR_MAX, "%.200s/weir-test-XXXXXX", base != NULL ? base : "/tmp");
	if (mkdtemp(out) == NULL) {
		perror("mkdtemp");
		exit(1);
	}
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

void tmpdir_remove(const char *path)
{
	if (path[0] != '\0')
		(void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
