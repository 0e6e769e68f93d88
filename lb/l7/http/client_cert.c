/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/tls/tls.h"
#include "lb/l7/http/stream.h"

const struct tls_cert_text *http_client_cert(struct http_stream *s)
{
	struct tls_cert_text *t;
	struct tls_info i;

	if (s->cert != NULL || s->tls == NULL)
		return s->cert;
	tls_info(s->tls, &i);
	t = i.peer_cert ? http_arena_alloc(&s->arena, sizeof(*t)) : NULL;
	if (t != NULL && tls_peer_cert(s->tls, t))
		s->cert = t;
	return s->cert;
}
