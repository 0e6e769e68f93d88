/* SPDX-License-Identifier: Apache-2.0
 * tcp_pvt - the layout that the files of this folder share.
 * Invariants (tcp_check() tests them; CI tests call it after every step):
 *   TC1 snd_una <= snd_nxt <= snd_end; the pieces tile [snd_una, snd_end) without gap or overlap.
 *   TC2 tx_unsent is the first piece with seq >= snd_nxt; pieces before it were sent.
 *   TC3 sacked, lost and sacked_cnt equal the sums over sent pieces; no piece is both.
 *   TC4 the time list holds exactly the sent pieces that are neither SACKED nor LOST, oldest
 *       transmission first.
 *   TC5 out-of-order runs are sorted, apart from each other, and right of rcv_nxt.
 *   TC6 rcv_adv never moves left; rcv_nxt <= rcv_adv + one scale unit.
 *   TC7 a connection is in the table unless CLOSED; data outstanding implies a running rtx timer.
 * Sequence numbers compare modulo 2^32 by the sign of their difference (RFC 9293 3.4). */
#ifndef DATAPLANE_TCP_TCP_PVT_H
#define DATAPLANE_TCP_TCP_PVT_H

#include <rte_mbuf.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/hash.h"
#include "dataplane/base/limits.h"
#include "dataplane/base/pool.h"
#include "dataplane/base/reason.h"
#include "dataplane/base/time.h"
#include "dataplane/base/wheel.h"
#include "dataplane/net/pkt.h"
#include "dataplane/tcp/hdr.h"
#include "dataplane/tcp/table.h"
#include "dataplane/tcp/tcp.h"

#define TCP_INIT_RTO_MS   1000u /* RFC 6298 2.1 */
#define TCP_IW_SEGS       10    /* RFC 6928 */
#define TCP_DUP_THRESH    3
#define TCP_MAX_CWND      (1u << 30)
#define TCP_MAX_WSCALE    14
#define TCP_MIN_MSS       64 /* smaller offers would make us send headers only */
#define TCP_MAX_ACK_DELAY 50 /* ms; RFC 8985 TLP.max_ack_delay */
#define TCP_CORK_MS       200
#define TCP_TSO_MIN_MSS   256 /* some NICs cut no smaller ones */
#define TCP_SLOW_UNIT_MS  256

ALWAYS_INLINE bool seq_lt(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

ALWAYS_INLINE bool seq_le(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) <= 0;
}

ALWAYS_INLINE bool seq_gt(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

ALWAYS_INLINE bool seq_ge(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) >= 0;
}

ALWAYS_INLINE uint32_t seq_max(uint32_t a, uint32_t b)
{
	return seq_gt(a, b) ? a : b;
}

ALWAYS_INLINE uint32_t seq_min(uint32_t a, uint32_t b)
{
	return seq_lt(a, b) ? a : b;
}

