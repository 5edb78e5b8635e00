/* The digests against libcrypto's, on many lengths, cut in many ways; both ways of those that the CPU may have
 * instructions for. */
#include "unit.h"

#include <stdlib.h>

#include <openssl/evp.h>

#include "sys/digest.h"
#include "sys/digest_x86.h"

enum { LONGEST = 5000 };

static unsigned char data[LONGEST];

static const char *const names[] = {"md5", "sha1", "sha256", "sha512"};

static int portable(void **state)
{
    rs_digest_x86_allow(false);
    return 0;
}

static int native(void **state)
{
    rs_digest_x86_allow(true);
    return 0;
}

/* Fed in pieces of at most `most` bytes, where 0 is the whole. */
static void ours(const char *name, size_t n, size_t most, uint64_t *seed, unsigned char *out)
{
    rs_digest d;
    rs_digest_init(&d, rs_digest_find(name));
    for (size_t at = 0; at < n;) {
        size_t take = most > 0 ? unit_random(seed) % (most + 1) : n;
        take = take < n - at ? take : n - at;
        rs_digest_update(&d, data + at, take);
        at += take;
    }
    rs_digest_final(&d, out);
}

static void theirs(const char *name, size_t n, unsigned char *out)
{
    unsigned len = 0;
    assert_int_equal(EVP_Digest(data, n, out, &len, EVP_get_digestbyname(name), NULL), 1);
    assert_int_equal(len, rs_digest_size(rs_digest_find(name)));
}

static void compare(const char *name, size_t n, uint64_t *seed)
{
    static const size_t pieces[] = {0, 1, 7, 64, 130, 1000};
    unsigned char want[RS_DIGEST_MAX], got[RS_DIGEST_MAX];
    theirs(name, n, want);
    for (size_t i = 0; i < COUNT(pieces); i++) {
        ours(name, n, pieces[i], seed, got);
        assert_memory_equal(got, want, rs_digest_size(rs_digest_find(name)));
    }
}

static void test_against_libcrypto(void **state)
{
    uint64_t seed = 7;
    for (size_t i = 0; i < COUNT(names); i++) {
        unit_random_bytes(&seed, data, sizeof data);
        for (size_t n = 0; n < 300; n++)
            compare(names[i], n, &seed);
        for (int k = 0; k < 200; k++)
            compare(names[i], unit_random(&seed) % LONGEST, &seed);
    }
}

static void assert_hex(const char *name, const char *s, size_t n, const char *want)
{
    unsigned char out[RS_DIGEST_MAX];
    char hex[2 * RS_DIGEST_MAX + 1];
    rs_digest d;
    rs_digest_init(&d, rs_digest_find(name));
    rs_digest_update(&d, s, n);
    rs_digest_final(&d, out);
    rs_digest_hex(out, rs_digest_size(rs_digest_find(name)), hex);
    assert_string_equal(hex, want);
}

