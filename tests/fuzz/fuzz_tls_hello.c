/* SPDX-License-Identifier: Apache-2.0
 * Any bytes as the start of a TLS connection: a verdict must hold for what is cut or appended, the
 * name is one. */
#include <stdlib.h>
#include <string.h>

#include "dataplane/tls/hello.h"

static uint8_t scratch[TLS_HELLO_MAX], scratch2[TLS_HELLO_MAX];

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void check_name(const char *s)
{
	size_t n = strlen(s);

	require(n < TLS_HELLO_NAME);
	for (size_t i = 0; i < n; i++)
		require((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9') ||
			strchr("-_.", s[i]) != NULL);
	require(n == 0 || (s[0] != '.' && s[n - 1] != '.' && strstr(s, "..") == NULL));
}

static void check_good(const uint8_t *in, size_t size, const struct tls_hello *h)
{
	struct tls_hello again;
	uint32_t at = 0;

	require(h->len > 0 && h->len <= size);
	check_name(h->sni);
	require(h->suites_len >= 2 && h->suites_len % 2 == 0);
	require(h->suites >= scratch && h->suites + h->suites_len <= scratch + sizeof(scratch));
	for (; at < h->alpn_len; at += 1u + h->alpn[at])
		require(h->alpn[at] != 0);
	require(at == h->alpn_len);
	/* Exactly its own bytes are enough, and one less is not. */
	require(tls_peek_client_hello(in, h->len, scratch2, &again) == TLS_PEEK_OK);
	require(again.len == h->len && strcmp(again.sni, h->sni) == 0);
	require(tls_peek_client_hello(in, h->len - 1, scratch2, &again) == TLS_PEEK_MORE);
	require(again.need == h->len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A copy of its own length: reading beyond it is seen. */
	uint8_t *in = malloc(size > 0 ? size : 1);
	struct tls_hello h, cut;

	if (in == NULL)
		return 0;
	memcpy(in, data, size);
	switch (tls_peek_client_hello(in, (uint32_t)size, scratch, &h)) {
	case TLS_PEEK_OK:
		check_good(in, size, &h);
		break;
	case TLS_PEEK_MORE:
		require(h.need > size);
		break;
	default:
		require(h.why != NULL && size > 0);
		/* What is good stays good, whatever follows. */
		require(tls_peek_client_hello(in, (uint32_t)size / 2, scratch2, &cut) !=
			TLS_PEEK_OK);
	}
	free(in);
	return 0;
}
