/* Extended attributes of what is in a tree, as one piece of bytes: name, value, name, value, sorted, each a text of
 * tree_stream.h. Those of users, and as root the capabilities of programs. */
#ifndef RS_SYS_TREE_ATTR_H
#define RS_SYS_TREE_ATTR_H

#include "sys/tree_stream.h"

/* Appends those of a name in an open folder, which may be O_PATH; links have their own. None where the file system has
 * none. */
int rs_tree_attr_read(int dir, const char *name, rs_buf *out);

/* Makes them these, and no others. */
int rs_tree_attr_give(int dir, const char *name, rs_tree_bytes attrs);
/* The same for a new file, which has none. */
int rs_tree_attr_give_fd(int fd, rs_tree_bytes attrs);

#endif
