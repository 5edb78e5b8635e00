/* cmocka with what it wants included before, and helpers that several tests use. */
#ifndef RS_TESTS_UNIT_H
#define RS_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* xorshift64*: the same bytes at every run, so that a failure comes again. */
static inline uint64_t unit_random(uint64_t *seed)
{
    uint64_t x = *seed ? *seed : 88172645463325252u;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *seed = x;
    return x * 2685821657736338717u;
}

static inline void unit_random_bytes(uint64_t *seed, void *out, size_t n)
{
    unsigned char *p = out;
    while (n-- > 0)
        *p++ = (unsigned char)(unit_random(seed) >> 32);
}

#endif
