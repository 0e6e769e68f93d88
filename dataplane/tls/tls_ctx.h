/* SPDX-License-Identifier: Apache-2.0
 * tls_ctx - what control prepares: certificates of servers, trust of clients, keys of tickets.
 *
 * Files are read once; every worker gets its own copy of keys, certificates and stores in its own
 * library context. A server or client is immutable: new certificates are a new server.
 *
 * Owner:      control creates and drops references; each connection holds one.
 * Lifetime:   counted; tls_libs outlives all.
 * Invariants: TX1 every key fits its certificate and every chain is in order, leaf first.
 *             TX2 only AEAD suites that the record layer speaks can be chosen.
 * Errors:     -EINVAL after each fault was reported, with the file and the reason; -ENOMEM.
 * Limits:     LIMIT_TLS_CERTS certificates of one server; files of at most LIMIT_TLS_FILE bytes. */
#ifndef DATAPLANE_TLS_TLS_CTX_H
#define DATAPLANE_TLS_TLS_CTX_H

#include "dataplane/base/compiler.h"

struct tls_client;
struct tls_libs;
struct tls_server;
struct tls_tickets;

enum tls_part {
	TLS_PART_CERT, /* idx: of the certificate */
	TLS_PART_KEY,  /* idx: of the certificate */
	TLS_PART_CA,
	TLS_PART_CRL,
	TLS_PART_CIPHERS,
	TLS_PART_GROUPS,
	TLS_PART_ALPN,
};

/* What is wrong, or worth a warning, with which part of the configuration. */
typedef void (*tls_fault_fn)(
	void *ctx, enum tls_part part, uint32_t idx, bool warning, const char *text);

struct tls_cert_files {
	const char *cert, *key; /* PEM: the chain, leaf first; the private key */
};

enum tls_version { TLS_V12 = 0x0303, TLS_V13 = 0x0304 };
enum tls_verify { TLS_VERIFY_NONE, TLS_VERIFY_OPTIONAL, TLS_VERIFY_REQUIRED };

/* Empty texts and NULL lists take the defaults. Nothing is kept but copies. */
struct tls_server_conf {
	const char *name;                   /* sessions of one name are not resumed under another */
	const struct tls_cert_files *certs; /* the first serves names that none covers */
	uint32_t cert_cnt;
	const char *const *alpn; /* in order of preference; none: not spoken */
	uint32_t alpn_cnt;
	enum tls_version min_version;
	const char *ciphers; /* of both versions, separated by ':'; OpenSSL's names */
	const char *groups;  /* separated by ':' */
	enum tls_verify verify;
	const char *client_ca, *client_crl; /* files; client_ca is needed to verify */
	uint32_t verify_depth;              /* intermediate certificates; 0: 4 */
	bool strict_sni; /* refuse names that no certificate covers, and clients without a name */
	bool no_tickets;
};

/* now_s: wall clock, seconds since 1970, for the warnings about validity. */
int tls_server_create(struct tls_libs *libs, const struct tls_server_conf *conf, int64_t now_s,
	tls_fault_fn fault, void *ctx, struct tls_server **out) WARN_UNUSED;
/* Drop a reference; NULL is fine. Any thread. */
void tls_server_unref(struct tls_server *s);

struct tls_client_conf {
	const char *ca;  /* file; empty: the system's store */
	bool no_verify;  /* take any certificate */
	const char *crl; /* file; empty: none */
	const char *sni; /* name to ask for and to verify; empty: given with each connection */
	const char *verify_name;    /* name to verify instead of the one asked for */
	struct tls_cert_files cert; /* of our own; NULL or empty: none */
	const char *const *alpn;
	uint32_t alpn_cnt;
	enum tls_version min_version;
	const char *ciphers, *groups;
	uint32_t verify_depth;
	bool no_resume;
};

int tls_client_create(struct tls_libs *libs, const struct tls_client_conf *conf, int64_t now_s,
	tls_fault_fn fault, void *ctx, struct tls_client **out) WARN_UNUSED;
void tls_client_unref(struct tls_client *c);

/* ---- session tickets: keys that every worker shares ----
 *
 * One key encrypts; it and those before it decrypt. Control publishes, workers read (edge TK1 of
 * docs/concurrency.md). */

#define TLS_TICKET_KEYS 3
#define TLS_TICKET_KEY  80 /* bytes of one key in a file: name 16, HMAC 32, AES 32 */

/* Random keys to begin with. */
int tls_tickets_create(struct tls_tickets **out) WARN_UNUSED;
void tls_tickets_destroy(struct tls_tickets *t);
/* A new random key encrypts from now on; the oldest one is forgotten. Control alone. */
void tls_tickets_rotate(struct tls_tickets *t);
/* Keys of a file that several nodes share: up to TLS_TICKET_KEYS of TLS_TICKET_KEY raw bytes, the
 * one that encrypts first. -EINVAL with the reason in why[128], then nothing has changed. */
int tls_tickets_load(struct tls_tickets *t, const char *file, char *why) WARN_UNUSED;

#endif