ALWAYS_INLINE uint32_t u32_min(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

ALWAYS_INLINE uint32_t u32_max(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* A piece of the send queue: a slice of one payload mbuf, the unit of the scoreboard. */
enum seg_flag {
	SEG_SACKED = 1 << 0,
	SEG_LOST = 1 << 1,  /* presumed lost and not yet sent again */
	SEG_RTX = 1 << 2,   /* was sent more than once (Karn) */
	SEG_FIN = 1 << 3,   /* no payload; takes one sequence number */
	SEG_HEAD = 1 << 4,  /* first piece of its last frame: counts as a segment */
	SEG_PUSH = 1 << 5,  /* end of what one tcp_send gave */
	SEG_PROBE = 1 << 6, /* last sent as a loss probe */
	SEG_TIMED = 1 << 7, /* on the time list */
};

struct tcp_seg {
	struct rte_mbuf *m; /* one reference of ours; NULL for FIN */
	uint64_t xmit_ns;   /* last transmission */
	uint32_t seq;
	uint32_t next;             /* queue order */
	uint32_t ts_next, ts_prev; /* time list; a SACKED piece holds its skip link in ts_next */
	uint16_t off, len;         /* slice of m's data */
	uint8_t flags, ntx;
	uint16_t pad;
};

/* A run of bytes received out of order; shares the pool of pieces. */
struct tcp_run {
	struct rte_mbuf *head, *tail;
	uint32_t seq, end; /* [seq, end) in sequence space, FIN not counted */
	uint32_t next;
	uint32_t stamp; /* larger: touched later; the order of SACK blocks (RFC 2018) */
	uint32_t truesize;
	bool fin; /* FIN follows at `end` */
};

_Static_assert(sizeof(struct tcp_seg) == 40 && sizeof(struct tcp_run) <= 40, "one pool");

enum conn_flag {
	CF_SACK = 1 << 0,
	CF_TS = 1 << 1,
	CF_ECN = 1 << 2,
	CF_DIRTY = 1 << 3,
	CF_ACK_NOW = 1 << 4,
	CF_ACK_LATER = 1 << 5, /* something to acknowledge */
	CF_DELACK = 1 << 6,    /* delack_ms runs */
	CF_FIN_QUEUED = 1 << 7,
	CF_FIN_RCVD = 1 << 8,
	CF_ORPHAN = 1 << 9, /* the application closed */
	CF_NAGLE = 1 << 10,
	CF_MORE = 1 << 11,    /* last send said more follows */
	CF_ECE_OUT = 1 << 12, /* echo congestion until CWR comes */
	CF_CWR_OUT = 1 << 13, /* set CWR on the next new data */
	CF_WANT_WRITE = 1 << 14,
	CF_DSACK = 1 << 15,     /* dsack_start, dsack_end wait for the next ACK */
	CF_SYN_DUE = 1 << 16,   /* (re)send SYN or SYN-ACK */
	CF_RECOVERY = 1 << 17,  /* fast recovery until snd_una >= recover */
	CF_LOSS = 1 << 18,      /* after a timeout until snd_una >= recover */
	CF_REORDER = 1 << 19,   /* RACK.reordering_seen */
	CF_TLP_OUT = 1 << 20,   /* tlp_end is valid */
	CF_TLP_RTX = 1 << 21,   /* TLP.is_retrans */
	CF_RTT_FRESH = 1 << 22, /* RTT sample since the last probe */
	CF_DSACK_ROUND = 1 << 23,
	CF_SLOW = 1 << 24, /* slow_ms runs */
	CF_PASSIVE = 1 << 25,
	CF_CWND_LIMITED = 1 << 26, /* the window was used up since the last ACK */
	CF_ECN_ROUND = 1 << 27,    /* recover was set by an echo of congestion, not by a loss */
	CF_WUPDATE = 1 << 28,      /* consumed since the last ACK: window may be worth an update */
	CF_CSUM_OFF = 1 << 29,     /* route: checksum offload */
	CF_SINGLE = 1 << 30,       /* route: one mbuf a frame */
};

#define CF_FIN_PIECE (1u << 31) /* FIN has its place in the queue */

enum conn_event {
	EV_ACCEPT = 1 << 0,
	EV_CONNECT = 1 << 1,
	EV_EOF = 1 << 2,
	EV_WRITABLE = 1 << 3,
	EV_CLOSED = 1 << 4,
};

enum rtx_kind { RTX_NONE, RTX_RTO, RTX_TLP, RTX_REO, RTX_PERSIST, RTX_SYN };

#define CONN_SIZE 384

struct tcp_conn {
	/* Line 0: who, and what every segment reads. */
	struct tcp_tuple t; /* own: next on the dirty list */
	uint32_t flags;
	uint8_t state, rcv_wscale, snd_wscale, cc;
	uint32_t rcv_nxt, rcv_adv; /* next byte; advertised right edge */
	uint32_t ts_recent, last_ack;

	/* Line 1: sending. */
	uint32_t snd_una, snd_nxt, snd_end, snd_wnd;
	uint32_t snd_wl1, snd_max_wnd;
	uint32_t tx_head, tx_unsent, tx_tail; /* pieces */
	uint32_t cwnd, ssthresh;
	uint32_t undo_ssthresh; /* 0: the last reduction stands (undo.c) */
	uint16_t mss, rcv_mss;  /* payload of a full segment, out and in */
	uint32_t ts_off;
	uint32_t ts_head, ts_tail;

	/* Line 2: receiving, timers. */
	struct rte_mbuf *rx_head, *rx_tail; /* in order, not yet delivered */
	uint32_t rx_len;                    /* bytes of it */
	uint32_t rx_unread;                 /* delivered or not, not consumed */
	uint32_t rx_true;                   /* memory behind it and the out-of-order runs */
	uint32_t ooo_head;
	uint8_t ooo_cnt, dupacks_out, events, rtx_kind;
	uint32_t rtx_ms, delack_ms, slow_ms; /* deadlines on the engine's ms clock */
	struct wheel_timer timer;            /* at or before the earliest of them */

	/* Line 3: round trips, losses. */
	uint32_t srtt_us, rttvar_us; /* times 8, times 4 */
	uint32_t rto_ms;
	uint32_t sacked, lost; /* bytes */
	uint16_t sacked_cnt, tx_cnt;
	uint32_t recover;
	uint32_t prr_delivered, prr_out, recover_fs;
	uint64_t rack_xmit_ns;
	uint32_t rack_end, rack_fack;
	union {
		uint32_t rack_rtt_us; /* with SACK */
		uint32_t dup_unit;    /* without: bytes that one duplicate ACK stands for */
	};
	uint32_t min_rtt_us, min_rtt_ms;
	uint32_t dsack_round;

	/* Line 4: congestion control, path, the application. */
	union {
		uint32_t tlp_end; /* with CF_TLP_OUT */
		uint32_t undo_ms; /* in a recovery: when it began; 0: its first ACK was seen */
	};
	uint32_t w_max, epoch_ms;
	union {
		uint32_t k_ms;       /* with epoch_ms */
		uint32_t undo_w_max; /* without */
	};
	union {
		uint32_t w_est;      /* with epoch_ms */
		uint32_t undo_bytes; /* without: sent again and not reported as duplicate */
	};
	uint8_t reo_mult, reo_persist, dupacks, backoff;
	uint8_t tries, ka_probes, end, tso_segs;
	uint16_t mtu, peer_mss;
	uint16_t tso_bytes, listener;
	uint32_t retrans;
	const struct tcp_ops *ops;
	void *user;
	uint32_t gen;
	uint32_t splice_to, splice_from; /* POOL_NONE: none */

	/* Line 5: rare. */
	uint32_t rcvbuf, sndbuf;
	uint16_t keepalive, user_timeout; /* units of TCP_SLOW_UNIT_MS */
	uint32_t last_rx_ms, stall_ms;    /* last segment; since when nothing was acknowledged */
	uint32_t dsack_start, dsack_end;
	uint64_t bytes_in, bytes_acked;
};

_Static_assert(sizeof(struct tcp_conn) <= CONN_SIZE, "an idle connection stays below 400 bytes");
_Static_assert(offsetof(struct tcp_conn, snd_una) == 64, "line 1");

/* Half-open passive connection. */
struct tcp_syn {
	struct tcp_tuple t; /* own: IRS */
	uint32_t iss, ts_recent, ts_off;
	uint32_t sent_ms; /* last SYN-ACK */
	uint32_t next, prev;
	uint16_t mss, listener;
	uint8_t wscale, tries;
	uint8_t opts; /* enum syn_opt */
	uint8_t pad;
};

enum syn_opt { SYN_OPT_TS = 1, SYN_OPT_SACK = 2, SYN_OPT_WSCALE = 4, SYN_OPT_ECN = 8 };

_Static_assert(sizeof(struct tcp_syn) <= 80, "SYN_RCVD record");

struct tcp_tw {
	struct tcp_tuple t; /* own: SND.NXT */
	uint32_t rcv_nxt;
	uint32_t ts_recent, ts_off;
	uint32_t expiry_ms; /* bit 0: timestamps are in use */
	uint32_t next, prev;
};

_Static_assert(sizeof(struct tcp_tw) == 64, "TIME_WAIT record");

struct tcp_listener {
	struct ip_addr addr;
	const struct tcp_ops *ops;
	void *arg;
	uint16_t port;
	bool used;
	uint32_t cookie_ms; /* last cookie sent */
	bool cookies;       /* cookie_ms is valid */
	int32_t next;       /* chain of its port's bucket */
};

/* Index-linked FIFO of records in a pool. */
struct tcp_fifo {
	uint32_t head, tail;
};

#define TCP_SYN_LEVELS  8
#define TCP_PORT_CHAINS 256
#define TCP_OUT_BURST   64

struct tcp_engine {
	struct tcp_config cfg;
	uint64_t now_ns;
	uint64_t now_ms64;
	uint32_t now_ms;
	uint32_t dirty_head, dirty_tail;
	uint8_t pressure;
	bool in_flush;
	uint16_t out_n;
	uint32_t stamp; /* of out-of-order runs */
	uint32_t seg_reserve;
	uint32_t copybreak; /* payload bytes a header mbuf takes */
	struct tcp_table table;
	struct pool conns, syns, tws, segs;
	struct wheel wheel;
	struct tcp_counters cnt;

	struct tcp_fifo tw_fifo;
	struct tcp_fifo syn_fifo[TCP_SYN_LEVELS]; /* by tries: equal waits are in order */
	struct tcp_listener *listeners;
	int32_t port_chain[TCP_PORT_CHAINS];

	struct siphash_key isn_key, cookie_key, port_key;
	uint32_t challenge_sec, challenge_left;
	uint32_t port_next, port_step;
	uint32_t pressure_ms;
	struct rte_mbuf *out[TCP_OUT_BURST];
};

#define CNT(e, name)        ((e)->cnt.name++)
#define CNT_ADD(e, name, n) ((e)->cnt.name += (n))

ALWAYS_INLINE struct tcp_conn *conn_at(const struct tcp_engine *e, uint32_t idx)
{
	return pool_at(&e->conns, idx);
}

ALWAYS_INLINE struct tcp_seg *seg_at(const struct tcp_engine *e, uint32_t idx)
{
	return pool_at(&e->segs, idx);
}

ALWAYS_INLINE struct tcp_run *run_at(const struct tcp_engine *e, uint32_t idx)
{
	return pool_at(&e->segs, idx);
}

ALWAYS_INLINE uint32_t conn_idx(const struct tcp_engine *e, const struct tcp_conn *c)
{
	return (uint32_t)(((const uint8_t *)c - e->conns.mem) / CONN_SIZE);
}

ALWAYS_INLINE uint64_t conn_handle(const struct tcp_engine *e, const struct tcp_conn *c)
{
	return (uint64_t)c->gen << 32 | conn_idx(e, c);
}

ALWAYS_INLINE uint32_t seg_seqlen(const struct tcp_seg *s)
{
	return s->len + (s->flags & SEG_FIN ? 1u : 0u);
}

ALWAYS_INLINE uint32_t seg_end(const struct tcp_seg *s)
{
	return s->seq + seg_seqlen(s);
}

/* Bytes believed to be in the network (RFC 6675 pipe; a lost piece that was sent again counts
 * once). Without SACK each duplicate ACK stands for one segment that left it. */
ALWAYS_INLINE uint32_t conn_pipe(const struct tcp_conn *c)
{
	uint32_t out = c->snd_nxt - c->snd_una - c->sacked - c->lost;

	if (!(c->flags & CF_SACK) && c->dupacks != 0) {
		uint32_t left = (uint32_t)c->dupacks * c->dup_unit;

		out = out > left ? out - left : 0;
	}
	return out;
}

ALWAYS_INLINE uint32_t ip_hdr_len(const struct tcp_conn *c)
{
	return ip_addr_is4(&c->t.raddr) ? 20 : 40;
}

/* Long times in 16 bits: rounded up, at most four and a half hours. */
ALWAYS_INLINE uint16_t slow_units(uint32_t ms)
{
	return (uint16_t)u32_min(ms / TCP_SLOW_UNIT_MS + (ms % TCP_SLOW_UNIT_MS != 0), UINT16_MAX);
}

ALWAYS_INLINE bool ms_due(uint32_t now_ms, uint32_t deadline)
{
	return (int32_t)(now_ms - deadline) >= 0;
}

/* engine.c */
void engine_set_now(struct tcp_engine *e, uint64_t now_ns);
void conn_dirty(struct tcp_engine *e, struct tcp_conn *c);
void engine_end(struct tcp_engine *e, enum reason r);
struct tcp_conn *conn_get(const struct tcp_engine *e, uint64_t handle);
uint64_t tuple_isn(const struct tcp_engine *e, const struct tcp_tuple *t);
uint32_t isn_of(const struct tcp_engine *e, uint64_t h);
bool challenge_allowed(struct tcp_engine *e);

/* conn.c */
struct tcp_conn *conn_new(struct tcp_engine *e, const struct tcp_tuple *t, uint64_t hash);
bool conn_set_route(struct tcp_engine *e, struct tcp_conn *c, struct ip_addr *src);
void conn_set_mss(struct tcp_conn *c);
void conn_init_window(struct tcp_engine *e, struct tcp_conn *c);
void conn_free(struct tcp_engine *e, struct tcp_conn *c);
/* Undo conn_new() before anything else happened. */
void conn_free_unannounced(struct tcp_engine *e, struct tcp_conn *c);
/* The connection is over: out of the table, queues and timers dropped. The application hears `end`
 * at the next flush; an orphan is freed there. */
void conn_end(struct tcp_engine *e, struct tcp_conn *c, enum tcp_end end);
void conn_to_time_wait(struct tcp_engine *e, struct tcp_conn *c);
uint8_t wscale_for(const struct tcp_engine *e, uint32_t rcvbuf);
void conn_splice_done(struct tcp_engine *e, struct tcp_conn *c, uint32_t acked);
bool conn_splice_move(struct tcp_engine *e, struct tcp_conn *from);
void conn_splice_break(struct tcp_engine *e, struct tcp_conn *c);

/* queue.c: the send queue and the time list */
struct tcp_seg *seg_new(struct tcp_engine *e, uint32_t *idx);
void seg_free(struct tcp_engine *e, uint32_t idx);
int queue_push(struct tcp_engine *e, struct tcp_conn *c, struct rte_mbuf *m, uint8_t flags);
int queue_push_fin(struct tcp_engine *e, struct tcp_conn *c);
bool queue_split(struct tcp_engine *e, struct tcp_conn *c, uint32_t idx, uint32_t at);
void queue_drop(struct tcp_engine *e, struct tcp_conn *c);
void time_append(struct tcp_engine *e, struct tcp_conn *c, uint32_t idx);
void time_remove(struct tcp_engine *e, struct tcp_conn *c, uint32_t idx);
void seg_mark_found(struct tcp_engine *e, struct tcp_conn *c, uint32_t idx, uint32_t *hint);
void seg_mark_lost(struct tcp_engine *e, struct tcp_conn *c, uint32_t idx);

/* listen.c */
void listen_syn(struct tcp_engine *e, const struct tcp_tuple *t, uint64_t hash,
	const struct tcp_in *h, const struct pkt_meta *meta, uint32_t iss_above, bool have_iss);
struct tcp_conn *listen_ack(
	struct tcp_engine *e, uint32_t syn_idx, uint64_t hash, struct tcp_in *h);
struct tcp_conn *cookie_ack(struct tcp_engine *e, const struct tcp_tuple *t, uint64_t hash,
	struct tcp_in *h, bool *quiet);
int listener_find(const struct tcp_engine *e, const struct ip_addr *addr, uint16_t port);
void syn_timers(struct tcp_engine *e);
void syn_free(struct tcp_engine *e, uint32_t idx);

/* timewait.c */
bool tw_add(struct tcp_engine *e, const struct tcp_conn *c);
void tw_free(struct tcp_engine *e, uint32_t idx);
/* false: the segment is a SYN that may open a new connection; *iss_above is then the lower bound */
bool tw_input(struct tcp_engine *e, uint32_t idx, const struct tcp_in *h, uint32_t *iss_above);
bool tw_reusable(const struct tcp_engine *e, uint32_t idx);
void tw_timers(struct tcp_engine *e);

/* input.c */
void conn_input(struct tcp_engine *e, struct tcp_conn *c, struct tcp_in *h, struct rte_mbuf *m);

/* ack.c */
bool ack_process(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_in *h);
void enter_recovery(struct tcp_engine *e, struct tcp_conn *c, uint32_t acked);
void rtt_sample(struct tcp_engine *e, struct tcp_conn *c, uint32_t rtt_us);

/* rack.c */
struct rack_ack {
	uint64_t newest_ns;
	uint32_t newest_rtt_us; /* of the piece sent last among those delivered; 0: none */
	bool dsack;
	bool reordered;
};
void rack_delivered(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_seg *s,
	const struct tcp_in *h, struct rack_ack *ra);
void rack_reo_wnd_round(struct tcp_conn *c, bool dsack, bool exited);
/* Marks pieces lost; returns ms until the reordering timer, 0 for none. */
uint32_t rack_detect(struct tcp_engine *e, struct tcp_conn *c);
bool rack_stale(const struct tcp_engine *e, const struct tcp_conn *c, const struct tcp_seg *s);
bool tlp_schedule(struct tcp_engine *e, struct tcp_conn *c);
void tlp_fire(struct tcp_engine *e, struct tcp_conn *c);
void tlp_ack(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_in *h, uint32_t acked,
	bool dsack, bool dup);

/* undo.c */
void undo_arm(struct tcp_engine *e, struct tcp_conn *c);
void undo_forget(struct tcp_conn *c);
void undo_sent_again(struct tcp_conn *c, uint32_t bytes);
/* An ACK in a recovery, or one with a D-SACK. Returns whether the reduction was taken back. */
bool undo_on_ack(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_in *h, uint32_t acked,
	bool dsack);

/* cc.c */
void cc_on_ack(struct tcp_engine *e, struct tcp_conn *c, uint32_t acked);
/* Set ssthresh (and CUBIC's memory) for a congestion event. `acked` bytes were in flight until the
 * ACK that told of it. */
void cc_on_congestion(struct tcp_engine *e, struct tcp_conn *c, uint32_t acked);
void cc_after_idle(struct tcp_engine *e, struct tcp_conn *c);

/* recv.c */
void recv_data(struct tcp_engine *e, struct tcp_conn *c, struct tcp_in *h, struct rte_mbuf *m);
uint32_t recv_window(struct tcp_engine *e, struct tcp_conn *c);
bool recv_update_due(struct tcp_engine *e, const struct tcp_conn *c);
uint32_t recv_sack_blocks(
	struct tcp_engine *e, struct tcp_conn *c, uint32_t max, uint32_t blocks[][2]);
void recv_prune(struct tcp_engine *e, struct tcp_conn *c);
void recv_drop_all(struct tcp_engine *e, struct tcp_conn *c);

/* output.c */
void conn_output(struct tcp_engine *e, struct tcp_conn *c);
bool frame_send(struct tcp_engine *e, struct tcp_conn *c, uint32_t first, uint32_t max_bytes);
bool output_probe(struct tcp_engine *e, struct tcp_conn *c, bool *new_data);

/* emit.c */
struct tcp_out {
	struct tcp_tuple t;
	uint32_t seq, ack;
	uint16_t wnd;
	uint8_t flags;
	bool csum_off, ect;
	const uint8_t *opts;
	uint32_t opts_len;  /* a multiple of 4 */
	uint16_t tso_segsz; /* 0: not a TSO frame */
};
struct rte_mbuf *emit_header(struct tcp_engine *e);
struct rte_mbuf *emit_conn_header(struct tcp_engine *e, const struct tcp_conn *c);
void emit_frame(
	struct tcp_engine *e, struct rte_mbuf *hdr, uint32_t payload, const struct tcp_out *o);
void emit_flush(struct tcp_engine *e);
void emit_ack(struct tcp_engine *e, struct tcp_conn *c, uint32_t seq);
void emit_syn(struct tcp_engine *e, struct tcp_conn *c);
void emit_rst(struct tcp_engine *e, struct tcp_conn *c);
/* RFC 9293 3.10.7.1: the reset that answers a segment without a connection. */
void emit_rst_for(struct tcp_engine *e, const struct tcp_tuple *t, const struct tcp_in *h);
void emit_challenge(struct tcp_engine *e, struct tcp_conn *c, bool has_data);

/* timer.c */
void timer_set_rtx(struct tcp_engine *e, struct tcp_conn *c, enum rtx_kind kind, uint32_t in_ms);
void timer_stop_rtx(struct tcp_conn *c);
void timer_set_delack(struct tcp_engine *e, struct tcp_conn *c);
void timer_set_slow(struct tcp_engine *e, struct tcp_conn *c, uint32_t in_ms);
void timer_arm_rto(struct tcp_engine *e, struct tcp_conn *c);
void conn_timer(struct tcp_engine *e, struct tcp_conn *c);

/* connect.c */
int port_choose(struct tcp_engine *e, struct tcp_tuple *t, uint64_t *hash);
uint32_t port_stride(uint32_t n);

/* check.c: aborts on a broken invariant. */
void tcp_check(const struct tcp_engine *e);

#endif
