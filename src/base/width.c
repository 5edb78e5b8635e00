#include "base/width.h"

#include <stdbool.h>

#include "base/utf8.h"

typedef struct rs_range {
    uint32_t first, last;
} rs_range;

#include "base/width_table.h"

static bool is_in(const rs_range *table, size_t n, uint32_t c)
{
    size_t low = 0;
    while (n > low) {
        size_t middle = low + (n - low) / 2;
        if (c > table[middle].last)
            low = middle + 1;
        else if (c < table[middle].first)
            n = middle;
        else
            return true;
    }
    return false;
}

unsigned rs_width_char(uint32_t c)
{
    if (c < 0xa0)
        return 1;
    if (is_in(narrow, sizeof narrow / sizeof *narrow, c))
        return 0;
    return is_in(wide, sizeof wide / sizeof *wide, c) ? 2 : 1;
}

size_t rs_width_cut(const char *s, size_t n, size_t columns, size_t *width)
{
    size_t at = 0;
    *width = 0;
    while (at < n) {
        uint32_t c = ' ';
        size_t took = rs_utf8_next(s + at, n - at, &c);
        unsigned w = rs_width_char(c);
        if (*width + w > columns)
            break;
        *width += w;
        at += took > 0 ? took : 1;
    }
    return at;
}

size_t rs_width_of(const char *s, size_t n)
{
    size_t width;
    rs_width_cut(s, n, SIZE_MAX, &width);
    return width;
}
