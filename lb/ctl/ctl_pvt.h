/* SPDX-License-Identifier: Apache-2.0
 * ctl_pvt - what the commands share. */
#ifndef LB_CTL_CTL_PVT_H
#define LB_CTL_CTL_PVT_H

#include "lb/ctl/ctl.h"

/* ask.c: one exchange. CTL_OK and *out (a new reference), or the status to end with; what went
 * wrong has then been said on stderr (and on stdout as JSON with -o json). `in` is stolen; NULL: no
 * body. */
int ctl_ask(struct ctl *c, const char *method, const char *path, json_t *in, json_t **out);
/* The same with a text as body, and the answer's status left to the caller. */
int ctl_ask_text(struct ctl *c, const char *method, const char *path, const char *body, size_t len,
	unsigned *status, json_t **out);
/* Ask, and print as it came: with -o json the whole, else by `print`. */
int ctl_show(struct ctl *c, const char *method, const char *path, json_t *in,
	void (*print)(struct ctl *c, const json_t *body));
/* Says why nothing was answered; the status to end with. */
int ctl_unreachable(const struct ctl *c, int err, const struct admin_got *got);
/* Ask for a change: with --dry-run for what it would do. `in` is stolen. */
int ctl_change(struct ctl *c, const char *path, json_t *in,
	void (*print)(struct ctl *c, const json_t *body));
/* On stderr, why weir refused. */
void ctl_say_error(const json_t *body);
/* What a plan says; cmd_plan.c. */
void ctl_print_plan(struct ctl *c, const json_t *b);
void ctl_print_json(struct ctl *c, const json_t *v);
/* Append "?name=value" or "&name=value", encoded; a NULL value adds nothing. */
void ctl_add_query(char *path, size_t size, const char *name, const char *value);
int ctl_usage(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* table.c */
enum ctl_kind { CTL_TEXT, CTL_NUMBER, CTL_SI, CTL_BYTES, CTL_PERCENT, CTL_STATE };
struct ctl_column {
	const char *key, *title;
	enum ctl_kind kind;
};
/* rows: an array of objects. Columns that no row has are left out. */
void ctl_table(struct ctl *c, const json_t *rows, const struct ctl_column *cols, uint32_t col_cnt);
/* 12.3k, 4.5M; out has 16 bytes. */
const char *ctl_si(double v, char *out);
/* Copies without control characters. */
const char *ctl_clean(const char *text, char *out, size_t size);

enum ctl_color { CTL_PLAIN, CTL_BOLD, CTL_DIM, CTL_RED, CTL_GREEN, CTL_YELLOW, CTL_CYAN };
const char *ctl_color(const struct ctl *c, enum ctl_color color);
enum ctl_color ctl_state_color(const char *state);

/* Commands, by file. */
int cmd_status(struct ctl *c, char **argv, int argc); /* cmd_show.c */
int cmd_vips(struct ctl *c, char **argv, int argc);
int cmd_backends(struct ctl *c, char **argv, int argc);
int cmd_names(struct ctl *c, char **argv, int argc);
int cmd_flows(struct ctl *c, char **argv, int argc);
int cmd_conns(struct ctl *c, char **argv, int argc);
int cmd_drop_reasons(struct ctl *c, char **argv, int argc);
int cmd_health(struct ctl *c, char **argv, int argc);
int cmd_listeners(struct ctl *c, char **argv, int argc);
int cmd_stats(struct ctl *c, char **argv, int argc);
int cmd_overrides(struct ctl *c, char **argv, int argc);
int cmd_store(struct ctl *c, char **argv, int argc);
int cmd_drain(struct ctl *c, char **argv, int argc); /* cmd_change.c */
int cmd_weight(struct ctl *c, char **argv, int argc);
int cmd_enable(struct ctl *c, char **argv, int argc);
int cmd_disable(struct ctl *c, char **argv, int argc);
int cmd_reload(struct ctl *c, char **argv, int argc);
int cmd_cache(struct ctl *c, char **argv, int argc);
int cmd_purge(struct ctl *c, char **argv, int argc);
int cmd_stop(struct ctl *c, char **argv, int argc);
int cmd_log_level(struct ctl *c, char **argv, int argc);
int cmd_plan(struct ctl *c, char **argv, int argc); /* cmd_plan.c */
int cmd_history(struct ctl *c, char **argv, int argc);
int cmd_rollback(struct ctl *c, char **argv, int argc);
int cmd_config(struct ctl *c, char **argv, int argc);
int cmd_capture(struct ctl *c, char **argv, int argc); /* cmd_capture.c */
int cmd_trace(struct ctl *c, char **argv, int argc);
int cmd_explain(struct ctl *c, char **argv, int argc);    /* cmd_explain.c */
int cmd_top(struct ctl *c, char **argv, int argc);        /* cmd_top.c */
int cmd_help(struct ctl *c, char **argv, int argc);       /* ctl.c */
int cmd_manual(struct ctl *c, char **argv, int argc);     /* manual.c */
int cmd_completion(struct ctl *c, char **argv, int argc); /* completion.c */

#endif
