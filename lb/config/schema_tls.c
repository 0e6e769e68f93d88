/* SPDX-License-Identifier: Apache-2.0
 * Section `tls`, and the maps `tls` and `backend_tls`. */
#include "lb/config/config_tls.h"
#include "lb/config/schema.h"

#define MS UINT64_C(1000000)
#define S  (1000 * MS)
#define H  (3600 * S)

#define FIELDS(array) .fields = array, .field_cnt = ARRAY_SIZE(array)

static const struct schema_enum version_words[] = {
	{"tls1.2", CONFIG_TLS_12, NULL},
	{"tls1.3", CONFIG_TLS_13, NULL},
	{NULL, 0, NULL},
};

static const struct schema_enum verify_words[] = {
	{"none", CONFIG_VERIFY_NONE, "clients are not asked for a certificate"},
	{"optional", CONFIG_VERIFY_OPTIONAL,
		"one that is shown must be good; showing none is fine"},
	{"required", CONFIG_VERIFY_REQUIRED, "without a good one there is no connection"},
	{NULL, 0, NULL},
};

#define CIPHERS_HELP                                                                          \
	"Ciphers in order of preference, by OpenSSL's names, separated by `:`; those of TLS " \
	"1.3 begin with `TLS_`. Only AES-GCM and ChaCha20-Poly1305 are spoken."
#define CIPHERS_DFLT "AES-128-GCM, AES-256-GCM, ChaCha20-Poly1305; in TLS 1.2 with ephemeral keys"
#define GROUPS_HELP  "Groups of the key exchange in order of preference, separated by `:`."

/* ---- the section ---- */

static const struct schema_field tls_fields[] = {
	{"max_connections", SCHEMA_COUNT, SCHEMA_RESTART, SCHEMA_AT(config_tls, max_conns),
		.min = 16, .max = 1 << 23, .dflt = "16384",
		.help = "TLS connections of each worker, those to backends included."},
	{"max_handshakes", SCHEMA_COUNT, SCHEMA_RESTART, SCHEMA_AT(config_tls, max_handshakes),
		.min = 1, .max = 1 << 20, .dflt = "1024",
		.help = "Handshakes under way at once on each worker; more are refused. Clients "
			"that have not sent their whole hello do not count."},
	{"record_buffers", SCHEMA_COUNT, SCHEMA_RESTART, SCHEMA_AT(config_tls, record_buffers),
		.min = 1024, .max = 1 << 22, .dflt = "16384",
		.help = "Buffers of each worker for what is sent over TLS and not acknowledged "
			"yet. They are made at start if there is this section or a listener with "
			"TLS; otherwise `tcp.data_buffers` have to do."},
	{"handshake_timeout", SCHEMA_DURATION, SCHEMA_RESTART,
		SCHEMA_AT(config_tls, handshake_timeout_ns), .min = 100 * MS, .max = 300 * S,
		.dflt = "10s", .help = "A handshake that takes longer is given up."},
	{"ticket_rotation", SCHEMA_DURATION, 0, SCHEMA_AT(config_tls, ticket_rotation_ns),
		.min = 60 * S, .max = 7 * 24 * H, .dflt = "12h",
		.help = "A new key for session tickets comes so often; the two before it still "
			"decrypt. Not used with `ticket_key_file`."},
	{"ticket_key_file", SCHEMA_STRING, 0, SCHEMA_AT(config_tls, ticket_key_file), .dflt = "",
		.help = "File with one to three keys for session tickets, 80 random bytes each, "
			"the one that encrypts first: nodes with the same file resume each "
			"other's sessions. Read at start and on every reload; empty: random keys "
			"of this process."},
};

const struct schema_map schema_tls = {
	.name = "tls",
	.help = "What holds for TLS of all listeners and backends.",
	FIELDS(tls_fields),
};

/* ---- listeners ---- */

static const struct schema_field cert_fields[] = {
	{"cert", SCHEMA_STRING, SCHEMA_REQUIRED, SCHEMA_AT(config_tls_cert, cert),
		.help = "PEM file with the certificate and, behind it, the intermediate ones."},
	{"key", SCHEMA_STRING, SCHEMA_REQUIRED, SCHEMA_AT(config_tls_cert, key),
		.help = "PEM file with its private key, without a password."},
};

static const struct schema_map cert_map = {
	.name = "certificate",
	.help = "A certificate with its key. It serves the names that it holds.",
	FIELDS(cert_fields),
	.size = sizeof(struct config_tls_cert),
	.mark_offset = offsetof(struct config_tls_cert, mark),
};

