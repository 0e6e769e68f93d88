/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/l7/route/route_names.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define OTHERS (HTTP_ROUTES_MAX - 1)

static struct {
	pthread_mutex_t lock;
	_Atomic uint32_t cnt;
	_Atomic bool overflow;
	char name[HTTP_ROUTES_MAX][HTTP_ROUTE_NAME];
} names = {.lock = PTHREAD_MUTEX_INITIALIZER, .name[OTHERS] = "(others)"};

uint32_t http_route_number(const char *site, const char *route, uint32_t idx)
{
	char name[HTTP_ROUTE_NAME];
	uint32_t i, cnt;

	if (route[0] != '\0')
		(void)snprintf(name, sizeof(name), "%s/%s", site, route);
	else
		(void)snprintf(name, sizeof(name), "%s/%u", site, idx);
	pthread_mutex_lock(&names.lock);
	cnt = atomic_load_explicit(&names.cnt, memory_order_relaxed);
	for (i = 0; i < cnt && strcmp(names.name[i], name) != 0; i++)
		;
	if (i == cnt && cnt < OTHERS) {
		memcpy(names.name[i], name, sizeof(name));
		atomic_store_explicit(&names.cnt, cnt + 1, memory_order_release);
	} else if (i == cnt) {
		i = OTHERS;
		atomic_store_explicit(&names.overflow, true, memory_order_relaxed);
	}
	pthread_mutex_unlock(&names.lock);
	return i;
}

const char *http_route_name(uint32_t number)
{
	if (number == OTHERS)
		return atomic_load_explicit(&names.overflow, memory_order_relaxed)
			       ? names.name[OTHERS]
			       : NULL;
	return number < atomic_load_explicit(&names.cnt, memory_order_acquire) ? names.name[number]
									       : NULL;
}
