#include "sys/tree_stream.h"

#include "base/err.h"

/* A pack:
 *
 *   INDEX -> OFFSET -> SIZE -> SEGMENT -> DATA      index: the place in the list and 1; 0 is the end
 *     ^                          |  ^       |       size: of the whole file; offset: where what is sent of it begins
 *     |                          |  +-------+       segment: 2 * bytes, and 1 for a hole; 0: the file is broken off
 *     +--------------------------+ */
enum { INDEX, OFFSET, SIZE, STARTED, SEGMENT, DATA, OVER };

int rs_tree_put(rs_buf *b, uint64_t n)
{
    char *to;
    int err = rs_buf_reserve(b, RS_TREE_NUMBER_MAX, &to);
    if (err)
        return err;
    size_t len = 0;
    for (; n > 127; n >>= 7)
        to[len++] = (char)(n | 128);
    to[len++] = (char)n;
    rs_buf_commit(b, len);
    return 0;
}

int rs_tree_put_text(rs_buf *b, const void *text, size_t len)
{
    int err = rs_tree_put(b, len);
    return err ? err : rs_buf_add(b, text, len);
}

/* Adds a byte of a number: 1 when it was its last, -1 when it is too long. */
static int add_byte(uint64_t *n, unsigned *shift, unsigned char c)
{
    if (*shift > 63 || (*shift == 63 && c > 1))
        return -1;
    *n |= (uint64_t)(c & 127) << *shift;
    *shift += 7;
    return !(c & 128);
}

bool rs_tree_get(rs_tree_bytes *b, uint64_t *n)
{
    unsigned shift = 0;
    int got = 0;
    *n = 0;
    while (got == 0 && b->at < b->end)
        got = add_byte(n, &shift, (unsigned char)*b->at++);
    return got == 1;
}

bool rs_tree_get_text(rs_tree_bytes *b, rs_tree_bytes *text)
{
    uint64_t n;
    if (!rs_tree_get(b, &n) || n > (uint64_t)(b->end - b->at))
        return false;
    *text = (rs_tree_bytes){b->at, b->at + n};
    b->at += n;
    return true;
}

/* The number that the state waits for: 1 when it is there. */
static int number(rs_tree_reader *r, rs_tree_bytes *bytes, uint64_t *n)
{
    int got = 0;
    while (got == 0 && bytes->at < bytes->end)
        got = add_byte(&r->number, &r->shift, (unsigned char)*bytes->at++);
    if (got != 1)
        return got;
    *n = r->number;
    r->number = 0;
    r->shift = 0;
    return 1;
}

static rs_tree_event done(rs_tree_reader *r)
{
    r->state = INDEX;
    r->files++;
    return RS_TREE_DONE;
}

static rs_tree_event started(rs_tree_reader *r)
{
    if (r->offset > r->size)
        return RS_TREE_BAD;
    r->left = r->size - r->offset;
    r->state = STARTED;
    return RS_TREE_FILE;
}

static rs_tree_event segment(rs_tree_reader *r, uint64_t n)
{
    if (n == 0) {
        r->state = INDEX;
        return RS_TREE_BROKEN;
    }
    r->length = n >> 1;
    if (r->length == 0 || r->length > r->left)
        return RS_TREE_BAD;
    r->left -= r->length;
    if (n & 1) {
        r->bytes += r->length;
        r->state = STARTED;
        return RS_TREE_HOLE;
    }
    r->data_left = r->length;
    r->state = DATA;
    return RS_TREE_MORE;
}

static rs_tree_event take_data(rs_tree_reader *r, rs_tree_bytes *bytes, rs_tree_bytes *data)
{
    uint64_t n = (uint64_t)(bytes->end - bytes->at);
    if (n > r->data_left)
        n = r->data_left;
    *data = (rs_tree_bytes){bytes->at, bytes->at + n};
    bytes->at += n;
    r->data_left -= n;
    r->bytes += n;
    if (r->data_left == 0)
        r->state = STARTED;
    return RS_TREE_DATA;
}

static rs_tree_event step(rs_tree_reader *r, rs_tree_bytes *bytes, rs_tree_bytes *data)
{
    uint64_t n = 0;
    if (r->state == STARTED && r->left == 0)
        return done(r);
    if (r->state == STARTED)
        r->state = SEGMENT;
    if (r->state == DATA)
        return bytes->at < bytes->end ? take_data(r, bytes, data) : RS_TREE_MORE;
    int got = r->state == OVER ? -1 : number(r, bytes, &n);
    if (got <= 0)
        return got < 0 ? RS_TREE_BAD : RS_TREE_MORE;
    switch (r->state) {
    case INDEX:
        r->state = n ? OFFSET : OVER;
        r->index = n - 1;
        return n ? RS_TREE_MORE : RS_TREE_END;
    case OFFSET:
        r->offset = n;
        r->state = SIZE;
        return RS_TREE_MORE;
    case SIZE: r->size = n; return started(r);
    default: return segment(r, n);
    }
}

rs_tree_event rs_tree_read(rs_tree_reader *r, rs_tree_bytes *bytes, rs_tree_bytes *data)
{
    if (r->state == OVER)
        return bytes->at < bytes->end ? RS_TREE_BAD : RS_TREE_MORE;
    rs_tree_event e;
    do
        e = step(r, bytes, data);
    while (e == RS_TREE_MORE && bytes->at < bytes->end);
    return e;
}
