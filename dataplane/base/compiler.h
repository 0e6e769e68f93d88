/* SPDX-License-Identifier: Apache-2.0
 * compiler - the few compiler idioms that every module uses.
 * Owner: none, macros only.  Cost: none at run time. */
#ifndef DATAPLANE_BASE_COMPILER_H
#define DATAPLANE_BASE_COMPILER_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CACHE_LINE 64

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define ALWAYS_INLINE      static inline __attribute__((always_inline))
#define COLD               __attribute__((cold, noinline))
#define CACHE_ALIGNED      __attribute__((aligned(CACHE_LINE)))
#define WARN_UNUSED        __attribute__((warn_unused_result))
#define UNUSED             __attribute__((unused))
#define PRINTF_LIKE(f, a)  __attribute__((format(printf, f, a)))
#define ARRAY_SIZE(a)      (sizeof(a) / sizeof((a)[0]))
#define ROUND_UP(x, align) (((x) + (align)-1) / (align) * (align))

#ifndef container_of /* rte_common.h has its own, if it came first */
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#endif

/* Load or store a value at any alignment; the compiler turns each into one move. */
ALWAYS_INLINE uint16_t load16(const void *p)
{
	uint16_t v;
	__builtin_memcpy(&v, p, sizeof(v));
	return v;
}

ALWAYS_INLINE uint32_t load32(const void *p)
{
	uint32_t v;
	__builtin_memcpy(&v, p, sizeof(v));
	return v;
}

ALWAYS_INLINE uint64_t load64(const void *p)
{
	uint64_t v;
	__builtin_memcpy(&v, p, sizeof(v));
	return v;
}

ALWAYS_INLINE void store16(void *p, uint16_t v)
{
	__builtin_memcpy(p, &v, sizeof(v));
}

ALWAYS_INLINE void store32(void *p, uint32_t v)
{
	__builtin_memcpy(p, &v, sizeof(v));
}

/* Smallest power of two >= x; x in 1..2^63. */
ALWAYS_INLINE uint64_t pow2_at_least(uint64_t x)
{
	return x <= 1 ? 1 : UINT64_C(1) << (64 - __builtin_clzll(x - 1));
}

#endif
