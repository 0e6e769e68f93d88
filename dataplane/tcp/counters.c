/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/tcp/counters.h"

const struct tcp_counter_row tcp_counter_rows[] = {
#define C(name, text) {#name, text, offsetof(struct tcp_counters, name)},
	TCP_COUNTERS(C)
#undef C
};

const unsigned tcp_counter_cnt = ARRAY_SIZE(tcp_counter_rows);
