#include "base/utf8.h"

/* The first byte says how many follow, and the least character that needs as many. */
static size_t lead(unsigned char c, uint32_t *bits, uint32_t *least)
{
    static const uint32_t from[] = {0, 0x80, 0x800, 0x10000};
    size_t more = c < 0x80 ? 0 : c < 0xc0 ? 4 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : c < 0xf8 ? 3 : 4;
    if (more < 4) {
        *bits = more == 0 ? c : c & (0x3fu >> more);
        *least = from[more];
    }
    return more;
}

size_t rs_utf8_next(const char *s, size_t n, uint32_t *out)
{
    uint32_t c = 0, least = 0;
    size_t more = n > 0 ? lead((unsigned char)s[0], &c, &least) : 4;
    if (more >= n || more == 4)
        return 0;
    for (size_t i = 1; i <= more; i++) {
        if (((unsigned char)s[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | ((unsigned char)s[i] & 0x3f);
    }
    if (c < least || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    *out = c;
    return more + 1;
}

size_t rs_utf8_put(uint32_t c, char out[4])
{
    size_t more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    for (size_t i = more; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    static const unsigned char mark[] = {0, 0xc0, 0xe0, 0xf0};
    out[0] = (char)(mark[more] | c);
    return more + 1;
}
