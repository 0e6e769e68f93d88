/* SPDX-License-Identifier: Apache-2.0
 * config_upstream - section `upstreams`: pools of HTTP servers that routes send requests to.
 * Owner:      part of struct config.
 * Units:      times in ns; counts that bound something hold for one worker unless said otherwise.
 * Limits:     LIMIT_UPSTREAMS; LIMIT_SERVICE_BACKENDS of one. */
#ifndef LB_CONFIG_CONFIG_UPSTREAM_H
#define LB_CONFIG_CONFIG_UPSTREAM_H

#include "lb/config/config.h"

enum upstream_balance {
	UPSTREAM_WRR,
	UPSTREAM_LEAST_REQUESTS,
	UPSTREAM_MAGLEV,
	UPSTREAM_BOUNDED_HASH,
	UPSTREAM_EWMA,
};

enum upstream_key {
	UPSTREAM_KEY_CLIENT,
	UPSTREAM_KEY_HEADER,
	UPSTREAM_KEY_COOKIE,
	UPSTREAM_KEY_PATH,
};

struct config_upstream_limits {
	uint32_t connections; /* of one backend; 0: none */
	uint32_t requests;    /* under way in the whole pool; 0: none */
	uint32_t pending;     /* waiting for a connection */
	uint64_t queue_timeout_ns;
};

struct config_upstream_keepalive {
	uint32_t idle_connections; /* of one backend */
	uint64_t idle_timeout_ns, margin_ns;
	uint32_t requests; /* of one connection; 0: no bound */
};

/* Retries themselves are a route's; this bounds them for all. */
struct config_upstream_retry {
	uint32_t budget_pct; /* retries of all requests */
	uint64_t hedge_ns;   /* second try if no head came by then; 0: none */
};

struct config_upstream_outlier {
	uint32_t failures;  /* in a row; 0: off */
	uint32_t error_pct; /* of a window with at least `window_requests`; 0: off */
	uint32_t window_requests;
	uint64_t window_ns, eject_ns, eject_max_ns;
	uint32_t max_ejected_pct;
};

struct config_upstream {
	char name[LIMIT_NAME];
	struct config_backend *backends; /* in force */
	uint32_t backend_cnt;
	struct config_backend *written; /* as in the file: names too */
	uint32_t written_cnt;
	bool resolving; /* names of it were asked for and nothing is known yet; as `backends` */
	enum upstream_balance balance;
	enum upstream_key key;
	char key_name[128];     /* of the header or cookie */
	char sticky_cookie[64]; /* empty: none */
	uint32_t bound_pct;     /* bounded_hash: load of one over the average */
	uint64_t slow_start_ns;
	uint64_t connect_timeout_ns;
	uint32_t head_max; /* bytes of a response's head */
	struct config_upstream_limits limits;
	struct config_upstream_keepalive keepalive;
	struct config_upstream_retry retry;
	struct config_upstream_outlier outlier;
	struct ip_addr *local_addrs;
	uint32_t local_addr_cnt;
	struct config_tls_client *tls; /* NULL: plain */
	struct config_health health;
	struct config_mark mark;
};

#endif
