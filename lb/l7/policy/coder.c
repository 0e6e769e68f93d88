/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/l7/policy/coder.h"

#include <stdlib.h>

#include <brotli/encode.h>
#include <zlib.h>
#include <zstd.h>

#define GZIP_WINDOW (15 + 16) /* the most, with a gzip wrapper */
#define GZIP_MEM    8
#define BR_WINDOW   19 /* bits */
#define ZSTD_WINDOW 20

struct coder {
	enum files_coding coding;
	z_stream z;
	BrotliEncoderState *br;
	ZSTD_CCtx *zstd;
};

static bool make_gzip(struct coder *c, uint32_t level)
{
	return deflateInit2(&c->z, (int)level, Z_DEFLATED, GZIP_WINDOW, GZIP_MEM,
		       Z_DEFAULT_STRATEGY) == Z_OK;
}

static bool make_br(struct coder *c, uint32_t level)
{
	c->br = BrotliEncoderCreateInstance(NULL, NULL, NULL);
	return c->br != NULL && BrotliEncoderSetParameter(c->br, BROTLI_PARAM_QUALITY, level) &&
	       BrotliEncoderSetParameter(c->br, BROTLI_PARAM_LGWIN, BR_WINDOW);
}

static bool make_zstd(struct coder *c, uint32_t level)
{
	c->zstd = ZSTD_createCCtx();
	return c->zstd != NULL &&
	       !ZSTD_isError(
		       ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_compressionLevel, (int)level)) &&
	       !ZSTD_isError(ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_windowLog, ZSTD_WINDOW));
}

struct coder *coder_create(enum files_coding coding, uint32_t level)
{
	struct coder *c = calloc(1, sizeof(*c));
	bool ok = false;

	if (c == NULL)
		return NULL;
	c->coding = coding;
	switch (coding) {
	case FILES_GZIP:
		ok = make_gzip(c, level);
		break;
	case FILES_BR:
		ok = make_br(c, level);
		break;
	case FILES_ZSTD:
		ok = make_zstd(c, level);
		break;
	default:
		break;
	}
	if (ok)
		return c;
	if (coding != FILES_GZIP) /* deflateInit2 that failed has nothing to end */
		coder_destroy(c);
	else
		free(c);
	return NULL;
}

void coder_destroy(struct coder *c)
{
	if (c == NULL)
		return;
	if (c->coding == FILES_GZIP)
		(void)deflateEnd(&c->z);
	if (c->br != NULL)
		BrotliEncoderDestroyInstance(c->br);
	ZSTD_freeCCtx(c->zstd);
	free(c);
}

bool coder_reset(struct coder *c)
{
	if (c->coding == FILES_GZIP)
		return deflateReset(&c->z) == Z_OK;
	if (c->coding == FILES_ZSTD)
		return !ZSTD_isError(ZSTD_CCtx_reset(c->zstd, ZSTD_reset_session_only));
	return false;
}

static enum coder_result step_gzip(struct coder *c, enum coder_op op, struct coder_io *io)
{
	static const int flush[] = {
		[CODER_GO] = Z_NO_FLUSH, [CODER_FLUSH] = Z_SYNC_FLUSH, [CODER_END] = Z_FINISH};
	int rc;

	c->z.next_in = (Bytef *)(uintptr_t)io->in;
	c->z.avail_in = (uInt)io->in_len;
	c->z.next_out = (Bytef *)io->out;
	c->z.avail_out = (uInt)io->out_len;
	rc = deflate(&c->z, flush[op]);
	io->in += io->in_len - c->z.avail_in;
	io->in_len = c->z.avail_in;
	io->out += io->out_len - c->z.avail_out;
	io->out_len = c->z.avail_out;
	if (rc == Z_STREAM_END)
		return CODER_DONE;
	/* Nothing to do is no mistake: all was flushed with the call before. */
	if (rc != Z_OK && rc != Z_BUF_ERROR)
		return CODER_FAILED;
	if (io->out_len == 0 || op == CODER_END)
		return CODER_FULL;
	return CODER_DONE;
}

static enum coder_result step_br(struct coder *c, enum coder_op op, struct coder_io *io)
{
	static const BrotliEncoderOperation ops[] = {[CODER_GO] = BROTLI_OPERATION_PROCESS,
		[CODER_FLUSH] = BROTLI_OPERATION_FLUSH,
		[CODER_END] = BROTLI_OPERATION_FINISH};
	const uint8_t *in = (const uint8_t *)io->in;
	uint8_t *out = (uint8_t *)io->out;

	if (!BrotliEncoderCompressStream(
		    c->br, ops[op], &io->in_len, &in, &io->out_len, &out, NULL))
		return CODER_FAILED;
	io->in = (const char *)in;
	io->out = (char *)out;
	if (op == CODER_END)
		return BrotliEncoderIsFinished(c->br) ? CODER_DONE : CODER_FULL;
	return io->in_len > 0 || BrotliEncoderHasMoreOutput(c->br) ? CODER_FULL : CODER_DONE;
}

static enum coder_result step_zstd(struct coder *c, enum coder_op op, struct coder_io *io)
{
	static const ZSTD_EndDirective ops[] = {[CODER_GO] = ZSTD_e_continue,
		[CODER_FLUSH] = ZSTD_e_flush,
		[CODER_END] = ZSTD_e_end};
	ZSTD_inBuffer in = {io->in, io->in_len, 0};
	ZSTD_outBuffer out = {io->out, io->out_len, 0};
	size_t left = ZSTD_compressStream2(c->zstd, &out, &in, ops[op]);

	if (ZSTD_isError(left))
		return CODER_FAILED;
	io->in += in.pos;
	io->in_len -= in.pos;
	io->out += out.pos;
	io->out_len -= out.pos;
	if (op == CODER_GO)
		return io->in_len > 0 ? CODER_FULL : CODER_DONE;
	return left > 0 || io->in_len > 0 ? CODER_FULL : CODER_DONE;
}

enum coder_result coder_step(struct coder *c, enum coder_op op, struct coder_io *io)
{
	switch (c->coding) {
	case FILES_GZIP:
		return step_gzip(c, op, io);
	case FILES_BR:
		return step_br(c, op, io);
	default:
		return step_zstd(c, op, io);
	}
}
