/* SPDX-License-Identifier: Apache-2.0
 * api_pvt - the sets of statistics and the routes' functions, by the file that has them. */
#ifndef LB_API_API_PVT_H
#define LB_API_API_PVT_H

#include "lb/api/api.h"
#include "lb/app_pvt.h"

/* Statistics; their ctx is the struct app. */
extern const struct metric_set metrics_process; /* metrics_process.c */
extern const struct metric_set metrics_workers; /* metrics_workers.c */
extern const struct metric_set metrics_reasons;
extern const struct metric_set metrics_ports;     /* metrics_ports.c */
extern const struct metric_set metrics_services;  /* metrics_services.c */
extern const struct metric_set metrics_backends;  /* metrics_services.c */
extern const struct metric_set metrics_health;    /* metrics_health.c */
extern const struct metric_set metrics_listeners; /* metrics_listeners.c */
extern const struct metric_set metrics_listener_backends;
extern const struct metric_set metrics_tcp; /* metrics_tcp.c */

/* "192.0.2.1:80", "[2001:db8::1]:80"; without a port when it is 0. */
#define API_ENDPOINT_MAX (IP_ADDR_TEXT_MAX + 10)
const char *api_endpoint(const struct ip_addr *a, uint16_t port, char out[API_ENDPOINT_MAX]);

#endif
