/* SPDX-License-Identifier: Apache-2.0
 * Records that arrive on an open connection. Plaintext of several records is gathered and delivered
 * by one callback; alerts and handshake messages are met in order with it. */
#include <errno.h>
#include <string.h>

#include "dataplane/tls/tls_pvt.h"

#define IDLE_RECORDS 32 /* empty records and key updates in a row before it is an attack */

#define MSG_HELLO_REQUEST  0
#define MSG_CLIENT_HELLO   1
#define MSG_SESSION_TICKET 4
#define MSG_KEY_UPDATE     24

static void deliver(struct tls_conn *t, struct tls_chain *got)
{
	struct rte_mbuf *m = got->head;
	uint32_t len = got->len;

	*got = (struct tls_chain){0};
	if (len == 0) {
		tls_mbufs_free(m);
		return;
	}
	if (t->ops != NULL && t->ops->on_data != NULL) {
		t->ops->on_data(t->e, t->tcp, t->user, m, len);
		return;
	}
	tls_mbufs_free(m);
	(void)tls_consumed(t, len);
}

static void gather(struct tls_conn *t, struct tls_chain *got, struct tls_chain *rec, uint32_t wire)
{
	TLS_CNT(t->w, records_in);
	if (rec->len == 0) {
		tls_chain_free(rec);
		(void)tcp_consumed(t->e, t->tcp, wire);
		if (++t->idle_records > IDLE_RECORDS)
			tls_fail(t, TLS_END_RECORD, ALERT_UNEXPECTED_MESSAGE);
		return;
	}
	t->idle_records = 0;
	t->wire_held += wire;
	t->plain_held += rec->len;
	if (got->head == NULL) {
		*got = *rec;
		return;
	}
	got->tail->next = rec->head;
	got->tail = rec->tail;
	got->len += rec->len;
}

static void take_alert(struct tls_conn *t, const struct tls_chain *rec)
{
	uint8_t a[2];

	if (rec->len != 2) {
		tls_fail(t, TLS_END_RECORD, ALERT_DECODE_ERROR);
		return;
	}
	tls_chain_peek(rec, 2, a);
	t->alert = a[1];
	if (a[1] == ALERT_CLOSE_NOTIFY) {
		t->got_close_notify = true;
		(void)tcp_consumed(t->e, t->tcp, t->in.len);
		tls_chain_free(&t->in);
		tls_tell_eof(t);
	} else if (a[1] == ALERT_USER_CANCELED || (a[0] == 1 && t->version != TLS_V13)) {
		/* A warning; close_notify follows the first (RFC 8446 6.1). */
		if (++t->idle_records > IDLE_RECORDS)
			tls_fail(t, TLS_END_RECORD, ALERT_UNEXPECTED_MESSAGE);
	} else {
		tls_fail(t, TLS_END_ALERT, -1);
	}
}

static void take_key_update(struct tls_conn *t, const uint8_t *msg, uint32_t len)
{
	if (len != 1 || msg[0] > 1) {
		tls_fail(t, TLS_END_PROTOCOL, ALERT_DECODE_ERROR);
		return;
	}
	TLS_CNT(t->w, key_updates);
	if (++t->idle_records > IDLE_RECORDS)
		tls_fail(t, TLS_END_RECORD, ALERT_UNEXPECTED_MESSAGE);
	else if (tls_keys_update(t, &t->rx) != 0)
		tls_fail(t, TLS_END_NO_MEMORY, -1);
	else if (msg[0] == 1 && !t->shut && tls_send_key_update(t) != 0)
		tls_fail(t, TLS_END_NO_MEMORY, -1);
	else
		tls_flush(t, 0);
}

/* RFC 8446 4.6: behind the handshake come tickets and key updates; none spans records here. */
static void take_messages13(struct tls_conn *t, const uint8_t *p, uint32_t len)
{
	while (len > 0 && t->state == TLS_OPEN) {
		uint32_t n =
			len < 4 ? UINT32_MAX : (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];

		if (len < 4 || n > len - 4) {
			tls_fail(t, TLS_END_PROTOCOL, ALERT_UNEXPECTED_MESSAGE);
			return;
		}
		if (p[0] == MSG_KEY_UPDATE && len == n + 4) /* keys change at the record's end */
			take_key_update(t, p + 4, n);
		else if (p[0] != MSG_SESSION_TICKET || t->is_server)
			tls_fail(t, TLS_END_PROTOCOL, ALERT_UNEXPECTED_MESSAGE);
		p += 4 + n;
		len -= 4 + n;
	}
}