static void test_published(void **state)
{
    static const struct {
        const char *name, *text, *hex;
    } cases[] = {
        {"md5", "", "d41d8cd98f00b204e9800998ecf8427e"},
        {"sha1", "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {"sha256", "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"xxh64", "", "ef46db3751d8e999"},
        {"xxh64", "a", "d24ec4f1a98c6e5b"},
        {"xxh64", "abc", "44bc2cf5ad770999"},
        {"xxh64", "Nobody inspects the spammish repetition", "fbcea83c8a378bf1"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_hex(cases[i].name, cases[i].text, strlen(cases[i].text), cases[i].hex);
}

/* XXH64 once more, as plainly as its specification reads, for whole inputs only. */
static uint64_t rol(uint64_t x, int n)
{
    return x << n | x >> (64 - n);
}

static const uint64_t P[] = {
    0, 11400714785074694791u, 14029467366897019727u, 1609587929392839161u, 9650029242287828579u, 2870177450012600261u};

static uint64_t round_of(uint64_t lane, uint64_t word)
{
    return rol(lane + word * P[2], 31) * P[1];
}

static uint64_t word_at(size_t at, int bytes)
{
    uint64_t x = 0;
    for (int i = 0; i < bytes; i++)
        x |= (uint64_t)data[at + (size_t)i] << (8 * i);
    return x;
}

static uint64_t plain_xxh64(size_t n)
{
    uint64_t lane[4] = {P[1] + P[2], P[2], 0, 0 - P[1]}, x = P[5];
    size_t at = 0;
    for (; n - at >= 32; at += 32)
        for (size_t i = 0; i < 4; i++)
            lane[i] = round_of(lane[i], word_at(at + 8 * i, 8));
    if (n >= 32) {
        x = rol(lane[0], 1) + rol(lane[1], 7) + rol(lane[2], 12) + rol(lane[3], 18);
        for (size_t i = 0; i < 4; i++)
            x = (x ^ round_of(0, lane[i])) * P[1] + P[4];
    }
    x += n;
    for (; n - at >= 8; at += 8)
        x = rol(x ^ round_of(0, word_at(at, 8)), 27) * P[1] + P[4];
    for (; n - at >= 4; at += 4)
        x = rol(x ^ word_at(at, 4) * P[1], 23) * P[2] + P[3];
    for (; n > at; at++)
        x = rol(x ^ data[at] * P[5], 11) * P[1];
    x = (x ^ x >> 33) * P[2];
    x = (x ^ x >> 29) * P[3];
    return x ^ x >> 32;
}

static void test_xxh64(void **state)
{
    uint64_t seed = 9;
    unit_random_bytes(&seed, data, sizeof data);
    for (size_t n = 0; n < 400; n++) {
        for (size_t most = 0; most < 80; most += 13) {
            unsigned char out[8];
            uint64_t x = 0;
            ours("xxh64", n, most, &seed, out);
            for (int i = 0; i < 8; i++)
                x = x << 8 | out[i];
            assert_true(x == plain_xxh64(n));
        }
    }
}

static void test_copies_fork(void **state)
{
    unsigned char a[RS_DIGEST_MAX], b[RS_DIGEST_MAX];
    rs_digest d, copy;
    rs_digest_init(&d, rs_digest_find("sha256"));
    rs_digest_update(&d, data, 100);
    copy = d;
    rs_digest_update(&copy, data, 3);
    rs_digest_final(&copy, b);
    rs_digest_update(&d, data, 3);
    rs_digest_final(&d, a);
    assert_memory_equal(a, b, 32);
}

/* Past 4 GiB in bits and in bytes the length has more than 32 bits. */
static void test_long_input(void **state)
{
    enum { CHUNK = 1 << 20, TIMES = 600 };
    unsigned char *chunk = calloc(1, CHUNK), want[RS_DIGEST_MAX], got[RS_DIGEST_MAX];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    rs_digest d;
    EVP_DigestInit(ctx, EVP_sha256());
    rs_digest_init(&d, rs_digest_find("sha256"));
    for (int i = 0; i < TIMES; i++) {
        EVP_DigestUpdate(ctx, chunk, CHUNK);
        rs_digest_update(&d, chunk, CHUNK);
    }
    EVP_DigestFinal(ctx, want, NULL);
    rs_digest_final(&d, got);
    assert_memory_equal(got, want, 32);
    EVP_MD_CTX_free(ctx);
    free(chunk);
}

static void test_find(void **state)
{
    assert_null(rs_digest_find("sha3"));
    assert_null(rs_digest_find(""));
    for (size_t i = 0; rs_digest_at(i); i++)
        assert_ptr_equal(rs_digest_find(rs_digest_name(rs_digest_at(i))), rs_digest_at(i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_against_libcrypto, native, native),
        {"test_against_libcrypto (portable)", test_against_libcrypto, portable, native, NULL},
        cmocka_unit_test(test_published),
        {"test_published (portable)", test_published, portable, native, NULL},
        cmocka_unit_test(test_xxh64),
        cmocka_unit_test(test_copies_fork),
        cmocka_unit_test(test_long_input),
        cmocka_unit_test(test_find),
    };
    return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