static const struct schema_field server_fields[] = {
	{"certificates", SCHEMA_MAP, SCHEMA_LIST | SCHEMA_REQUIRED,
		SCHEMA_LIST_AT(config_tls_server, certs, cert_cnt), .max_cnt = LIMIT_TLS_CERTS,
		.map = &cert_map,
		.help = "Found by the name that the client asks for, exact or by wildcard; "
			"several kinds of key for one name stand side by side. The first one "
			"serves all other names."},
	{"alpn", SCHEMA_STRING, SCHEMA_LIST, SCHEMA_LIST_AT(config_tls_server, alpn, alpn_cnt),
		.max_cnt = 8, .dflt_doc = "what the action speaks",
		.help = "Application protocols in order of preference. A client that offers only "
			"others is refused."},
	{"min_version", SCHEMA_ENUM, 0, SCHEMA_AT(config_tls_server, min_version), .dflt = "tls1.2",
		.words = version_words, .help = "Oldest version spoken."},
	{"ciphers", SCHEMA_STRING, 0, SCHEMA_AT(config_tls_server, ciphers),
		.dflt_doc = CIPHERS_DFLT, .help = CIPHERS_HELP},
	{"groups", SCHEMA_STRING, 0, SCHEMA_AT(config_tls_server, groups),
		.dflt_doc = "X25519:P-256:P-384", .help = GROUPS_HELP},
	{"verify", SCHEMA_ENUM, 0, SCHEMA_AT(config_tls_server, verify), .dflt = "none",
		.words = verify_words, .help = "Certificates of clients."},
	{"client_ca", SCHEMA_STRING, 0, SCHEMA_AT(config_tls_server, client_ca), .dflt = "",
		.help = "PEM file of the authorities that clients' certificates come from; needed "
			"by `verify`."},
	{"client_crl", SCHEMA_STRING, 0, SCHEMA_AT(config_tls_server, client_crl), .dflt = "",
		.help = "PEM file of their revocation lists; empty: nothing is revoked."},
	{"verify_depth", SCHEMA_UINT, 0, SCHEMA_AT(config_tls_server, verify_depth), .min = 1,
		.max = 10, .dflt = "4",
		.help = "Most certificates between a client's and its authority."},
	{"strict_sni", SCHEMA_BOOL, 0, SCHEMA_AT(config_tls_server, strict_sni), .dflt = "false",
		.help = "Refuse clients that ask for no name, or for one that no certificate "
			"holds."},
	{"tickets", SCHEMA_BOOL, 0, SCHEMA_AT(config_tls_server, tickets), .dflt = "true",
		.help = "Give out session tickets, so that clients come back without a full "
			"handshake."},
};

const struct schema_map schema_tls_server = {
	.name = "listener tls",
	.help = "The listener speaks TLS; its action sees what is inside.",
	FIELDS(server_fields),
	.size = sizeof(struct config_tls_server),
};

/* ---- backends ---- */

static const struct schema_field client_fields[] = {
	{"verify", SCHEMA_BOOL, 0, SCHEMA_AT(config_tls_client, verify), .dflt = "true",
		.help = "Verify the backend's certificate; without it anybody can stand in for "
			"it."},
	{"ca", SCHEMA_STRING, 0, SCHEMA_AT(config_tls_client, ca), .dflt = "",
		.help = "PEM file of the authorities that are trusted; empty: those of the "
			"system."},
	{"crl", SCHEMA_STRING, 0, SCHEMA_AT(config_tls_client, crl), .dflt = "",
		.help = "PEM file of their revocation lists; empty: nothing is revoked."},
	{"sni", SCHEMA_STRING, 0, SCHEMA_AT(config_tls_client, sni), .dflt = "",
		.help = "Name to ask the backend for, which must be in the certificate; empty: the "
			"backend's host name, or else none, and its address must be in there. "
			"`host` (of upstreams): the host of each request as it is sent, each with "
			"connections of its own."},
	{"verify_name", SCHEMA_STRING, 0, SCHEMA_AT(config_tls_client, verify_name), .dflt = "",
		.help = "Name that must be in the certificate; empty: `sni`."},
	{"cert", SCHEMA_STRING, 0, SCHEMA_AT(config_tls_client, cert), .dflt = "",
		.help = "PEM file of the certificate that is shown to backends; empty: none."},
	{"key", SCHEMA_STRING, 0, SCHEMA_AT(config_tls_client, key), .dflt = "",
		.help = "PEM file of its key."},
	{"min_version", SCHEMA_ENUM, 0, SCHEMA_AT(config_tls_client, min_version), .dflt = "tls1.2",
		.words = version_words, .help = "Oldest version spoken."},
	{"ciphers", SCHEMA_STRING, 0, SCHEMA_AT(config_tls_client, ciphers),
		.dflt_doc = CIPHERS_DFLT, .help = CIPHERS_HELP},
	{"groups", SCHEMA_STRING, 0, SCHEMA_AT(config_tls_client, groups),
		.dflt_doc = "X25519:P-256:P-384", .help = GROUPS_HELP},
	{"verify_depth", SCHEMA_UINT, 0, SCHEMA_AT(config_tls_client, verify_depth), .min = 1,
		.max = 10, .dflt = "4",
		.help = "Most certificates between the backend's and its authority."},
	{"resume", SCHEMA_BOOL, 0, SCHEMA_AT(config_tls_client, resume), .dflt = "true",
		.help = "Resume sessions, which saves the backend a full handshake."},
};

const struct schema_map schema_tls_client = {
	.name = "backend tls",
	.help = "Connections to the backends speak TLS. An empty map, `{}`, takes the defaults.",
	FIELDS(client_fields),
	.size = sizeof(struct config_tls_client),
};