static void take_handshake(struct tls_conn *t, const struct tls_chain *rec)
{
	uint8_t *msg = t->w->scratch;
	uint8_t wanted = t->is_server ? MSG_CLIENT_HELLO : MSG_HELLO_REQUEST;

	if (rec->len == 0) {
		tls_fail(t, TLS_END_PROTOCOL, ALERT_UNEXPECTED_MESSAGE);
		return;
	}
	tls_chain_peek(rec, rec->len, msg);
	if (t->version == TLS_V13) {
		take_messages13(t, msg, rec->len);
	} else if (msg[0] == wanted && ++t->idle_records <= IDLE_RECORDS) {
		/* Renegotiation is refused; the connection may go on (RFC 5246 7.2.2). */
		tls_send_alert(t, 1, ALERT_NO_RENEGOTIATION);
		tls_flush(t, 0);
	} else {
		tls_fail(t, TLS_END_PROTOCOL, ALERT_UNEXPECTED_MESSAGE);
	}
}

/* ---- records ---- */

/* The size of the first record in `in`; 0: not all of it is there, or the connection failed. */
static uint32_t whole_record(struct tls_conn *t)
{
	uint8_t hdr[RECORD_HDR];
	uint32_t len;

	if (t->in.len < RECORD_HDR)
		return 0;
	tls_chain_peek(&t->in, RECORD_HDR, hdr);
	len = (uint32_t)hdr[3] << 8 | hdr[4];
	if (hdr[1] != 3 || hdr[0] < RECORD_ALERT || hdr[0] > RECORD_DATA ||
		(t->version == TLS_V13 && hdr[0] != RECORD_DATA)) {
		tls_fail(t, TLS_END_RECORD, ALERT_UNEXPECTED_MESSAGE);
		return 0;
	}
	if (len > RECORD_CIPHER) {
		tls_fail(t, TLS_END_RECORD, ALERT_RECORD_OVERFLOW);
		return 0;
	}
	return t->in.len >= RECORD_HDR + len ? RECORD_HDR + len : 0;
}

static bool open_record(struct tls_conn *t, struct tls_chain *rec, uint8_t *type)
{
	switch (tls_record_open(t, rec, type)) {
	case 0:
		return true;
	case -EMSGSIZE:
		tls_fail(t, TLS_END_RECORD, ALERT_RECORD_OVERFLOW);
		break;
	case -EPROTO:
		tls_fail(t, TLS_END_RECORD, ALERT_UNEXPECTED_MESSAGE);
		break;
	default:
		tls_fail(t, TLS_END_RECORD, ALERT_BAD_RECORD_MAC);
	}
	tls_chain_free(rec);
	return false;
}

/* One record; what is not data is met when all data before it was delivered. */
static void take_record(struct tls_conn *t, uint32_t wire, struct tls_chain *got)
{
	struct tls_chain rec;
	uint8_t type;

	if (tls_chain_split(&t->in, wire, &rec, t->w->conf.pool) != 0) {
		TLS_CNT(t->w, no_mbuf);
		tls_fail(t, TLS_END_NO_MEMORY, -1);
		return;
	}
	if (!open_record(t, &rec, &type))
		return;
	if (type == RECORD_DATA) {
		gather(t, got, &rec, wire);
		return;
	}
	deliver(t, got);
	if (t->state == TLS_OPEN) {
		(void)tcp_consumed(t->e, t->tcp, wire);
		if (type == RECORD_ALERT)
			take_alert(t, &rec);
		else if (type == RECORD_HANDSHAKE)
			take_handshake(t, &rec);
		else
			tls_fail(t, TLS_END_RECORD, ALERT_UNEXPECTED_MESSAGE);
	}
	tls_chain_free(&rec);
}

void tls_input(struct tls_conn *t)
{
	struct tls_chain got = {0};
	uint32_t wire;

	while (t->state == TLS_OPEN && !t->got_close_notify && (wire = whole_record(t)) > 0) {
		if (t->ssl != NULL && tls_give_ticket(t, wire))
			continue;
		take_record(t, wire, &got);
	}
	if (t->state == TLS_OPEN)
		deliver(t, &got);
	else
		tls_chain_free(&got);
}
