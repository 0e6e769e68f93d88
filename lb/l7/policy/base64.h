/* SPDX-License-Identifier: Apache-2.0
 * base64 - RFC 4648, strictly: no other characters, no stray bits, padding as the variant wants it.
 * Owner: none. */
#ifndef LB_L7_POLICY_BASE64_H
#define LB_L7_POLICY_BASE64_H

#include "lb/l7/http/head.h"

/* Bytes written to out, which has room for cap; -1: it is none, or there is no room. `url`: of the
 * URL alphabet and without padding; otherwise of the usual one and padded. */
int base64_decode(struct span in, bool url, void *out, uint32_t cap);

#endif
