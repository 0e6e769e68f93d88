/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "lb/l7/kv/kv_pvt.h"

void kv_put_text(struct kv_text *t, const char *text, size_t len)
{
	if (t->full)
		return;
	if (t->len + len > t->cap) {
		size_t cap = 2 * (t->len + len) + 1024;
		char *more = kvs_alloc(t->tx, cap);

		if (more == NULL) {
			t->full = true;
			return;
		}
		if (t->len > 0)
			memcpy(more, t->at, t->len);
		t->at = more;
		t->cap = cap;
	}
	memcpy(t->at + t->len, text, len);
	t->len += len;
}

/* Length of the UTF-8 sequence at p, shortest form and no surrogate; 0: none. */
static size_t utf8_len(const uint8_t *p, size_t n)
{
	static const struct {
		uint8_t mask, lead, len;
		uint32_t min;
	} forms[] = {{0x80, 0x00, 1, 0}, {0xe0, 0xc0, 2, 0x80}, {0xf0, 0xe0, 3, 0x800},
		{0xf8, 0xf0, 4, 0x10000}};

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		uint32_t v = p[0] & (uint8_t)~forms[i].mask;

		if ((p[0] & forms[i].mask) != forms[i].lead)
			continue;
		if (forms[i].len > n)
			return 0;
		for (size_t k = 1; k < forms[i].len; k++) {
			if ((p[k] & 0xc0) != 0x80)
				return 0;
			v = v << 6 | (p[k] & 0x3f);
		}
		return v < forms[i].min || v > 0x10ffff || (v >= 0xd800 && v < 0xe000)
			       ? 0
			       : forms[i].len;
	}
	return 0;
}

void kv_put_string(struct kv_text *t, const void *bytes, size_t len, bool *lossy)
{
	const uint8_t *p = bytes;
	char esc[8];

	kv_put_text(t, "\"", 1);
	for (size_t i = 0; i < len;) {
		size_t n = utf8_len(p + i, len - i);

		if (n == 0) {
			*lossy = true;
			kv_put_text(t, "\\ufffd", 6);
			i++;
			continue;
		}
		if (n == 1 && (p[i] < 0x20 || p[i] == '"' || p[i] == '\\')) {
			(void)snprintf(esc, sizeof(esc), "\\u%04x", p[i]);
			kv_put_text(t, esc, 6);
		} else {
			kv_put_text(t, (const char *)p + i, n);
		}
		i += n;
	}
	kv_put_text(t, "\"", 1);
}
