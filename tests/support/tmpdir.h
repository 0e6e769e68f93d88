/* SPDX-License-Identifier: Apache-2.0
 * tmpdir - a folder for the files of one test, below $TMPDIR or /tmp, removed at the end. */
#ifndef TESTS_SUPPORT_TMPDIR_H
#define TESTS_SUPPORT_TMPDIR_H

#define TMPDIR_MAX 256

/* Makes a fresh folder and writes its path; exits if that is impossible. */
void tmpdir_make(char out[TMPDIR_MAX]);
/* Removes it with everything in it; a path of "" is ignored. */
void tmpdir_remove(const char *path);

#endif
