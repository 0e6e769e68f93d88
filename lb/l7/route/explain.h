/* SPDX-License-Identifier: Apache-2.0
 * explain - what a configuration does with a request, and why.
 * Owner:      control, or the command line alone; nothing runs.
 * Errors:     -EINVAL with a line on `err`, -ENOMEM. */
#ifndef LB_L7_ROUTE_EXPLAIN_H
#define LB_L7_ROUTE_EXPLAIN_H

#include <stdio.h>

#include <jansson.h>

#include "lb/config/config.h"

struct up_table;

struct explain_ask {
	const struct config *cfg;
	const char *listener; /* NULL: found by the URL */
	const char *client;   /* address; NULL: 192.0.2.1 */
	const char *method, *url;
	char *const *fields; /* "Name: value" */
	uint32_t field_cnt;
	/* The upstreams' servers as they are in cfg now; NULL: all are taken to be up. */
	const struct up_table *upstreams;
};

/* *out is an object:
 *	listener, site, request {method, url, client, path}
 *	refused                      why no route was looked for, or
 *	tries [{route, line, matched, why, detail, near}]
 *	route, line, action          of the one that matched, or null
 *	policies [text]
 *	answer {status, location, body}                     of weir itself
 *	upstream {name, why}, backend {address, why} or backends [{address, share}]
 *	sees {line, headers [[name, value]]}, adds [[name, value]]      to the response */
int explain_request(const struct explain_ask *ask, FILE *err, json_t **out) WARN_UNUSED;
/* The same for people. */
void explain_print(const json_t *o, FILE *out);

/* `weir route FILE METHOD URL [NAME: VALUE ...]`; an exit status. */
int explain_cmd(int argc, char **argv);

#endif
