/* SPDX-License-Identifier: Apache-2.0
 * config_tls - TLS of listeners, of connections to backends, and what holds for all of it.
 * Owner:      part of struct config. What the files hold is looked at when the configuration is put
 *             to use (lb/l7/tls_set.h), not when it is read.
 * Units:      times in ns; counts hold for one worker. */
#ifndef LB_CONFIG_CONFIG_TLS_H
#define LB_CONFIG_CONFIG_TLS_H

#include "dataplane/base/compiler.h"
#include "lb/config/config_mark.h"

#define CONFIG_PATH 256

enum config_tls_version { CONFIG_TLS_12, CONFIG_TLS_13 };
enum config_tls_verify { CONFIG_VERIFY_NONE, CONFIG_VERIFY_OPTIONAL, CONFIG_VERIFY_REQUIRED };

/* Section `tls`. */
struct config_tls {
	uint32_t max_conns, max_handshakes;
	uint32_t record_buffers;
	uint64_t handshake_timeout_ns;
	uint64_t ticket_rotation_ns;
	char ticket_key_file[CONFIG_PATH]; /* empty: random keys */
};

struct config_tls_cert {
	char cert[CONFIG_PATH], key[CONFIG_PATH];
	struct config_mark mark;
};

struct config_alpn {
	char name[32];
};

/* `tls` of a listener. */
struct config_tls_server {
	struct config_tls_cert *certs;
	uint32_t cert_cnt;
	struct config_alpn *alpn;
	uint32_t alpn_cnt;
	enum config_tls_version min_version;
	char ciphers[512], groups[128]; /* empty: defaults */
	enum config_tls_verify verify;
	char client_ca[CONFIG_PATH], client_crl[CONFIG_PATH];
	uint32_t verify_depth;
	bool strict_sni, tickets;
};

#define CONFIG_SNI_HOST "host"

/* `backend_tls` of whatever has backends. */
struct config_tls_client {
	bool verify, resume;
	char ca[CONFIG_PATH], crl[CONFIG_PATH];
	char sni[256]; /* CONFIG_SNI_HOST: as each request's Host */
	char verify_name[256];
	char cert[CONFIG_PATH], key[CONFIG_PATH];
	enum config_tls_version min_version;
	char ciphers[512], groups[128];
	uint32_t verify_depth;
};

#endif
