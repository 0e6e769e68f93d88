/* SPDX-License-Identifier: Apache-2.0
 * coder - gzip, Brotli and Zstandard behind one stream interface.
 * Owner:      one stream at a time; may be used again after coder_reset().
 * Invariants: CO1 what comes out, decoded, is what went in; after CODER_FLUSH all of it so far.
 * Errors:     NULL or CODER_FAILED: no memory.
 * Limits:     windows of 1 MiB at most, so that decoders need not more (RFC 8878 3.1.1.1.2).
 * Cost:       memory of the library when made: 0.3 to 1 MiB; none afterwards. */
#ifndef LB_L7_POLICY_CODER_H
#define LB_L7_POLICY_CODER_H

#include "lb/config/config_files.h"

#include "dataplane/base/compiler.h"

struct coder;

enum coder_op { CODER_GO, CODER_FLUSH, CODER_END };
enum coder_result {
	CODER_DONE, /* the input was taken and, with FLUSH and END, all that is due was put out */
	CODER_FULL, /* give more room for output, and the same operation */
	CODER_FAILED,
};

struct coder *coder_create(enum files_coding coding, uint32_t level);
void coder_destroy(struct coder *c); /* NULL is fine */
/* As new, if the library can; else false, and it must be destroyed. */
bool coder_reset(struct coder *c);

struct coder_io {
	const char *in;
	size_t in_len;
	char *out;
	size_t out_len;
};
/* Moves io on by what was taken and put. */
enum coder_result coder_step(struct coder *c, enum coder_op op, struct coder_io *io) WARN_UNUSED;

#endif
