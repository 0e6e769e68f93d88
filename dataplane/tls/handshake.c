/* SPDX-License-Identifier: Apache-2.0
 * Handshakes: OpenSSL does them, in turns that tls_worker_run() gives out. What it knows at the end
 * is copied, and a server's SSL object is freed at once: an open connection keeps two cipher
 * contexts and little else. */
#include <errno.h>
#include <string.h>

#include <openssl/err.h>

#include "dataplane/base/log.h"
#include "dataplane/tls/tls_pvt.h"

#define SMALL_RECORD 1200 /* when TCP does not say what a segment holds */

void tls_release_ssl(struct tls_conn *t)
{
	if (t->ssl == NULL)
		return;
	/* A session is good although there was no goodbye: records were taken over from OpenSSL. */
	SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(t->ssl);
	t->ssl = NULL;
}

/* ---- secrets ---- */

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_secret(const char *hex, uint8_t *out)
{
	uint32_t n = 0;

	for (; n < SECRET_MAX && hex_digit(hex[0]) >= 0 && hex_digit(hex[1]) >= 0; hex += 2)
		out[n++] = (uint8_t)(hex_digit(hex[0]) << 4 | hex_digit(hex[1]));
	return n == 32 || n == 48;
}

/* "LABEL client-random secret", in hex. */
void tls_keylog_cb(const SSL *ssl, const char *line)
{
	static const char client[] = "CLIENT_TRAFFIC_SECRET_0 ";
	static const char server[] = "SERVER_TRAFFIC_SECRET_0 ";
	struct tls_conn *t = SSL_get_app_data(ssl);
	bool of_client = strncmp(line, client, sizeof(client) - 1) == 0;
	const char *secret;

	if (t == NULL || (!of_client && strncmp(line, server, sizeof(server) - 1) != 0))
		return;
	secret = strchr(line + sizeof(client) - 1, ' ');
	if (secret == NULL)
		return;
	if (of_client == (t->is_server != 0))
		t->have_rx_secret = read_secret(secret + 1, t->logged_rx);
	else
		t->have_tx_secret = read_secret(secret + 1, t->logged_tx);
}

/* ---- what the handshake settled ---- */

static void keep_names(struct tls_conn *t, const char *sni)
{
	const unsigned char *alpn = NULL;
	unsigned int alpn_len = 0;
	size_t sni_len = sni == NULL ? 0 : strlen(sni);

	SSL_get0_alpn_selected(t->ssl, &alpn, &alpn_len);
	if (sni_len + alpn_len == 0)
		return;
	t->names = OPENSSL_malloc(sni_len + alpn_len + 2);
	if (t->names == NULL)
		return;
	if (sni_len > 0)
		memcpy(t->names, sni, sni_len);
	t->names[sni_len] = '\0';
	if (alpn_len > 0)
		memcpy(t->names + sni_len + 1, alpn, alpn_len);
	t->names[sni_len + 1 + alpn_len] = '\0';
}

static void keep_facts(struct tls_conn *t)
{
	struct tcp_info i;

	keep_names(t, SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name));
	t->resumed = SSL_session_reused(t->ssl) == 1;
	t->group = (int32_t)SSL_get_negotiated_group(t->ssl);
	t->peer = SSL_get1_peer_certificate(t->ssl);
	t->verified = t->peer != NULL && SSL_get_verify_result(t->ssl) == X509_V_OK;
	t->small = SMALL_RECORD;
	if (tcp_info(t->e, t->tcp, &i) == 0 && i.mss > 2 * tls_record_overhead(t))
		t->small = (uint16_t)(i.mss - tls_record_overhead(t));
}

static void count_handshake(struct tls_conn *t)
{
	struct tls_counters *c = &t->w->cnt;

	tls_count(&c->handshakes, (uint64_t)-1);
	tls_count(t->resumed ? &c->resumed : &c->full, 1);
	tls_count(t->version == TLS_V13 ? &c->tls13 : &c->tls12, 1);
}

