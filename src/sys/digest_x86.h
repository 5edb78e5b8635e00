/* SHA-1 and SHA-256 by the instructions that newer x86 CPUs have for them. Private to the digest files. */
#ifndef RS_SYS_DIGEST_X86_H
#define RS_SYS_DIGEST_X86_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __x86_64__
/* The other functions may be called only when this is true. */
bool rs_digest_x86_sha(void);
/* false makes the one above say no, so that tests reach the portable code too; true asks the CPU again. */
void rs_digest_x86_allow(bool yes);
void rs_digest_x86_sha1(uint32_t h[5], const unsigned char *data, size_t blocks);
void rs_digest_x86_sha256(uint32_t h[8], const uint32_t k[64], const unsigned char *data, size_t blocks);
#else
static inline bool rs_digest_x86_sha(void)
{
    return false;
}
static inline void rs_digest_x86_allow(bool yes)
{
    (void)yes;
}
static inline void rs_digest_x86_sha1(uint32_t h[5], const unsigned char *data, size_t blocks)
{
    (void)h, (void)data, (void)blocks;
}
static inline void rs_digest_x86_sha256(uint32_t h[8], const uint32_t k[64], const unsigned char *data, size_t blocks)
{
    (void)h, (void)k, (void)data, (void)blocks;
}
#endif

#endif
