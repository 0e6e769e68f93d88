/* SPDX-License-Identifier: Apache-2.0
 * store_cmd - `weir store ...`: copies of a store, and work on one that is not in use.
 * Owner: none. Errors: the exit status: 0, 1 after a message on stderr, 2 for a wrong call. */
#ifndef LB_STORE_CMD_H
#define LB_STORE_CMD_H

extern const char store_cmd_usage[];

/* argv[0] is "store". */
int store_cmd(int argc, char **argv);

#endif
