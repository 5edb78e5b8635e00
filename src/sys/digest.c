#include "sys/digest.h"

#include <string.h>

#include "sys/digest_class.h"

static const rs_digest_class *const classes[] = {
    &rs_digest_md5, &rs_digest_sha1, &rs_digest_sha256, &rs_digest_sha512, &rs_digest_xxh64,
};

const rs_digest_class *rs_digest_at(size_t i)
{
    return i < sizeof classes / sizeof *classes ? classes[i] : NULL;
}

const rs_digest_class *rs_digest_find(const char *name)
{
    const rs_digest_class *c;
    for (size_t i = 0; (c = rs_digest_at(i)); i++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

const char *rs_digest_name(const rs_digest_class *class)
{
    return class->name;
}

size_t rs_digest_size(const rs_digest_class *class)
{
    return class->size;
}

void rs_digest_init(rs_digest *d, const rs_digest_class *class)
{
    d->class = class;
    d->bytes = 0;
    class->init(d);
}

/* Fills d->block up; says how many bytes it took. */
static size_t fill(rs_digest *d, const unsigned char *p, size_t n)
{
    size_t have = d->bytes % d->class->block, want = d->class->block - have;
    size_t take = n < want ? n : want;
    memcpy(d->block + have, p, take);
    d->bytes += take;
    if (take == want)
        d->class->compress(d, d->block, 1);
    return take;
}

void rs_digest_update(rs_digest *d, const void *data, size_t n)
{
    const unsigned char *p = data;
    if (n == 0)
        return;
    if (d->bytes % d->class->block != 0) {
        size_t took = fill(d, p, n);
        p += took;
        n -= took;
    }
    size_t blocks = n / d->class->block, whole = blocks * d->class->block;
    if (blocks > 0) {
        d->bytes += whole;
        d->class->compress(d, p, blocks);
    }
    if (n > whole)
        fill(d, p + whole, n - whole);
}

void rs_digest_final(rs_digest *d, unsigned char *out)
{
    d->class->finish(d, out);
}

void rs_digest_pad(rs_digest *d, size_t field, int little_endian)
{
    size_t block = d->class->block, have = d->bytes % block;
    d->block[have++] = 0x80;
    if (have > block - field) {
        memset(d->block + have, 0, block - have);
        d->class->compress(d, d->block, 1);
        have = 0;
    }
    memset(d->block + have, 0, block - have);
    if (little_endian)
        rs_put_le(d->block + block - field, d->bytes * 8, 8);
    else
        rs_put_be(d->block + block - 8, d->bytes * 8, 8);
    d->class->compress(d, d->block, 1);
}

void rs_digest_hex(const unsigned char *bytes, size_t n, char *out)
{
    for (size_t i = 0; i < n; i++) {
        *out++ = "0123456789abcdef"[bytes[i] >> 4];
        *out++ = "0123456789abcdef"[bytes[i] & 15];
    }
    *out = '\0';
}
