/* SPDX-License-Identifier: Apache-2.0
 * route_names - numbers of HTTP routes for who counts by route. Routes are told apart by site and
 * name, so that counts go on over reloads.
 * Owner:      the process. Control threads give numbers, any thread may read names: a name does not
 *             change once its number was given out.
 * Limits:     HTTP_ROUTES_MAX names in the life of a process; those that come later are counted
 *             together, as route "(others)". */
#ifndef LB_L7_ROUTE_ROUTE_NAMES_H
#define LB_L7_ROUTE_ROUTE_NAMES_H

#include "dataplane/base/compiler.h"

#define HTTP_ROUTES_MAX 256
#define HTTP_ROUTE_NAME 160

/* Control: the number of a route, from 0; the last one stands for those that found no room. A route
 * without a name goes by its place in the file, `idx`. */
uint32_t http_route_number(const char *site, const char *route, uint32_t idx);
/* "site/route"; NULL: no route has that number. */
const char *http_route_name(uint32_t number);

#endif
