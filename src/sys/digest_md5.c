/* MD5, RFC 1321. Broken as a signature; people still compare downloads with it. */
#include <string.h>

#include "sys/digest_class.h"

static const uint32_t K[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};

#define F(x, y, z) ((z) ^ ((x) & ((y) ^ (z))))
#define G(x, y, z) F(z, x, y)
#define H(x, y, z) ((x) ^ (y) ^ (z))
#define I(x, y, z) ((y) ^ ((x) | ~(z)))

#define STEP(f, a, b, c, d, i, w, rot) (a) = (b) + rs_rol32((a) + f(b, c, d) + K[i] + m[(w)&15], rot)

/* Four steps, after which the four words are back in their places. The words of the block come `by` apart. */
#define FOUR(f, i, w, by, r0, r1, r2, r3)                                                                              \
    do {                                                                                                               \
        STEP(f, a, b, c, d, (i), (w), r0);                                                                             \
        STEP(f, d, a, b, c, (i) + 1, (w) + (by), r1);                                                                  \
        STEP(f, c, d, a, b, (i) + 2, (w) + 2 * (by), r2);                                                              \
        STEP(f, b, c, d, a, (i) + 3, (w) + 3 * (by), r3);                                                              \
    } while (0)

#define SIXTEEN(f, i, w, by, r0, r1, r2, r3)                                                                           \
    do {                                                                                                               \
        FOUR(f, (i), (w), by, r0, r1, r2, r3);                                                                         \
        FOUR(f, (i) + 4, (w) + 4 * (by), by, r0, r1, r2, r3);                                                          \
        FOUR(f, (i) + 8, (w) + 8 * (by), by, r0, r1, r2, r3);                                                          \
        FOUR(f, (i) + 12, (w) + 12 * (by), by, r0, r1, r2, r3);                                                        \
    } while (0)

static void one_block(uint32_t h[4], const unsigned char *p)
{
    uint32_t m[16], a = h[0], b = h[1], c = h[2], d = h[3];
    for (int i = 0; i < 16; i++)
        m[i] = rs_le32(p + 4 * i);
    SIXTEEN(F, 0, 0, 1, 7, 12, 17, 22);
    SIXTEEN(G, 16, 1, 5, 5, 9, 14, 20);
    SIXTEEN(H, 32, 5, 3, 4, 11, 16, 23);
    SIXTEEN(I, 48, 0, 7, 6, 10, 15, 21);
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
}

static void init(rs_digest *d)
{
    static const uint32_t first[] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
    memcpy(d->h.w, first, sizeof first);
}

static void compress(rs_digest *d, const unsigned char *data, size_t blocks)
{
    for (; blocks > 0; blocks--, data += 64)
        one_block(d->h.w, data);
}

static void finish(rs_digest *d, unsigned char *out)
{
    rs_digest_pad(d, 8, 1);
    for (int i = 0; i < 4; i++)
        rs_put_le(out + 4 * i, d->h.w[i], 4);
}

const rs_digest_class rs_digest_md5 = {"md5", 16, 64, init, compress, finish};
