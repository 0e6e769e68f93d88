/* SPDX-License-Identifier: Apache-2.0
 * expand - short forms and computed defaults: what a row of the table cannot say by itself.
 * Owner:      one config_parse() call. */
#ifndef LB_CONFIG_EXPAND_H
#define LB_CONFIG_EXPAND_H

#include "lb/config/reach.h"
#include "lb/config/reader.h"

extern const struct schema_custom custom_cores, custom_seed, custom_vip, custom_backend,
	custom_bind, custom_server, custom_host, custom_tunnel_source;

/* Fill what depends on other values: cores, names, routes of the gateways, local addresses. */
void config_expand(struct reader *r, struct config *cfg, struct config_tree *root);
/* Names of listeners are known. */
void config_expand_http(struct reader *r, struct config *cfg, struct config_tree *root);
/* Needs the routes; `reach` is of cfg. */
void config_expand_services(
	struct reader *r, const struct reach *reach, struct config *cfg, struct config_tree *root);

#endif
