/* SPDX-License-Identifier: Apache-2.0
 * Two passes. The first walks record headers until the handshake message is whole; as its length
 * stands in its first four bytes, it can say how many more bytes are the least. The second reads
 * the message, with a cursor that cannot leave it. */
#include "dataplane/tls/hello.h"

#include <string.h>

#define RECORD_HDR   5
#define MSG_HDR      4
#define RECORD_MAX   16384
#define TYPE_HS      22
#define HS_HELLO     1
#define EXT_SNI      0
#define EXT_ALPN     16
#define EXT_PSK      41
#define EXT_VERSIONS 43

struct cursor {
	const uint8_t *p;
	uint32_t left;
};

static enum tls_peek bad(struct tls_hello *out, const char *why)
{
	out->why = why;
	return TLS_PEEK_BAD;
}

static enum tls_peek more(struct tls_hello *out, uint32_t need)
{
	out->need = need;
	return need > TLS_HELLO_MAX ? bad(out, "ClientHello too long") : TLS_PEEK_MORE;
}

static bool take8(struct cursor *c, uint32_t *v)
{
	if (c->left < 1)
		return false;
	*v = c->p[0];
	c->p++;
	c->left--;
	return true;
}

static bool take16(struct cursor *c, uint32_t *v)
{
	if (c->left < 2)
		return false;
	*v = (uint32_t)c->p[0] << 8 | c->p[1];
	c->p += 2;
	c->left -= 2;
	return true;
}

static bool take(struct cursor *c, uint32_t n, struct cursor *sub)
{
	if (c->left < n)
		return false;
	*sub = (struct cursor){c->p, n};
	c->p += n;
	c->left -= n;
	return true;
}

static bool vector8(struct cursor *c, struct cursor *sub)
{
	uint32_t n;

	return take8(c, &n) && take(c, n, sub);
}

static bool vector16(struct cursor *c, struct cursor *sub)
{
	uint32_t n;

	return take16(c, &n) && take(c, n, sub);
}

/* ---- records ---- */

static const char *bad_header(const uint8_t *p, uint32_t have)
{
	if (p[0] != TYPE_HS)
		return p[0] >= 'A' && p[0] <= 'Z' ? "plain text where TLS is spoken"
						  : "the first record is no handshake";
	if (have >= 2 && p[1] != 3)
		return "not a version of TLS";
	if (have >= RECORD_HDR && (p[3] << 8 | p[4]) == 0)
		return "empty handshake record";
	if (have >= RECORD_HDR && (p[3] << 8 | p[4]) > RECORD_MAX)
		return "record too long";
	return NULL;
}

/* The message as it is put together in scratch. */
struct gather {
	const uint8_t *data;
	uint32_t len;
	uint8_t *scratch;
	uint32_t got;  /* bytes of the message, header included, seen so far */
	uint32_t want; /* its length with header; 0: not known yet */
};

static enum tls_peek note_length(struct gather *g, struct tls_hello *out)
{
	if (g->scratch[0] != HS_HELLO)
		return bad(out, "the first message is no ClientHello");
	if (g->got < MSG_HDR)
		return TLS_PEEK_MORE;
	g->want = MSG_HDR +
		  ((uint32_t)g->scratch[1] << 16 | (uint32_t)g->scratch[2] << 8 | g->scratch[3]);
	return g->want > TLS_HELLO_MAX ? bad(out, "ClientHello too long") : TLS_PEEK_OK;
}

/* Add what is there of one record. */
static enum tls_peek gather_record(
	struct gather *g, const uint8_t *p, uint32_t have, uint32_t size, struct tls_hello *out)
{
	uint32_t room = (g->want ? g->want : TLS_HELLO_MAX) - g->got;
	uint32_t n = have < room ? have : room;

	memcpy(g->scratch + g->got, p, n);
	g->got += n;
	if (g->want == 0) {
		enum tls_peek rc = g->got > 0 ? note_length(g, out) : TLS_PEEK_MORE;

		if (rc != TLS_PEEK_OK)
			return rc;
		if (g->got > g->want)
			g->got = g->want;
	}
	/* Keys change behind the hello, so nothing may share its last record (RFC 8446 5.1). */
	if (g->got == g->want)
		return have == size ? TLS_PEEK_OK : TLS_PEEK_MORE;
	return TLS_PEEK_MORE;
}

static enum tls_peek find_message(struct gather *g, struct tls_hello *out)
{
	uint32_t at = 0, before = 0;

	while (at < g->len) {
		const uint8_t *p = g->data + at;
		uint32_t have = g->len - at, size;
		const char *why = bad_header(p, have);
		enum tls_peek rc;

		if (why != NULL)
			return bad(out, why);
		if (have < RECORD_HDR)
			return more(out, at + RECORD_HDR);
		size = (uint32_t)p[3] << 8 | p[4];
		have -= RECORD_HDR;
		before = g->got;
		rc = gather_record(g, p + RECORD_HDR, have < size ? have : size, size, out);
		if (rc == TLS_PEEK_BAD)
			return rc;
		if (g->want != 0 && size > g->want - before)
			return bad(out, "bytes behind the ClientHello in its record");
		if (rc == TLS_PEEK_OK) {
			out->len = at + RECORD_HDR + size;
			return rc;
		}
		if (have < size)
			return more(out, at + RECORD_HDR + size);
		at += RECORD_HDR + size;
	}
	return more(out, at + RECORD_HDR + 1);
}

