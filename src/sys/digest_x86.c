#include "sys/digest_x86.h"

#ifdef __x86_64__

#include <cpuid.h>
#include <immintrin.h>
#include <stdatomic.h>

#define SHA_CODE __attribute__((target("sha,sse4.1,ssse3")))

static bool ask_cpu(void)
{
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_SSE4_1) || !(c & bit_SSSE3))
        return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA);
}

/* 0 not asked yet, 1 yes, -1 no. Kept, since cpuid costs a trap in a virtual machine. */
static atomic_int known;

bool rs_digest_x86_sha(void)
{
    int k = atomic_load_explicit(&known, memory_order_relaxed);
    if (k == 0) {
        k = ask_cpu() ? 1 : -1;
        atomic_store_explicit(&known, k, memory_order_relaxed);
    }
    return k > 0;
}

void rs_digest_x86_allow(bool yes)
{
    atomic_store_explicit(&known, yes ? 0 : -1, memory_order_relaxed);
}

static inline SHA_CODE __m128i load(const unsigned char *p, __m128i order)
{
    return _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)p), order);
}

/* Rounds 4i to 4i+3. The two halves of the state change places twice in there, so they keep their names. m0 holds the
 * words of these rounds, m1 to m3 those of the next twelve. */
#define ROUNDS256(i)                                                                                                   \
    do {                                                                                                               \
        __m128i w = _mm_add_epi32(m0, _mm_loadu_si128((const __m128i *)(k + 4 * (i))));                                \
        cdgh = _mm_sha256rnds2_epu32(cdgh, abef, w);                                                                   \
        abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(w, 0x0e));                                          \
    } while (0)

/* Makes the words that follow m3 and moves all down by one. */
#define NEXT256()                                                                                                      \
    do {                                                                                                               \
        __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(m0, m1), _mm_alignr_epi8(m3, m2, 4));                         \
        __m128i next = _mm_sha256msg2_epu32(sum, m3);                                                                  \
        m0 = m1, m1 = m2, m2 = m3, m3 = next;                                                                          \
    } while (0)

SHA_CODE void rs_digest_x86_sha256(uint32_t h[8], const uint32_t k[64], const unsigned char *data, size_t blocks)
{
    const __m128i order = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i abef = _mm_set_epi32((int)h[0], (int)h[1], (int)h[4], (int)h[5]);
    __m128i cdgh = _mm_set_epi32((int)h[2], (int)h[3], (int)h[6], (int)h[7]);
    for (; blocks > 0; blocks--, data += 64) {
        const __m128i abef_before = abef, cdgh_before = cdgh;
        __m128i m0 = load(data, order), m1 = load(data + 16, order);
        __m128i m2 = load(data + 32, order), m3 = load(data + 48, order);
        for (int i = 0; i < 12; i += 4) {
            ROUNDS256(i);
            NEXT256();
            ROUNDS256(i + 1);
            NEXT256();
            ROUNDS256(i + 2);
            NEXT256();
            ROUNDS256(i + 3);
            NEXT256();
        }
        ROUNDS256(12);
        m0 = m1;
        ROUNDS256(13);
        m0 = m2;
        ROUNDS256(14);
        m0 = m3;
        ROUNDS256(15);
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    h[0] = (uint32_t)_mm_extract_epi32(abef, 3);
    h[1] = (uint32_t)_mm_extract_epi32(abef, 2);
    h[2] = (uint32_t)_mm_extract_epi32(cdgh, 3);
    h[3] = (uint32_t)_mm_extract_epi32(cdgh, 2);
    h[4] = (uint32_t)_mm_extract_epi32(abef, 1);
    h[5] = (uint32_t)_mm_extract_epi32(abef, 0);
    h[6] = (uint32_t)_mm_extract_epi32(cdgh, 1);
    h[7] = (uint32_t)_mm_extract_epi32(cdgh, 0);
}

/* Four rounds with function f. sha1nexte takes E for these rounds from the A of four rounds ago, which is in before. */
#define ROUNDS1(f)                                                                                                     \
    do {                                                                                                               \
        __m128i e = _mm_sha1nexte_epu32(before, m0);                                                                   \
        before = abcd;                                                                                                 \
        abcd = _mm_sha1rnds4_epu32(abcd, e, f);                                                                        \
    } while (0)

#define NEXT1()                                                                                                        \
    do {                                                                                                               \
        __m128i next = _mm_sha1msg2_epu32(_mm_xor_si128(_mm_sha1msg1_epu32(m0, m1), m2), m3);                          \
        m0 = m1, m1 = m2, m2 = m3, m3 = next;                                                                          \
    } while (0)

#define FIVE1(f)                                                                                                       \
    do {                                                                                                               \
        ROUNDS1(f);                                                                                                    \
        NEXT1();                                                                                                       \
        ROUNDS1(f);                                                                                                    \
        NEXT1();                                                                                                       \
        ROUNDS1(f);                                                                                                    \
        NEXT1();                                                                                                       \
        ROUNDS1(f);                                                                                                    \
        NEXT1();                                                                                                       \
        ROUNDS1(f);                                                                                                    \
        NEXT1();                                                                                                       \
    } while (0)

SHA_CODE void rs_digest_x86_sha1(uint32_t h[5], const unsigned char *data, size_t blocks)
{
    const __m128i order = _mm_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f);
    __m128i abcd = _mm_set_epi32((int)h[0], (int)h[1], (int)h[2], (int)h[3]);
    uint32_t e_last = h[4];
    for (; blocks > 0; blocks--, data += 64) {
        const __m128i abcd_before = abcd;
        __m128i m0 = load(data, order), m1 = load(data + 16, order);
        __m128i m2 = load(data + 32, order), m3 = load(data + 48, order);
        /* sha1nexte rotates by 30; the first E stands there as it is, so it is rotated back. */
        __m128i before = _mm_set_epi32((int)(e_last << 2 | e_last >> 30), 0, 0, 0);
        FIVE1(0);
        FIVE1(1);
        FIVE1(2);
        FIVE1(3);
        uint32_t a = (uint32_t)_mm_extract_epi32(before, 3);
        e_last += a << 30 | a >> 2;
        abcd = _mm_add_epi32(abcd, abcd_before);
    }
    h[0] = (uint32_t)_mm_extract_epi32(abcd, 3);
    h[1] = (uint32_t)_mm_extract_epi32(abcd, 2);
    h[2] = (uint32_t)_mm_extract_epi32(abcd, 1);
    h[3] = (uint32_t)_mm_extract_epi32(abcd, 0);
    h[4] = e_last;
}

#endif
