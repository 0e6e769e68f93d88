/* SPDX-License-Identifier: Apache-2.0
 * plan - what to probe: the health checks of a configuration as a set of distinct targets.
 * Owner:      control builds it; immutable afterwards; read by control and by the engine's worker.
 * Lifetime:   until health_plan_destroy(), which control calls when the engine has moved on.
 * Invariants: HP1 targets[id].id == id, or the slot is a hole (check.type == HEALTH_NONE).
 *             HP2 two services that probe the same thing in the same way share one target.
 *             HP3 a target that is the same in the committed plan keeps its id and epoch; one that
 *                 only changed its check keeps them too and has another version.
 *             HP4 an id that passes to another target has another epoch.
 * Units:      ports in host order, times in ns.
 * Errors:     -EINVAL (logged) for a check that cannot be run, -E2BIG, -ENOMEM.
 * Limits:     LIMIT_PROBES targets; HEALTH_PAYLOAD_MAX bytes sent or expected. */
#ifndef LB_HEALTH_PLAN_H
#define LB_HEALTH_PLAN_H

#include "lb/config/config.h"

#define HEALTH_UNCHECKED   UINT32_MAX
#define HEALTH_PAYLOAD_MAX 1024
#define HEALTH_EPOCH_MASK  0x3fff

struct health_target {
	uint32_t id;
	uint16_t epoch, version;
	struct ip_addr backend; /* where the probe is delivered */
	struct ip_addr dst; /* destination inside: the VIP for DSR and tunnels, else the backend */
	enum l4_mode mode;  /* L4_NAT stands for full NAT too: both go there directly */
	uint16_t gue_port;
	uint32_t tls;         /* 0: plain; else whose TLS is spoken: place among listeners, then
				 upstreams, plus one */
	const char *tls_name; /* host name of the backend, of the configuration; NULL: none */
	struct config_health check; /* port resolved; 0 for ICMP; buffers belong to the plan */
};

struct health_plan {
	uint32_t target_cnt;
	uint32_t id_limit; /* slots of targets; never less than in the plan before */
	struct health_target *targets;
	uint32_t service_cnt;    /* then come listeners and upstreams, as if they were services */
	uint32_t *service_first; /* service_cnt + 1 offsets into map */
	uint32_t *map; /* target id of each backend of each service, or HEALTH_UNCHECKED */
};

/* The plan in force, to which the next one is related. A plan stays here from its commit to the
 * next one's and must not be destroyed before. */
struct health_registry {
	struct health_plan *current; /* NULL before the first */
};

/* Build the plan of cfg next to reg->current. reg is not changed: a reload may still be given up.
 */
int health_plan_create(const struct health_registry *reg, const struct config *cfg,
	struct health_plan **out) WARN_UNUSED;
void health_plan_destroy(struct health_plan *plan);

/* From now on plan is in force; returns the one before (NULL at first), which the caller destroys
 * once the engine has adopted the new one. */
struct health_plan *health_registry_commit(struct health_registry *reg, struct health_plan *plan);

/* The target of a backend; NULL if it is not checked. Indexes as in the plan's configuration. */
const struct health_target *health_plan_target(
	const struct health_plan *plan, uint32_t service, uint32_t backend);

/* The target in slot id; NULL for a hole or beyond the end. */
static inline const struct health_target *health_plan_slot(
	const struct health_plan *plan, uint32_t id)
{
	if (plan == NULL || id >= plan->id_limit || plan->targets[id].check.type == HEALTH_NONE)
		return NULL;
	return &plan->targets[id];
}

#endif
