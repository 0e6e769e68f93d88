/* SPDX-License-Identifier: Apache-2.0
 * glob - patterns of KEYS, SCAN and ACLs: * ? [a-z] [^a] and \ before any of these. */
#ifndef LB_L7_RESP_GLOB_H
#define LB_L7_RESP_GLOB_H

#include "dataplane/base/compiler.h"

/* Linear in the text for each star, never exponential. */
bool glob_match(const uint8_t *pat, size_t pat_len, const uint8_t *text, size_t len);
/* Bytes of the pattern that every match begins with; they stand in out (pat_len bytes). */
size_t glob_prefix(const uint8_t *pat, size_t pat_len, uint8_t *out);

#endif
