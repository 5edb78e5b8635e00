/* Bytes that wait for a reader, in pieces: what comes is put behind them and moves none of them, and a reader can take a piece
 * as it is. Their memory is that of blocks (sys/block.h): on the loop's thread. */
#ifndef RS_RPC_CHAIN_H
#define RS_RPC_CHAIN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* The first piece is kept when it is empty; all zero at first. */
typedef struct rs_chain {
    struct rs_piece *first, *last;
    size_t len;
} rs_chain;

void rs_chain_fini(rs_chain *c);

/* -ENOMEM may leave a part of them. */
int rs_chain_add(rs_chain *c, const char *data, size_t n);

/* Takes at most n bytes: how many. */
size_t rs_chain_read(rs_chain *c, char *to, size_t n);

/* Takes the first piece, of half a MiB at most, into an empty buffer; false where there is none, or `to` may not be so long. */
bool rs_chain_take(rs_chain *c, rs_buf *to);

#endif
