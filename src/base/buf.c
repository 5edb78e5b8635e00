#include "base/buf.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

enum { SMALLEST = 256 };

void rs_buf_init(rs_buf *b, size_t max)
{
    *b = (rs_buf){.max = max > 0 ? max : SIZE_MAX / 2};
}

void rs_buf_fini(rs_buf *b)
{
    free(b->mem);
    rs_buf_init(b, b->max);
}

const char *rs_buf_data(const rs_buf *b)
{
    return b->mem ? b->mem + b->start : "";
}

size_t rs_buf_len(const rs_buf *b)
{
    return b->len;
}

size_t rs_buf_room(const rs_buf *b)
{
    return b->max - b->len;
}

/* Doubling makes n single adds cost n, but never passes what max can need. */
static size_t bigger(const rs_buf *b, size_t need)
{
    size_t cap = b->cap < SMALLEST ? SMALLEST : b->cap;
    while (cap < need)
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    return cap > b->max ? (need > b->max ? need : b->max) : cap;
}

static int grow(rs_buf *b, size_t need)
{
    size_t cap = bigger(b, need);
    char *mem = b->start > 0 ? malloc(cap) : realloc(b->mem, cap);
    if (!mem)
        return -ENOMEM;
    if (b->start > 0) {
        memcpy(mem, b->mem + b->start, b->len);
        free(b->mem);
    }
    b->mem = mem;
    b->start = 0;
    b->cap = cap;
    return 0;
}

/* What was consumed is used again only when it is at least as long as what is left: every byte is then moved at most
 * once for each byte that was consumed. */
static int make_room(rs_buf *b, size_t n)
{
    size_t need = b->len + n;
    if (need <= b->cap - b->start)
        return 0;
    if (need > b->cap || b->start < b->len)
        return grow(b, need);
    memmove(b->mem, b->mem + b->start, b->len);
    b->start = 0;
    return 0;
}

int rs_buf_reserve(rs_buf *b, size_t n, char **out)
{
    static char nothing;
    if (n > rs_buf_room(b))
        return RS_ELIMIT;
    int err = make_room(b, n);
    if (!err)
        *out = b->mem ? b->mem + b->start + b->len : &nothing;
    return err;
}

void rs_buf_commit(rs_buf *b, size_t n)
{
    b->len += n;
}

int rs_buf_add(rs_buf *b, const void *data, size_t n)
{
    char *to;
    if (n == 0)
        return 0;
    int err = rs_buf_reserve(b, n, &to);
    if (err)
        return err;
    memcpy(to, data, n);
    rs_buf_commit(b, n);
    return 0;
}

int rs_buf_add_str(rs_buf *b, const char *s)
{
    return rs_buf_add(b, s, strlen(s));
}

int rs_buf_add_char(rs_buf *b, char c)
{
    return rs_buf_add(b, &c, 1);
}

int rs_buf_addf(rs_buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int err = rs_buf_addv(b, fmt, ap);
    va_end(ap);
    return err;
}

int rs_buf_addv(rs_buf *b, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (n < 0)
        return -errno;
    if ((size_t)n > rs_buf_room(b))
        return RS_ELIMIT;
    /* The NUL that vsnprintf adds may lie one past max: the memory is there, the length isn't. */
    int err = make_room(b, (size_t)n + 1);
    if (err)
        return err;
    vsnprintf(b->mem + b->start + b->len, (size_t)n + 1, fmt, ap);
    rs_buf_commit(b, (size_t)n);
    return 0;
}

void rs_buf_replace(rs_buf *b, size_t at, const void *data, size_t n)
{
    memcpy(b->mem + b->start + at, data, n);
}

void rs_buf_consume(rs_buf *b, size_t n)
{
    if (n >= b->len) {
        rs_buf_clear(b);
        return;
    }
    b->start += n;
    b->len -= n;
}

void rs_buf_clear(rs_buf *b)
{
    b->start = 0;
    b->len = 0;
}

void rs_buf_swap(rs_buf *a, rs_buf *b)
{
    rs_buf was = *a;
    *a = (rs_buf){b->mem, b->start, b->len, b->cap, a->max};
    *b = (rs_buf){was.mem, was.start, was.len, was.cap, b->max};
}

ptrdiff_t rs_buf_find(const rs_buf *b, char c, size_t from)
{
    if (from >= b->len)
        return -1;
    const char *first = rs_buf_data(b) + from;
    const char *at = memchr(first, (unsigned char)c, b->len - from);
    return at ? (ptrdiff_t)from + (at - first) : -1;
}

char *rs_buf_take(rs_buf *b, size_t *len)
{
    char *s;
    if (make_room(b, 1) != 0)
        return NULL;
    if (b->start > 0)
        memmove(b->mem, b->mem + b->start, b->len);
    b->mem[b->len] = '\0';
    *len = b->len;
    s = b->mem;
    rs_buf_init(b, b->max);
    return s;
}
