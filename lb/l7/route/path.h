/* SPDX-License-Identifier: Apache-2.0
 * path - the one form in which a path is matched and forwarded (RFC 3986 6.2.2).
 * Owner:      none.
 * Invariants: PA1 the result begins with '/', and every byte of it is unreserved, a sub-delimiter,
 *             ':', '@', '/' or part of %XX in upper case. PA2 it holds no segment "." or "..", in
 *             whatever encoding. PA3 normalising it again changes nothing.
 * Errors:     PATH_REFUSED for what could be read in two ways: the answer is 400.
 * Cost:       one pass; the result has at most three times the length. */
#ifndef LB_L7_ROUTE_PATH_H
#define LB_L7_ROUTE_PATH_H

#include "lb/config/config_http.h"
#include "lb/l7/http/head.h"

enum path_result {
	PATH_SAME,    /* the path is normal already */
	PATH_CHANGED, /* the normal form is in out */
	PATH_REFUSED,
};

/* in begins with '/'. out has room for 3 * in.len bytes; *why, if not NULL, says why it is refused.
 */
enum path_result path_normalise(const struct config_http_path *rules, struct span in, char *out,
	uint32_t *out_len, const char **why);

/* Does `prefix` cover `path`: is it the whole, or does it end where a segment ends? */
bool path_has_prefix(struct span path, struct span prefix);

#endif
