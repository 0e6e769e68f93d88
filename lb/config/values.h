/* SPDX-License-Identifier: Apache-2.0
 * values - texts of single values to numbers, addresses and the like, and back.
 * Owner:      none; bytes of SCHEMA_BYTES go to the arena given.
 * Invariants: VA1 what value_show() writes, value_parse() reads back to the same value.
 * Errors:     -EINVAL with the reason in `why` (VALUE_WHY bytes), -ENOMEM. */
#ifndef LB_CONFIG_VALUES_H
#define LB_CONFIG_VALUES_H

#include "lb/config/diag.h"
#include "lb/config/schema.h"

#define VALUE_WHY 256

struct value_text {
	const char *text; /* NUL-terminated; may hold NULs before len */
	size_t len;
	bool quoted;
};

/* One value of row f (for a list: one element), into dst of f->width bytes. */
int value_parse(const struct schema_field *f, struct value_text in, struct arena *a, void *dst,
	char *why) WARN_UNUSED;
/* The value at src as YAML, quoted where YAML would take it for something else. */
void value_show(const struct schema_field *f, const void *src, FILE *out);
/* The member of a map's struct that row f fills, custom values and lists of values included. */
void config_show_value(const struct schema_field *f, const void *map_data, FILE *out);
/* A text as a YAML scalar. */
void value_show_text(const char *text, size_t len, FILE *out);

/* "80", "8000-8099" or "any" (0-65535). */
int value_ports(const char *text, uint16_t *lo, uint16_t *hi, char *why) WARN_UNUSED;
/* "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]:80"; *ports is the text behind the
 * colon or NULL. */
int value_endpoint(
	const char *text, struct ip_addr *addr, const char **ports, char *why) WARN_UNUSED;
/* "app.example.com" or "app.example.com:80": the length of the name, 0 if it is none. A name whose
 * last label is a number would be an address that is mistyped (RFC 1123 2.1). */
uint32_t value_host(const char *text, const char **ports);

#endif
