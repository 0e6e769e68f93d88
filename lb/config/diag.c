/* SPDX-License-Identifier: Apache-2.0
 * Collecting first and sorting at the end lets checks run in any order. */
#include "lb/config/diag.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void diag_init(struct diag *d, struct arena *arena, const char *file)
{
	*d = (struct diag){.arena = arena, .file = file};
}

static void add(struct diag *d, struct config_mark at, bool warning, const char *fmt, va_list ap)
{
	char text[DIAG_TEXT];
	struct diag_msg *m;
	int n = vsnprintf(text, sizeof(text), fmt, ap);

	if (warning)
		d->warning_cnt++;
	else
		d->error_cnt++;
	if (!d->msgs)
		d->msgs = arena_array(d->arena, DIAG_MAX, sizeof(*d->msgs));
	if (!d->msgs || d->msg_cnt == DIAG_MAX) {
		d->lost_cnt++;
		return;
	}
	m = &d->msgs[d->msg_cnt];
	*m = (struct diag_msg){.mark = at, .seq = d->msg_cnt, .warning = warning};
	m->text = arena_text(d->arena, text, n < 0 ? 0 : strlen(text));
	if (m->text)
		d->msg_cnt++;
}

void diag_error(struct diag *d, struct config_mark at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(d, at, false, fmt, ap);
	va_end(ap);
}

void diag_warn(struct diag *d, struct config_mark at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(d, at, true, fmt, ap);
	va_end(ap);
}

static int by_place(const void *pa, const void *pb)
{
	const struct diag_msg *a = pa, *b = pb;

	if (a->mark.line != b->mark.line)
		return a->mark.line < b->mark.line ? -1 : 1;
	if (a->mark.col != b->mark.col)
		return a->mark.col < b->mark.col ? -1 : 1;
	return a->seq < b->seq ? -1 : a->seq > b->seq;
}

static bool said_before(const struct diag *d, uint32_t i)
{
	const struct diag_msg *m = &d->msgs[i];

	for (uint32_t j = i; j-- > 0;) {
		const struct diag_msg *o = &d->msgs[j];

		if (o->mark.line != m->mark.line || o->mark.col != m->mark.col)
			return false;
		if (o->warning == m->warning && strcmp(o->text, m->text) == 0)
			return true;
	}
	return false;
}

void diag_print(struct diag *d, FILE *err)
{
	if (d->msg_cnt > 1)
		qsort(d->msgs, d->msg_cnt, sizeof(*d->msgs), by_place);
	for (uint32_t i = 0; i < d->msg_cnt; i++) {
		const struct diag_msg *m = &d->msgs[i];

		if (said_before(d, i)) {
			if (m->warning)
				d->warning_cnt--;
			else
				d->error_cnt--;
			continue;
		}
		fprintf(err, "%s:", d->file);
		if (m->mark.line)
			fprintf(err, "%u:%u:", m->mark.line, m->mark.col);
		fprintf(err, " %s: %s\n", m->warning ? "warning" : "error", m->text);
	}
	if (d->lost_cnt)
		fprintf(err, "%s: note: %u more messages\n", d->file, d->lost_cnt);
}

const char *diag_quote(const char *text, size_t len, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		/* Room for one escape, the dots and the NUL; never cut within a UTF-8 sequence. */
		if (n + 4 + 4 > DIAG_QUOTE && (c & 0xc0) != 0x80) {
			memcpy(out + n, "...", 4);
			return out;
		}
		if (c < 0x20 || c == 0x7f)
			n += (size_t)snprintf(out + n, DIAG_QUOTE - n, "\\x%02x", c);
		else
			out[n++] = (char)c;
	}
	out[n] = '\0';
	return out;
}
