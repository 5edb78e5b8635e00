/* What a digest declares to digest.c, which gathers the bytes into blocks. Private to the digest files. */
#ifndef RS_SYS_DIGEST_CLASS_H
#define RS_SYS_DIGEST_CLASS_H

#include <string.h>

#include "sys/digest.h"

struct rs_digest_class {
    const char *name;
    size_t size;  /* of the result */
    size_t block; /* of what compress takes, a power of 2, at most sizeof d->block */
    void (*init)(rs_digest *d);
    void (*compress)(rs_digest *d, const unsigned char *data, size_t blocks);
    /* d->block holds the last d->bytes % block bytes. */
    void (*finish)(rs_digest *d, unsigned char *out);
};

extern const rs_digest_class rs_digest_md5, rs_digest_sha1, rs_digest_sha256, rs_digest_sha512, rs_digest_xxh64;

/* The padding that MD5 and SHA share: a one bit, zeros, and the length in bits in the last `field` bytes. */
void rs_digest_pad(rs_digest *d, size_t field, int little_endian);

static inline uint32_t rs_rol32(uint32_t x, unsigned n)
{
    return x << n | x >> (32 - n);
}

static inline uint64_t rs_rol64(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

static const int rs_is_little = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;

static inline uint32_t rs_le32(const unsigned char *p)
{
    uint32_t x;
    memcpy(&x, p, sizeof x);
    return rs_is_little ? x : __builtin_bswap32(x);
}

static inline uint64_t rs_le64(const unsigned char *p)
{
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return rs_is_little ? x : __builtin_bswap64(x);
}

static inline uint32_t rs_be32(const unsigned char *p)
{
    return __builtin_bswap32(rs_le32(p));
}

static inline uint64_t rs_be64(const unsigned char *p)
{
    return __builtin_bswap64(rs_le64(p));
}

static inline void rs_put_be(unsigned char *p, uint64_t x, size_t n)
{
    for (; n > 0; x >>= 8)
        p[--n] = (unsigned char)x;
}

static inline void rs_put_le(unsigned char *p, uint64_t x, size_t n)
{
    for (size_t i = 0; i < n; i++, x >>= 8)
        p[i] = (unsigned char)x;
}

#endif
