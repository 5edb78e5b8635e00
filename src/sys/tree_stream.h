/* How trees go from one machine to another: what the bytes are that tree_list, tree_pack and tree_unpack exchange.
 *
 * Numbers are varints: seven bits a byte, the lowest first, the top bit set in all but the last. Texts have their length
 * before them. A pack is a sequence of files, which are named by their place in a list that both sides have: no name in it
 * is ever used. doc/protocol.md has the bytes. */
#ifndef RS_SYS_TREE_STREAM_H
#define RS_SYS_TREE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum { RS_TREE_NUMBER_MAX = 10 }; /* bytes of the longest number */

int rs_tree_put(rs_buf *b, uint64_t n);
int rs_tree_put_text(rs_buf *b, const void *text, size_t len);

/* Bytes that are read from the front. */
typedef struct rs_tree_bytes {
    const char *at, *end;
} rs_tree_bytes;

/* False where there is none, or not all of it. */
bool rs_tree_get(rs_tree_bytes *b, uint64_t *n);
bool rs_tree_get_text(rs_tree_bytes *b, rs_tree_bytes *text);

/* What comes next in a pack. */
typedef enum rs_tree_event {
    RS_TREE_MORE,   /* nothing before more bytes have come */
    RS_TREE_FILE,   /* index, offset and size are set */
    RS_TREE_DATA,   /* bytes of the file */
    RS_TREE_HOLE,   /* so many zeros: length */
    RS_TREE_DONE,   /* of the file */
    RS_TREE_BROKEN, /* the file can't be sent after all */
    RS_TREE_END,    /* of the pack */
    RS_TREE_BAD,    /* it is none */
} rs_tree_event;

/* Reads a pack piece by piece. Zeroed is at its start. */
typedef struct rs_tree_reader {
    int state;
    uint64_t number;
    unsigned shift;
    uint64_t index, offset, size; /* of the file that began last */
    uint64_t left;                /* of it */
    uint64_t length;              /* of the segment that began last */
    uint64_t data_left;
    uint64_t files, bytes; /* so far: complete files, their data with holes */
} rs_tree_reader;

/* The next event in the bytes, which it takes; data is set for RS_TREE_DATA. */
rs_tree_event rs_tree_read(rs_tree_reader *r, rs_tree_bytes *bytes, rs_tree_bytes *data);

#endif
