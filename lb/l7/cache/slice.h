/* SPDX-License-Identifier: Apache-2.0
 * slice - which part of a representation is asked for, and which extents of it an answer holds (RFC
 * 9110 14; RFC 9111 3.3, 3.4). A representation is cut into extents, the units that are stored and
 * evicted, and into slices of some extents, the units that are fetched.
 * Owner: nobody; pure functions.
 * Invariants: SL1 a slice begins and ends where extents do, or at the representation's end.
 *             SL2 of an answer only extents that it holds whole are kept.
 * Units:      bytes; extent and slice are powers of two, slice >= extent. */
#ifndef LB_L7_CACHE_SLICE_H
#define LB_L7_CACHE_SLICE_H

#include "lb/l7/http/cond.h"

#define SLICE_MIN 65536
#define SLICE_MAX (UINT32_C(16) << 20)

/* At most size, at least an extent: the slice that a route's size stands for. */
uint32_t slice_size(uint64_t size, uint32_t extent);

#define SLICE_TEXT_MAX 64
/* The value of a Range field that fetches the beginning of what req asks for, of a representation
 * that nobody knows yet. Returns its length, or 0: req asks for no range that counts. */
uint32_t slice_ask(
	const struct http_head *req, uint32_t slice, uint32_t extent, char out[SLICE_TEXT_MAX]);

/* Where the slice ends that `at` lies in, the last byte. at < total. */
uint64_t slice_last(uint64_t at, uint32_t slice, uint64_t total);

/* The extents that `got` holds whole, as bytes. False: none. got.last < total. */
bool slice_whole(
	const struct http_range *got, uint64_t total, uint32_t extent, struct http_range *whole);
/* Length of the extent that begins at `at` < total. */
uint32_t slice_extent_len(uint64_t at, uint64_t total, uint32_t extent);

/* A 206 with one part: its range and the length of the whole. False: it is none, it does not say
 * how long the whole is, or the length of its content is another. */
bool slice_answer(const struct http_head *resp, struct http_range *r, uint64_t *total);

#endif
