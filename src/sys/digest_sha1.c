/* SHA-1, FIPS 180-4. */
#include <string.h>

#include "sys/digest_class.h"
#include "sys/digest_x86.h"

#define CH(x, y, z) ((z) ^ ((x) & ((y) ^ (z))))
#define PARITY(x, y, z) ((x) ^ (y) ^ (z))
#define MAJ(x, y, z) ((((x) ^ (y)) & ((y) ^ (z))) ^ (y))

/* In place of the word of sixteen steps ago. All indexes are constants, so w can live in registers. */
#define FIRST(i) (w[i] = rs_be32(p + 4 * (i)))
#define NEXT(i) (w[i] = rs_rol32(w[((i) + 13) & 15] ^ w[((i) + 8) & 15] ^ w[((i) + 2) & 15] ^ w[i], 1))

#define STEP(f, k, a, b, c, d, e, word)                                                                                \
    do {                                                                                                               \
        (e) += rs_rol32(a, 5) + f(b, c, d) + (k) + (word);                                                             \
        (b) = rs_rol32(b, 30);                                                                                         \
    } while (0)

/* After five steps the words are back in their places. */
#define FIVE(f, k, word, i)                                                                                            \
    do {                                                                                                               \
        STEP(f, k, a, b, c, d, e, word((i)&15));                                                                       \
        STEP(f, k, e, a, b, c, d, word(((i) + 1) & 15));                                                               \
        STEP(f, k, d, e, a, b, c, word(((i) + 2) & 15));                                                               \
        STEP(f, k, c, d, e, a, b, word(((i) + 3) & 15));                                                               \
        STEP(f, k, b, c, d, e, a, word(((i) + 4) & 15));                                                               \
    } while (0)

#define TWENTY(f, k, i)                                                                                                \
    do {                                                                                                               \
        FIVE(f, k, NEXT, (i));                                                                                         \
        FIVE(f, k, NEXT, (i) + 5);                                                                                     \
        FIVE(f, k, NEXT, (i) + 10);                                                                                    \
        FIVE(f, k, NEXT, (i) + 15);                                                                                    \
    } while (0)

static void one_block(uint32_t h[5], const unsigned char *p)
{
    uint32_t w[16], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    FIVE(CH, 0x5a827999, FIRST, 0);
    FIVE(CH, 0x5a827999, FIRST, 5);
    FIVE(CH, 0x5a827999, FIRST, 10);
    STEP(CH, 0x5a827999, a, b, c, d, e, FIRST(15));
    STEP(CH, 0x5a827999, e, a, b, c, d, NEXT(0));
    STEP(CH, 0x5a827999, d, e, a, b, c, NEXT(1));
    STEP(CH, 0x5a827999, c, d, e, a, b, NEXT(2));
    STEP(CH, 0x5a827999, b, c, d, e, a, NEXT(3));
    TWENTY(PARITY, 0x6ed9eba1, 20);
    TWENTY(MAJ, 0x8f1bbcdc, 40);
    TWENTY(PARITY, 0xca62c1d6, 60);
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
}

static void init(rs_digest *d)
{
    static const uint32_t first[] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    memcpy(d->h.w, first, sizeof first);
}

static void compress(rs_digest *d, const unsigned char *data, size_t blocks)
{
    if (rs_digest_x86_sha()) {
        rs_digest_x86_sha1(d->h.w, data, blocks);
        return;
    }
    for (; blocks > 0; blocks--, data += 64)
        one_block(d->h.w, data);
}

static void finish(rs_digest *d, unsigned char *out)
{
    rs_digest_pad(d, 8, 0);
    for (int i = 0; i < 5; i++)
        rs_put_be(out + 4 * i, d->h.w[i], 4);
}

const rs_digest_class rs_digest_sha1 = {"sha1", 20, 64, init, compress, finish};
