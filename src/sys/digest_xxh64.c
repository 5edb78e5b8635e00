/* XXH64 with seed 0: a checksum, not a digest, at the speed of memory. Its result is printed as a number is, highest byte
 * first. */
#include "sys/digest_class.h"

static const uint64_t P1 = 0x9e3779b185ebca87, P2 = 0xc2b2ae3d27d4eb4f, P3 = 0x165667b19e3779f9,
                      P4 = 0x85ebca77c2b2ae63, P5 = 0x27d4eb2f165667c5;

static inline uint64_t mix(uint64_t lane, uint64_t word)
{
    return rs_rol64(lane + word * P2, 31) * P1;
}

static void init(rs_digest *d)
{
    d->h.q[0] = P1 + P2;
    d->h.q[1] = P2;
    d->h.q[2] = 0;
    d->h.q[3] = -P1;
}

static void compress(rs_digest *d, const unsigned char *p, size_t blocks)
{
    uint64_t a = d->h.q[0], b = d->h.q[1], c = d->h.q[2], e = d->h.q[3];
    for (; blocks > 0; blocks--, p += 32) {
        a = mix(a, rs_le64(p));
        b = mix(b, rs_le64(p + 8));
        c = mix(c, rs_le64(p + 16));
        e = mix(e, rs_le64(p + 24));
    }
    d->h.q[0] = a;
    d->h.q[1] = b;
    d->h.q[2] = c;
    d->h.q[3] = e;
}

/* Short inputs never reach the lanes. */
static uint64_t join_lanes(const rs_digest *d)
{
    const uint64_t *q = d->h.q;
    if (d->bytes < 32)
        return P5;
    uint64_t x = rs_rol64(q[0], 1) + rs_rol64(q[1], 7) + rs_rol64(q[2], 12) + rs_rol64(q[3], 18);
    for (int i = 0; i < 4; i++)
        x = (x ^ mix(0, q[i])) * P1 + P4;
    return x;
}

static uint64_t add_tail(uint64_t x, const unsigned char *p, size_t n)
{
    for (; n >= 8; n -= 8, p += 8)
        x = rs_rol64(x ^ mix(0, rs_le64(p)), 27) * P1 + P4;
    if (n >= 4) {
        x = rs_rol64(x ^ rs_le32(p) * P1, 23) * P2 + P3;
        p += 4;
        n -= 4;
    }
    for (; n > 0; n--, p++)
        x = rs_rol64(x ^ *p * P5, 11) * P1;
    return x;
}

static void finish(rs_digest *d, unsigned char *out)
{
    uint64_t x = add_tail(join_lanes(d) + d->bytes, d->block, d->bytes % 32);
    x = (x ^ x >> 33) * P2;
    x = (x ^ x >> 29) * P3;
    rs_put_be(out, x ^ x >> 32, 8);
}

const rs_digest_class rs_digest_xxh64 = {"xxh64", 8, 32, init, compress, finish};
