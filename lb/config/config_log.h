/* SPDX-License-Identifier: Apache-2.0
 * config_log - the section `access_log`: one line for each request.
 * Owner:      struct config.
 * Units:      bytes, ns. */
#ifndef LB_CONFIG_CONFIG_LOG_H
#define LB_CONFIG_CONFIG_LOG_H

#include "lb/config/config_mark.h"

#define LIMIT_LOG_FIELDS  64
#define LIMIT_LOG_FORMAT  2048
#define LIMIT_LOG_HEADERS 16

/* clang-format off */
/* Enum suffix, name, type in JSON (TEXT or NUMBER), meaning. What a request does not have is left out
 * of JSON, and is "-" in a format of one's own. */
#define ACCESS_LOG_FIELDS(F) \
	F(TIME, "time", TEXT, "end of the request: RFC 3339, UTC, milliseconds") \
	F(TIME_CLF, "time_clf", TEXT, "the same as other servers write it: 29/Nov/2026:04:11:12 +0000") \
	F(LISTENER, "listener", TEXT, "name of the listener") \
	F(CLIENT, "client", TEXT, "address of the client, as `forwarded` finds it") \
	F(CLIENT_PORT, "client_port", NUMBER, "its port") \
	F(PEER, "peer", TEXT, "address that connected") \
	F(LOCAL, "local", TEXT, "address that it connected to") \
	F(LOCAL_PORT, "local_port", NUMBER, "and port") \
	F(TLS, "tls", NUMBER, "1 if the connection is TLS, 0 if not") \
	F(TLS_VERSION, "tls_version", TEXT, "TLSv1.3 or TLSv1.2") \
	F(TLS_CIPHER, "tls_cipher", TEXT, "cipher, by its standard name") \
	F(TLS_SNI, "tls_sni", TEXT, "name that the client asked TLS for") \
	F(TLS_ALPN, "tls_alpn", TEXT, "protocol that was agreed on in TLS") \
	F(TLS_RESUMED, "tls_resumed", NUMBER, "1 if the TLS session was resumed, 0 if not") \
	F(CERT_SUBJECT, "client_cert_subject", TEXT, "subject of the client's certificate (RFC 2253)") \
	F(CERT_SERIAL, "client_cert_serial", TEXT, "its serial number, in hex") \
	F(CERT_SHA256, "client_cert_sha256", TEXT, "its fingerprint, in hex") \
	F(CERT_VERIFIED, "client_cert_verified", NUMBER, "1 if it was accepted, 0 if not") \
	F(USER, "user", TEXT, "who was authenticated") \
	F(REQUEST_ID, "request_id", TEXT, "X-Request-Id") \
	F(TRACE_ID, "trace_id", TEXT, "of traceparent") \
	F(METHOD, "method", TEXT, "method") \
	F(SCHEME, "scheme", TEXT, "http or https") \
	F(HOST, "host", TEXT, "host that was asked for") \
	F(URI, "uri", TEXT, "path and query, before rewriting") \
	F(PATH, "path", TEXT, "the path alone") \
	F(QUERY, "query", TEXT, "the query alone") \
	F(VERSION, "version", TEXT, "1.0, 1.1 or 2") \
	F(STATUS, "status", NUMBER, "status that was sent; not there if none was") \
	F(REQUEST_BYTES, "request_bytes", NUMBER, "of the request's body, as received") \
	F(RESPONSE_BYTES, "response_bytes", NUMBER, "of the response's body, as sent") \
	F(SITE, "site", TEXT, "name of the site") \
	F(ROUTE, "route", TEXT, "name of the route") \
	F(BACKEND, "backend", TEXT, "backend that answered") \
	F(RETRIES, "retries", NUMBER, "tries after the first") \
	F(CACHE, "cache", TEXT, "what the cache did") \
	F(END, "end", TEXT, "why it ended: ok, or a word as in Proxy-Status' details") \
	F(DETAIL, "detail", TEXT, "a word that says more") \
	F(REFERER, "referer", TEXT, "field Referer") \
	F(USER_AGENT, "user_agent", TEXT, "field User-Agent") \
	F(HEAD_MS, "head_ms", NUMBER, "from the request's first byte to the end of its head") \
	F(BODY_MS, "body_ms", NUMBER, "from there to the end of its body") \
	F(QUEUE_MS, "queue_ms", NUMBER, "waiting for a connection to a backend, connecting included") \
	F(BACKEND_MS, "backend_ms", NUMBER, "from having one to the response's head") \
	F(SEND_MS, "send_ms", NUMBER, "from there to the end") \
	F(TOTAL_MS, "total_ms", NUMBER, "from the first byte to the end")
/* clang-format on */

enum access_log_field {
#define F(id, name, type, help) ACCESS_LOG_##id,
	ACCESS_LOG_FIELDS(F)
#undef F
		ACCESS_LOG_FIELD_CNT
};

#define ACCESS_LOG_DEFAULT_FIELDS                                                              \
	"[time, listener, client, client_port, tls, user, request_id, method, host, uri, "     \
	"version, "                                                                            \
	"status, request_bytes, response_bytes, route, backend, retries, cache, end, detail, " \
	"referer, user_agent, head_ms, body_ms, queue_ms, backend_ms, send_ms, total_ms]"

#define ACCESS_LOG_COMBINED                                                                 \
	"${client} - ${user} [${time_clf}] \"${method} ${uri} HTTP/${version}\" ${status} " \
	"${response_bytes} \"${referer}\" \"${user_agent}\""

struct config_log_header {
	char name[64];
};

struct config_access_log {
	char path[256];                /* a file, or stdout, stderr */
	char format[LIMIT_LOG_FORMAT]; /* json, combined, or a text with ${...} */
	int *fields;                   /* of json: enum access_log_field */
	uint32_t field_cnt;
	struct config_log_header *request_headers, *response_headers; /* of json */
	uint32_t request_header_cnt, response_header_cnt;
	uint64_t buffer_bytes; /* of each worker */
	uint64_t flush_ns;
	struct config_mark mark;
};

#endif
