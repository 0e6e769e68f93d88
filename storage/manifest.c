/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "dataplane/base/assert.h"
#include "storage/codec.h"
#include "storage/file.h"

#define MAGIC "weir-store 1\n"

void manifest_spread(struct manifest *m, uint32_t shard_cnt)
{
	ASSERT(shard_cnt > 0 && shard_cnt <= LIMIT_SHARDS);
	m->shard_cnt = shard_cnt;
	for (uint32_t s = 0; s < STORE_SLOTS; s++)
		m->slot_shard[s] = (uint8_t)(s * shard_cnt / STORE_SLOTS);
}

static bool name_ok(const char *name, size_t n)
{
	if (n == 0 || n >= LIMIT_NAME)
		return false;
	for (size_t i = 0; i < n; i++)
		if (name[i] <= ' ' || name[i] > '~')
			return false;
	return true;
}

int manifest_ns(struct manifest *m, const char *name)
{
	if (!name_ok(name, strlen(name)))
		return -EINVAL;
	for (uint32_t i = 0; i < m->ns_cnt; i++)
		if (strcmp(m->ns[i], name) == 0)
			return (int)i;
	if (m->ns_cnt == LIMIT_STORE_NS)
		return -ENOSPC;
	memcpy(m->ns[m->ns_cnt], name, strlen(name) + 1);
	return (int)m->ns_cnt++;
}

struct cursor {
	const char *p, *end;
};

static bool take_text(struct cursor *c, const char *text)
{
	size_t n = strlen(text);

	if ((size_t)(c->end - c->p) < n || memcmp(c->p, text, n) != 0)
		return false;
	c->p += n;
	return true;
}

static bool take_number(struct cursor *c, uint32_t max, uint32_t *out)
{
	uint64_t v = 0;
	const char *start = c->p;

	while (c->p < c->end && *c->p >= '0' && *c->p <= '9') {
		v = v * 10 + (uint64_t)(*c->p++ - '0');
		if (v > max)
			return false;
	}
	*out = (uint32_t)v;
	return c->p > start;
}

/* "slots FIRST-LAST SHARD" lines, in order and without gaps. */
static bool take_slots(struct cursor *c, struct manifest *m)
{
	uint32_t next = 0;

	while (next < STORE_SLOTS) {
		uint32_t first, last, shard;

		if (!take_text(c, "slots ") || !take_number(c, STORE_SLOTS - 1, &first) ||
			!take_text(c, "-") || !take_number(c, STORE_SLOTS - 1, &last) ||
			!take_text(c, " ") || !take_number(c, m->shard_cnt - 1, &shard) ||
			!take_text(c, "\n") || first != next || last < first)
			return false;
		memset(m->slot_shard + first, (int)shard, last - first + 1);
		next = last + 1;
	}
	return true;
}

static bool take_namespaces(struct cursor *c, struct manifest *m)
{
	while (take_text(c, "ns ")) {
		const char *nl = memchr(c->p, '\n', (size_t)(c->end - c->p));
		size_t n = nl == NULL ? 0 : (size_t)(nl - c->p);

		if (m->ns_cnt == LIMIT_STORE_NS || !name_ok(c->p, n))
			return false;
		memcpy(m->ns[m->ns_cnt], c->p, n);
		for (uint32_t i = 0; i < m->ns_cnt; i++)
			if (strcmp(m->ns[i], m->ns[m->ns_cnt]) == 0)
				return false;
		m->ns_cnt++;
		c->p = nl + 1;
	}
	return true;
}

int manifest_parse(struct manifest *m, const char *text, size_t len)
{
	struct cursor c = {text, text + len};
	char crc[16];
	size_t body;

	memset(m, 0, sizeof(*m));
	if (len < 13 || text[len - 1] != '\n')
		return -EUCLEAN;
	body = len - 13;
	(void)snprintf(crc, sizeof(crc), "crc %08x\n", codec_crc32c(0, text, body));
	if (memcmp(text + body, crc, 13) != 0)
		return -EUCLEAN;
	c.end = text + body;
	if (!take_text(&c, MAGIC) || !take_text(&c, "epoch ") ||
		!take_number(&c, UINT32_MAX, &m->epoch) || !take_text(&c, "\ngeneration ") ||
		!take_number(&c, UINT32_MAX, &m->generation) || !take_text(&c, "\nshards ") ||
		!take_number(&c, LIMIT_SHARDS, &m->shard_cnt) || !take_text(&c, "\n") ||
		m->shard_cnt == 0 || !take_slots(&c, m) || !take_namespaces(&c, m) || c.p != c.end)
		return -EUCLEAN;
	return 0;
}

struct text {
	char *out;
	size_t len, cap;
};

static void PRINTF_LIKE(2, 3) add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->out + t->len, t->cap - t->len, fmt, ap);
	va_end(ap);
	/* One byte short of full means cut: the caller sees a full buffer. */
	t->len = n < 0 || (size_t)n >= t->cap - t->len ? t->cap - 1 : t->len + (size_t)n;
}

size_t manifest_format(const struct manifest *m, char *out, size_t out_len)
{
	struct text t = {out, 0, out_len};

	add(&t, MAGIC "epoch %u\ngeneration %u\nshards %u\n", m->epoch, m->generation,
		m->shard_cnt);
	for (uint32_t first = 0, s = 1; s <= STORE_SLOTS; s++)
		if (s == STORE_SLOTS || m->slot_shard[s] != m->slot_shard[first]) {
			add(&t, "slots %u-%u %u\n", first, s - 1, m->slot_shard[first]);
			first = s;
		}
	for (uint32_t i = 0; i < m->ns_cnt; i++)
		add(&t, "ns %s\n", m->ns[i]);
	add(&t, "crc %08x\n", codec_crc32c(0, out, t.len));
	return t.len + 1 >= out_len ? 0 : t.len;
}

int manifest_load(struct manifest *m, const char *dir)
{
	char *text = malloc(MANIFEST_MAX);
	size_t len = 0;
	int rc;

	if (text == NULL)
		return -ENOMEM;
	rc = file_read(dir, MANIFEST_NAME, text, MANIFEST_MAX, &len);
	if (rc == 0)
		rc = manifest_parse(m, text, len);
	else if (rc == -EFBIG)
		rc = -EUCLEAN;
	free(text);
	return rc;
}

int manifest_save(const struct manifest *m, const char *dir)
{
	char *text = malloc(MANIFEST_MAX);
	size_t len;
	int rc;

	if (text == NULL)
		return -ENOMEM;
	len = manifest_format(m, text, MANIFEST_MAX);
	rc = len == 0 ? -EFBIG : file_replace(dir, MANIFEST_NAME, text, len);
	free(text);
	return rc;
}

void manifest_shard_dir(
	const char *dir, uint32_t generation, uint32_t shard, char *out, size_t out_len)
{
	(void)snprintf(out, out_len, "%s/g%u-s%u", dir, generation, shard);
}

int manifest_lock(const char *dir)
{
	char path[FILE_PATH_MAX];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/store.lock", dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		int err = errno == EWOULDBLOCK ? EBUSY : errno;

		close(fd);
		return -err;
	}
	return fd;
}
