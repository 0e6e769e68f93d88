/* SPDX-License-Identifier: Apache-2.0
 * All statistics, in the order of their output. */
#include <stdio.h>

#include "lb/api/api_pvt.h"

const struct metric_set *const api_metric_sets[] = {
	&metrics_process,
	&metrics_workers,
	&metrics_reasons,
	&metrics_ports,
	&metrics_vips,
	&metrics_services,
	&metrics_backends,
	&metrics_health,
	&metrics_listeners,
	&metrics_listener_backends,
	&metrics_http,
	&metrics_http_ends,
	&metrics_http_routes,
	&metrics_access_log,
	&metrics_upstreams,
	&metrics_upstream_servers,
	&metrics_names,
	&metrics_resolver,
	&metrics_resolver_results,
	&metrics_tcp,
	&metrics_store,
	&metrics_kvs,
	&metrics_http_cache,
	&metrics_http_cache_routes,
	&metrics_cache_memory,
	&metrics_cache_disk,
	&metrics_cache_disk_room,
};

const uint32_t api_metric_set_cnt = ARRAY_SIZE(api_metric_sets);

const char *api_endpoint(const struct ip_addr *a, uint16_t port, char out[API_ENDPOINT_MAX])
{
	char text[IP_ADDR_TEXT_MAX];

	ip_addr_format(a, text);
	if (port == 0)
		snprintf(out, API_ENDPOINT_MAX, "%s", text);
	else
		snprintf(out, API_ENDPOINT_MAX, ip_addr_is4(a) ? "%s:%u" : "[%s]:%u", text, port);
	return out;
}
