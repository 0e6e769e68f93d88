/* SPDX-License-Identifier: Apache-2.0
 * admin_http - from a request to an answer: routes, checks, JSON. Knows no connection, so that
 * tests and the fuzzer call it directly.
 * Owner:      the site and its routes are the caller's and static; an answer's body is the
 *             caller's to free().
 * Invariants: AH1 a route runs only after the gate let the request pass. AH2 every answer has a
 *             status, a content type and a body; an error's body has "error": text. AH3 what
 *             succeeds on a route with ADMIN_DRY_RUN says "changed": false if it was a dry run.
 * Errors:     what a route returns decides the status: 0 is route->done (200), -EINVAL 422, -EBUSY
 *             409, -ENOENT 404, -EPERM 403, -ENOSPC 507, -ETIME 504, everything else 500.
 * Limits:     ADMIN_BODY_MAX bytes of body, or route->body_max; ADMIN_QUERY_MAX query arguments. */
#ifndef LB_ADMIN_ADMIN_HTTP_H
#define LB_ADMIN_ADMIN_HTTP_H

#include <jansson.h>

#include "lb/admin/admin_gate.h"
#include "lb/admin/metric.h"

#define ADMIN_BODY_MAX  65536
#define ADMIN_QUERY_MAX 16
#define ADMIN_ARG_MAX   64

/* One parameter, for the OpenAPI document; query and body ones are also checked against it. */
struct admin_param {
	const char *name; /* NULL ends a list */
	const char *in;   /* "path", "query", "body" */
	const char *type; /* "string", "integer", "boolean" */
	const char *help;
	bool required;
};

struct admin_pair {
	const char *name, *value;
};

struct admin_request {
	const char *method, *path; /* path without the query, decoded */
	struct admin_pair query[ADMIN_QUERY_MAX];
	uint32_t query_cnt;
	const char *body;
	size_t body_len;
	struct admin_peer peer;
};

struct admin_answer {
	unsigned status;
	const char *content_type;
	const char *allow; /* NULL: no Allow field */
	char *body;        /* malloc'ed */
	size_t body_len;
	bool html; /* a page: may run its own script and be asked for again */
};

/* What a route works on. */
struct admin_call {
	const struct admin_request *req;
	const struct admin_route *route;
	char arg[ADMIN_ARG_MAX]; /* what stands for {name} at the end of the path */
	const json_t *in;        /* the body's object, when the route has body parameters */
	json_t *out;             /* the answer, unless text is set */
	char *text;              /* malloc'ed; with content_type */
	size_t text_len;
	const char *content_type;
	bool html;
};

enum admin_flag {
	ADMIN_DRY_RUN = 1 << 0,  /* takes ?dry_run=true */
	ADMIN_PAGE = 1 << 1,     /* holds no data: see admin_gate.h */
	ADMIN_RAW_BODY = 1 << 2, /* the body is text, not an object */
	ADMIN_READS = 1 << 3,    /* changes nothing, whatever its method */
	ADMIN_GUARDED = 1 << 4,  /* needs what a change needs: its answer is not for everybody */
};

struct admin_route {
	const char *method, *path; /* path may end in {name} */
	const char *summary;
	int (*run)(void *ctx, struct admin_call *c);
	const struct admin_param *params; /* NULL: none */
	unsigned done;                    /* status of success; 0: 200 */
	unsigned flags;                   /* enum admin_flag */
	size_t body_max;                  /* 0: ADMIN_BODY_MAX */
};

struct admin_site {
	const struct admin_route *routes;
	uint32_t route_cnt;
	void *ctx;                         /* of run() */
	const struct metric_list *metrics; /* NULL: none */
	const char *token;                 /* "": none */
	const char *version;               /* of the program */
};

/* The route that would serve this, before its body is there: NULL and *allow when only another
 * method would do, NULL and NULL when the path is unknown. HEAD is served as GET. */
const struct admin_route *admin_route_find(
	const struct admin_site *site, const char *method, const char *path, const char **allow);
size_t admin_route_body_max(const struct admin_route *r);

/* Never fails: out of memory is a 500 with an empty body. */
void admin_dispatch(
	const struct admin_site *site, const struct admin_request *req, struct admin_answer *out);
/* An answer made without a route. */
void admin_answer_error(
	struct admin_answer *out, unsigned status, const char *allow, const char *text);

/* A query argument, or NULL. */
const char *admin_query(const struct admin_call *c, const char *name);
/* A text of the body or, if it is not there, of the query; NULL if neither has it. */
const char *admin_text(const struct admin_call *c, const char *name);
/* The same as a number in [min, max]: 1 it is there, 0 it is not, -EINVAL it is something else and
 * c->out says so. */
int admin_number(const struct admin_call *c, const char *name, uint64_t min, uint64_t max,
	uint64_t *out) WARN_UNUSED;
/* ?dry_run or "dry_run": true. */
bool admin_dry_run(const struct admin_call *c);
/* Set "error" and return err. */
int admin_fail(const struct admin_call *c, int err, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* admin_openapi.c: the document of all routes. */
void admin_openapi(const struct admin_site *site, json_t *out);

/* The site's own routes: the index, the document, metrics, the meaning of reasons. */
extern const struct admin_route admin_own_routes[];
extern const uint32_t admin_own_route_cnt;

#endif
