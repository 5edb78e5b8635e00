#include "rpc/chain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sys/block.h"

enum { PIECE = 512 * 1024 }; /* bytes; what a worker gets at once to write into a file */

typedef struct rs_piece {
    struct rs_piece *next;
    rs_buf bytes;
} piece;

static void drop_first(rs_chain *c)
{
    piece *p = c->first;
    c->first = p->next;
    if (!c->first)
        c->last = NULL;
    rs_block_put(&p->bytes);
    free(p);
}

void rs_chain_fini(rs_chain *c)
{
    while (c->first)
        drop_first(c);
    c->len = 0;
}

/* The memory of the first one grows with what comes: most never get much. Who needs a second one carries much. */
static piece *add_piece(rs_chain *c)
{
    piece *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    rs_buf_init(&p->bytes, 0);
    if (c->last) {
        rs_block_get(&p->bytes);
        c->last->next = p;
    } else {
        c->first = p;
    }
    c->last = p;
    return p;
}

int rs_chain_add(rs_chain *c, const char *data, size_t n)
{
    while (n > 0) {
        piece *p = c->last && rs_buf_len(&c->last->bytes) < PIECE ? c->last : add_piece(c);
        if (!p)
            return -ENOMEM;
        size_t room = PIECE - rs_buf_len(&p->bytes), some = n < room ? n : room;
        int err = rs_buf_add(&p->bytes, data, some);
        if (err)
            return err;
        c->len += some;
        data += some;
        n -= some;
    }
    return 0;
}

/* The first piece is empty, and n bytes of it are gone. */
static void used_up(rs_chain *c, size_t n)
{
    c->len -= n;
    if (c->first->next)
        drop_first(c);
}

size_t rs_chain_read(rs_chain *c, char *to, size_t n)
{
    size_t got = 0;
    while (got < n && c->len > 0) {
        rs_buf *b = &c->first->bytes;
        size_t len = rs_buf_len(b), some = n - got < len ? n - got : len;
        memcpy(to + got, rs_buf_data(b), some);
        rs_buf_consume(b, some);
        got += some;
        if (some == len)
            used_up(c, some);
        else
            c->len -= some;
    }
    return got;
}

bool rs_chain_take(rs_chain *c, rs_buf *to)
{
    size_t len = c->len > 0 ? rs_buf_len(&c->first->bytes) : 0;
    if (len == 0 || len > rs_buf_room(to))
        return false;
    rs_buf_swap(&c->first->bytes, to);
    used_up(c, len);
    return true;
}
