/* SHA-256, FIPS 180-4. */
#include <string.h>

#include "sys/digest_class.h"
#include "sys/digest_x86.h"

static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

#define CH(x, y, z) ((z) ^ ((x) & ((y) ^ (z))))
#define MAJ(x, y, z) ((((x) ^ (y)) & ((y) ^ (z))) ^ (y))
#define BIG0(x) (rs_rol32(x, 30) ^ rs_rol32(x, 19) ^ rs_rol32(x, 10))
#define BIG1(x) (rs_rol32(x, 26) ^ rs_rol32(x, 21) ^ rs_rol32(x, 7))
#define SMALL0(x) (rs_rol32(x, 25) ^ rs_rol32(x, 14) ^ (x) >> 3)
#define SMALL1(x) (rs_rol32(x, 15) ^ rs_rol32(x, 13) ^ (x) >> 10)

/* In place of the word of sixteen steps ago. All indexes are constants, so w can live in registers. */
#define NEXT(i) (w[i] += SMALL1(w[((i) + 14) & 15]) + w[((i) + 9) & 15] + SMALL0(w[((i) + 1) & 15]))

#define STEP(a, b, c, d, e, f, g, h, word, i)                                                                          \
    do {                                                                                                               \
        uint32_t sum = (h) + BIG1(e) + CH(e, f, g) + k[i] + (word);                                                    \
        (d) += sum;                                                                                                    \
        (h) = sum + BIG0(a) + MAJ(a, b, c);                                                                            \
    } while (0)

/* After eight steps the words are back in their places. */
#define EIGHT(word, i)                                                                                                 \
    do {                                                                                                               \
        STEP(a, b, c, d, e, f, g, h, word(i), (i));                                                                    \
        STEP(h, a, b, c, d, e, f, g, word((i) + 1), (i) + 1);                                                          \
        STEP(g, h, a, b, c, d, e, f, word((i) + 2), (i) + 2);                                                          \
        STEP(f, g, h, a, b, c, d, e, word((i) + 3), (i) + 3);                                                          \
        STEP(e, f, g, h, a, b, c, d, word((i) + 4), (i) + 4);                                                          \
        STEP(d, e, f, g, h, a, b, c, word((i) + 5), (i) + 5);                                                          \
        STEP(c, d, e, f, g, h, a, b, word((i) + 6), (i) + 6);                                                          \
        STEP(b, c, d, e, f, g, h, a, word((i) + 7), (i) + 7);                                                          \
    } while (0)

#define FIRST(i) (w[i] = rs_be32(p + 4 * (i)))

static void one_block(uint32_t s[8], const unsigned char *p)
{
    uint32_t w[16], a = s[0], b = s[1], c = s[2], d = s[3], e = s[4], f = s[5], g = s[6], h = s[7];
    const uint32_t *k = K;
    EIGHT(FIRST, 0);
    EIGHT(FIRST, 8);
    for (k = K + 16; k < K + 64; k += 16) {
        EIGHT(NEXT, 0);
        EIGHT(NEXT, 8);
    }
    const uint32_t sum[8] = {a, b, c, d, e, f, g, h};
    for (int i = 0; i < 8; i++)
        s[i] += sum[i];
}

static void init(rs_digest *d)
{
    static const uint32_t first[] = {
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
    };
    memcpy(d->h.w, first, sizeof first);
}

static void compress(rs_digest *d, const unsigned char *data, size_t blocks)
{
    if (rs_digest_x86_sha()) {
        rs_digest_x86_sha256(d->h.w, K, data, blocks);
        return;
    }
    for (; blocks > 0; blocks--, data += 64)
        one_block(d->h.w, data);
}

static void finish(rs_digest *d, unsigned char *out)
{
    rs_digest_pad(d, 8, 0);
    for (int i = 0; i < 8; i++)
        rs_put_be(out + 4 * i, d->h.w[i], 4);
}

const rs_digest_class rs_digest_sha256 = {"sha256", 32, 64, init, compress, finish};