static void complete(struct tls_conn *t, uint32_t records)
{
	/* Of a server's last flight all is session tickets, under the keys of the data; a client's
	 * is its Finished, under those of the handshake. */
	if (tls_keys_install(t, t->is_server ? records : 0) != 0) {
		tls_fail(t, TLS_END_NO_MEMORY, -1);
		return;
	}
	keep_facts(t);
	count_handshake(t);
	wheel_cancel(&t->w->wheel, &t->timer);
	t->state = TLS_OPEN;
	if (t->is_server || t->version != TLS_V13)
		tls_release_ssl(t);
	tls_flush(t, 0);
	if (t->ops != NULL && t->ops->on_connect != NULL)
		t->ops->on_connect(t->e, t->tcp, t->user);
	if (t->state == TLS_OPEN)
		tls_input(t);
	if (t->eof)
		tls_tell_eof(t);
}

/* ---- failures ---- */

static enum tls_end verify_failed(struct tls_conn *t)
{
	long v = SSL_get_verify_result(t->ssl);

	if (v != X509_V_OK)
		t->detail = X509_verify_cert_error_string(v);
	return t->is_server ? TLS_END_CLIENT_CERTIFICATE : TLS_END_VERIFY;
}

static enum tls_end end_of_error(struct tls_conn *t)
{
	unsigned long e = ERR_peek_error();
	int reason = ERR_GET_REASON(e);

	t->detail = ERR_GET_LIB(e) == ERR_LIB_SSL ? ERR_reason_error_string(e) : NULL;
	if (ERR_GET_LIB(e) != ERR_LIB_SSL)
		return TLS_END_PROTOCOL;
	if (reason > SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256) {
		t->alert = (uint8_t)(reason - SSL_AD_REASON_OFFSET);
		return TLS_END_ALERT;
	}
	switch (reason) {
	case SSL_R_NO_SHARED_CIPHER:
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_NO_SUITABLE_KEY_SHARE:
	case SSL_R_NO_SHARED_GROUPS:
	case SSL_R_NO_SUITABLE_GROUPS:
	case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
	case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
	case SSL_R_VERSION_TOO_LOW:
	case SSL_R_WRONG_VERSION_NUMBER:
	case SSL_R_INAPPROPRIATE_FALLBACK:
		return TLS_END_NO_SHARED;
	case SSL_R_NO_APPLICATION_PROTOCOL:
		return TLS_END_NO_ALPN;
	case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
	case SSL_R_CERTIFICATE_VERIFY_FAILED:
		return verify_failed(t);
	case ERR_R_MALLOC_FAILURE:
		return TLS_END_NO_MEMORY;
	default:
		return TLS_END_PROTOCOL;
	}
}

/* ---- steps ---- */

/* A call of OpenSSL ends at a record's end. */
static uint32_t records_behind(const struct tls_chain *c, uint32_t skip)
{
	uint8_t hdr[RECORD_HDR];
	uint32_t at = 0, have = 0, left = skip, n = 0;

	for (const struct rte_mbuf *m = c->head; m != NULL; m = m->next) {
		const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);

		for (at = 0; at < m->data_len;) {
			uint32_t k = m->data_len - at;

			if (left > 0) {
				k = k < left ? k : left;
				left -= k;
				at += k;
				continue;
			}
			hdr[have++] = p[at++];
			if (have == RECORD_HDR) {
				left = (uint32_t)hdr[3] << 8 | hdr[4];
				have = 0;
				n++;
			}
		}
	}
	return n;
}

static void run(struct tls_conn *t)
{
	uint32_t before = t->out.len;
	int rc, why;

	ERR_clear_error();
	t->bio_left = UINT32_MAX;
	rc = SSL_do_handshake(t->ssl);
	if (t->no_mbuf) {
		tls_fail(t, TLS_END_NO_MEMORY, -1);
	} else if (rc == 1) {
		complete(t, records_behind(&t->out, before));
	} else {
		why = SSL_get_error(t->ssl, rc);
		if (why == SSL_ERROR_WANT_READ && !t->eof)
			tls_flush(t, 0);
		else if (why == SSL_ERROR_WANT_READ)
			tls_fail(t, TLS_END_TRUNCATED, -1);
		else
			tls_fail(t, end_of_error(t), -1); /* OpenSSL has written its alert */
	}
	ERR_clear_error();
}

