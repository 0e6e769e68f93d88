/* SPDX-License-Identifier: Apache-2.0
 * hello - look at a ClientHello without answering it: which host, which protocols, which versions.
 * Source:     RFC 8446 4.1.2, 4.2 and 5.1; RFC 5246 7.4.1.2; RFC 6066 3; RFC 7301 3.1.
 * Owner:      none, pure.
 * Invariants: HL1 every proper prefix of a good hello is MORE, and no MORE names fewer bytes than
 *                 are there.
 *             HL2 values that are not understood (GREASE, ECH, new suites, groups and extensions)
 *                 are passed over; lengths that do not fit and an extension that comes twice are
 *                 not.
 *             HL3 the name is in lower case, has no NUL and no trailing dot, and consists of
 *                 letters, digits, '-', '_' and '.'.
 * Limits:     TLS_HELLO_MAX bytes of records; TLS_HELLO_EXTS extensions.
 * Cost:       one walk over the records and extensions, one copy of the message. */
#ifndef DATAPLANE_TLS_HELLO_H
#define DATAPLANE_TLS_HELLO_H

#include "dataplane/base/compiler.h"

#define TLS_HELLO_MAX  16384
#define TLS_HELLO_EXTS 128
#define TLS_HELLO_NAME 256

enum tls_peek { TLS_PEEK_OK, TLS_PEEK_MORE, TLS_PEEK_BAD };

struct tls_hello {
	char sni[TLS_HELLO_NAME]; /* "" when no name was given */
	const uint8_t *alpn;      /* names, each behind its length byte; in scratch */
	const uint8_t *suites;    /* pairs of bytes, in scratch */
	uint16_t alpn_len, suites_len;
	bool tls12, tls13; /* versions offered */
	uint32_t len;      /* bytes of the records that hold it */
	uint32_t need;     /* MORE: bytes that must be there before it is worth looking again */
	const char *why;   /* BAD: what is wrong */
};

/* Look at the first len bytes of a connection. scratch has TLS_HELLO_MAX bytes. */
enum tls_peek tls_peek_client_hello(
	const uint8_t *data, uint32_t len, uint8_t *scratch, struct tls_hello *out) WARN_UNUSED;

/* Does a host name fit a pattern: equal, or "*.rest" for exactly one label before the rest. Both in
 * lower case. */
bool tls_name_match(const char *pattern, const char *name);

#endif
