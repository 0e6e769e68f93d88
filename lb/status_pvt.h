/* SPDX-License-Identifier: Apache-2.0
 * status_pvt - small steps of JSON that the status files share. */
#ifndef LB_STATUS_PVT_H
#define LB_STATUS_PVT_H

#include <jansson.h>

#include "dataplane/net/addr.h"

static inline void set_int(json_t *o, const char *key, uint64_t v)
{
	json_object_set_new(o, key, json_integer((json_int_t)v));
}

static inline void set_text(json_t *o, const char *key, const char *text)
{
	json_object_set_new(o, key, json_string(text));
}

static inline json_t *add_object(json_t *array)
{
	json_t *o = json_object();

	json_array_append_new(array, o);
	return o;
}

static inline json_t *set_array(json_t *o, const char *key)
{
	json_t *a = json_array();

	json_object_set_new(o, key, a);
	return a;
}

static inline void set_addr(json_t *o, const char *key, const struct ip_addr *a)
{
	char text[IP_ADDR_TEXT_MAX];

	set_text(o, key, ip_addr_format(a, text));
}

#endif