/* ---- the message ---- */

static bool host_byte(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

static const char *read_sni(struct cursor ext, struct tls_hello *out)
{
	struct cursor list, name;
	uint32_t type, n;

	if (!vector16(&ext, &list) || ext.left != 0 || !take8(&list, &type) ||
		!vector16(&list, &name) || list.left != 0)
		return "malformed server_name";
	if (type != 0)
		return "server_name of an unknown type";
	n = name.left;
	if (n > 1 && name.p[n - 1] == '.')
		n--;
	if (n == 0 || n >= TLS_HELLO_NAME)
		return "server_name empty or too long";
	for (uint32_t i = 0; i < n; i++) {
		uint8_t c = name.p[i];

		if (c >= 'A' && c <= 'Z')
			c = (uint8_t)(c + 'a' - 'A');
		if (!host_byte(c) || (c == '.' && (i == 0 || i == n - 1 || name.p[i - 1] == '.')))
			return "server_name is no host name";
		out->sni[i] = (char)c;
	}
	out->sni[n] = '\0';
	return NULL;
}

static const char *read_alpn(struct cursor ext, struct tls_hello *out)
{
	struct cursor list, walk, name;

	if (!vector16(&ext, &list) || ext.left != 0 || list.left == 0)
		return "malformed application_layer_protocol_negotiation";
	for (walk = list; walk.left > 0;)
		if (!vector8(&walk, &name) || name.left == 0)
			return "malformed application_layer_protocol_negotiation";
	out->alpn = list.p;
	out->alpn_len = (uint16_t)list.left;
	return NULL;
}

static const char *read_versions(struct cursor ext, struct tls_hello *out)
{
	struct cursor list;
	uint32_t v;

	if (!vector8(&ext, &list) || ext.left != 0 || list.left == 0 || list.left % 2 != 0)
		return "malformed supported_versions";
	out->tls12 = out->tls13 = false;
	while (take16(&list, &v)) {
		out->tls12 |= v == 0x0303;
		out->tls13 |= v == 0x0304;
	}
	return NULL;
}

static const char *read_extensions(struct cursor c, struct tls_hello *out)
{
	uint16_t seen[TLS_HELLO_EXTS];
	uint32_t cnt = 0, type;
	struct cursor ext;

	while (c.left > 0) {
		const char *why = NULL;

		if (!take16(&c, &type) || !vector16(&c, &ext))
			return "malformed extensions";
		for (uint32_t i = 0; i < cnt; i++)
			if (seen[i] == type)
				return "an extension comes twice";
		if (cnt == TLS_HELLO_EXTS)
			return "too many extensions";
		seen[cnt++] = (uint16_t)type;
		if (type == EXT_SNI)
			why = read_sni(ext, out);
		else if (type == EXT_ALPN)
			why = read_alpn(ext, out);
		else if (type == EXT_VERSIONS)
			why = read_versions(ext, out);
		else if (type == EXT_PSK && c.left > 0)
			why = "pre_shared_key is not the last extension";
		if (why != NULL)
			return why;
	}
	return NULL;
}

static const char *read_message(struct cursor c, struct tls_hello *out)
{
	struct cursor random, session, suites, compression, exts;
	uint32_t version;

	if (!take16(&c, &version) || !take(&c, 32, &random) || !vector8(&c, &session) ||
		session.left > 32)
		return "malformed ClientHello";
	if (version >> 8 != 3)
		return "not a version of TLS";
	if (!vector16(&c, &suites) || suites.left == 0 || suites.left % 2 != 0)
		return "malformed cipher suites";
	if (!vector8(&c, &compression) || compression.left == 0 ||
		memchr(compression.p, 0, compression.left) == NULL)
		return "malformed compression methods";
	out->suites = suites.p;
	out->suites_len = (uint16_t)suites.left;
	out->tls12 = version >= 0x0303;
	if (c.left == 0)
		return NULL; /* RFC 5246 7.4.1.2: extensions may be absent */
	if (!vector16(&c, &exts) || c.left != 0)
		return "malformed extensions";
	return read_extensions(exts, out);
}

enum tls_peek tls_peek_client_hello(
	const uint8_t *data, uint32_t len, uint8_t *scratch, struct tls_hello *out)
{
	struct gather g = {.data = data, .len = len, .scratch = scratch};
	enum tls_peek rc;
	const char *why;

	*out = (struct tls_hello){.need = RECORD_HDR + 1};
	if (len == 0)
		return TLS_PEEK_MORE;
	rc = find_message(&g, out);
	if (rc != TLS_PEEK_OK)
		return rc;
	why = read_message((struct cursor){scratch + MSG_HDR, g.want - MSG_HDR}, out);
	return why != NULL ? bad(out, why) : TLS_PEEK_OK;
}

bool tls_name_match(const char *pattern, const char *name)
{
	const char *dot;

	if (pattern[0] != '*' || pattern[1] != '.')
		return strcmp(pattern, name) == 0;
	dot = strchr(name, '.');
	return dot != NULL && dot != name && strcmp(dot, pattern + 1) == 0;
}
