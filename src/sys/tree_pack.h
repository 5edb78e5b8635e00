/* Files of a tree as one stream of bytes (tree_stream.h), made piece by piece. Holes are told, not sent. What can't be read
 * is left out, and what becomes shorter meanwhile is broken off and begun anew, a few times: who reads the stream sees which
 * files did come. */
#ifndef RS_SYS_TREE_PACK_H
#define RS_SYS_TREE_PACK_H

#include "sys/tree_stream.h"

/* May move between threads, one at a time. */
typedef struct rs_tree_pack rs_tree_pack;

/* names: of files below path (or of path itself, ""): a number, where to begin in the file, and a name that ends with a
 * NUL, as often as there are. They are copied. */
int rs_tree_pack_new(rs_tree_pack **out, const char *path, rs_tree_bytes names);
void rs_tree_pack_free(rs_tree_pack *p);

/* Appends at least so many bytes, and a piece of a file more. 1 when there is more, 0 at the end. */
int rs_tree_pack_step(rs_tree_pack *p, size_t want, rs_buf *out);

#endif
