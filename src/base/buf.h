/* A growing byte buffer with a hard maximum: bytes go in at the end and come out at the front. */
#ifndef RS_BASE_BUF_H
#define RS_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>

typedef struct rs_buf {
    char *mem;    /* NULL until the first byte */
    size_t start; /* first byte that was not consumed */
    size_t len;   /* bytes from start on */
    size_t cap;   /* allocated */
    size_t max;   /* len never passes it */
} rs_buf;

/* No memory is taken before the first byte. max = 0 means SIZE_MAX / 2. */
void rs_buf_init(rs_buf *b, size_t max);
/* Frees; the buffer may be used again. */
void rs_buf_fini(rs_buf *b);

/* The bytes; valid until the buffer is next changed. Never NULL. */
const char *rs_buf_data(const rs_buf *b);
size_t rs_buf_len(const rs_buf *b);
/* How many bytes still fit below the maximum. */
size_t rs_buf_room(const rs_buf *b);

/* Room for n more bytes at the end: *out points at it. rs_buf_commit says how many were written there. RS_ELIMIT past
 * the maximum, -ENOMEM without memory; the buffer is unchanged then. */
int rs_buf_reserve(rs_buf *b, size_t n, char **out);
void rs_buf_commit(rs_buf *b, size_t n);

int rs_buf_add(rs_buf *b, const void *data, size_t n);
int rs_buf_add_str(rs_buf *b, const char *s);
int rs_buf_add_char(rs_buf *b, char c);
int rs_buf_addf(rs_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int rs_buf_addv(rs_buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

/* Puts n bytes in place of those from `at` on; they must be there. */
void rs_buf_replace(rs_buf *b, size_t at, const void *data, size_t n);

/* Drops n bytes (at most all) from the front; memory is kept, and moved down only when that is cheap. */
void rs_buf_consume(rs_buf *b, size_t n);
void rs_buf_clear(rs_buf *b);

/* Exchanges the bytes of two buffers with the memory that they are in; each keeps its maximum, which must allow for that. */
void rs_buf_swap(rs_buf *a, rs_buf *b);

/* The offset of the first c at or after from, or -1. */
ptrdiff_t rs_buf_find(const rs_buf *b, char c, size_t from);

/* The bytes as a malloc'd, NUL-terminated string of *len bytes; the caller frees it, the buffer is empty afterwards.
 * NULL without memory. */
char *rs_buf_take(rs_buf *b, size_t *len);

#endif