static void start_server(struct tls_conn *t, const struct tls_hello *hello)
{
	struct tls_worker *w = t->w;
	SSL_CTX *ctx = tls_server_ctx(t->server, w->conf.index, hello->sni);
	BIO *bio;

	if (ctx == NULL) {
		tls_fail(t, TLS_END_NO_CERTIFICATE, ALERT_UNRECOGNIZED_NAME);
		return;
	}
	if (w->cnt.handshakes >= w->conf.max_handshakes) {
		TLS_CNT(w, refused);
		tls_fail(t, TLS_END_NO_MEMORY, ALERT_INTERNAL_ERROR);
		return;
	}
	t->ssl = SSL_new(ctx);
	bio = t->ssl == NULL ? NULL : tls_bio_new(t);
	if (bio == NULL) {
		tls_fail(t, TLS_END_NO_MEMORY, ALERT_INTERNAL_ERROR);
		return;
	}
	SSL_set_bio(t->ssl, bio, bio);
	SSL_set_app_data(t->ssl, t);
	SSL_set_accept_state(t->ssl);
	t->state = TLS_HANDSHAKE;
	tls_count(&w->cnt.handshakes, 1);
}

void tls_handshake_step(struct tls_conn *t)
{
	struct tls_hello hello;

	if (t->state == TLS_HELLO) {
		switch (tls_peek_in(t, &hello)) {
		case TLS_PEEK_MORE:
			t->in_need = hello.need;
			if (t->eof)
				tls_fail(t, TLS_END_TRUNCATED, -1);
			return;
		case TLS_PEEK_BAD:
			t->detail = hello.why;
			tls_fail(t, TLS_END_BAD_HELLO, ALERT_DECODE_ERROR);
			return;
		default:
			start_server(t, &hello);
		}
	}
	if (t->state == TLS_HANDSHAKE)
		run(t);
}

int tls_client_start(struct tls_conn *t, const char *sni)
{
	struct tls_worker *w = t->w;
	SSL_CTX *ctx = tls_client_ctx(t->client, w->conf.index);
	BIO *bio;

	if (w->cnt.handshakes >= w->conf.max_handshakes) {
		TLS_CNT(w, refused);
		return -ENFILE;
	}
	t->ssl = SSL_new(ctx);
	bio = t->ssl == NULL ? NULL : tls_bio_new(t);
	if (bio == NULL)
		return -ENOMEM;
	SSL_set_bio(t->ssl, bio, bio);
	SSL_set_app_data(t->ssl, t);
	SSL_set_connect_state(t->ssl);
	return tls_client_prepare(t->client, t, sni);
}

/* A client's session tickets come behind the handshake, before data as a rule, and only OpenSSL can
 * make sessions of them. So it gets each record, as they came, until the first that is not a
 * ticket: up to there its count of records is ours, and from there on it has no part. True: the
 * record is gone. */
bool tls_give_ticket(struct tls_conn *t, uint32_t wire)
{
	uint8_t byte;
	int type = tls_record_look(t, wire);
	int rc;

	if (type != RECORD_HANDSHAKE) {
		tls_release_ssl(t);
		return false;
	}
	ERR_clear_error();
	t->bio_left = wire;
	rc = SSL_read(t->ssl, &byte, 1);
	if (rc > 0 || SSL_get_error(t->ssl, rc) != SSL_ERROR_WANT_READ || t->bio_left > 0)
		tls_fail(t, TLS_END_PROTOCOL, ALERT_UNEXPECTED_MESSAGE);
	t->rx.seq++;
	ERR_clear_error();
	return true;
}

/* ---- what others may know ---- */

void tls_info(const struct tls_conn *t, struct tls_info *out)
{
	const char *group = t->group == 0 ? NULL : OBJ_nid2sn(t->group);

	*out = (struct tls_info){
		.version = t->version == TLS_V13   ? "TLSv1.3"
			   : t->version == TLS_V12 ? "TLSv1.2"
						   : "",
		.cipher = t->cipher == NULL ? "" : SSL_CIPHER_standard_name(t->cipher),
		.group = group == NULL ? "" : group,
		.sni = t->names == NULL ? "" : t->names,
		.alpn = t->names == NULL ? "" : t->names + strlen(t->names) + 1,
		.resumed = t->resumed,
		.peer_cert = t->peer != NULL,
		.peer_verified = t->verified,
	};
}

const char *tls_end_detail(const struct tls_conn *t)
{
	return t->detail == NULL ? "" : t->detail;
}
