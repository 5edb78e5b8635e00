/* Extended attributes of what is in a tree, as one piece of bytes: a byte that says which kinds are told, then name,
 * value, name, value, sorted, each a text of tree_stream.h. */
#ifndef RS_SYS_TREE_ATTR_H
#define RS_SYS_TREE_ATTR_H

#include <stdbool.h>

#include "sys/tree_stream.h"

/* Those of users, and as root the capabilities of programs; access control lists. */
enum { RS_TREE_XATTRS = 1, RS_TREE_ACLS = 2 };

/* Who is named in an access control list, where they come to: another number, or the same. */
typedef struct rs_tree_ids {
    uint32_t (*of)(void *user, bool group, uint32_t id);
    void *user;
} rs_tree_ids;

/* Appends those of these kinds of a name in an open folder, which may be O_PATH; links have their own. None where the
 * file system has none. */
int rs_tree_attr_read(int dir, const char *name, unsigned kinds, rs_buf *out);
/* Shows all whom the lists among them name; what comes back is ignored. */
void rs_tree_attr_ids(rs_tree_bytes attrs, const rs_tree_ids *ids);

/* Makes those of the kinds that are told these, and no others. */
int rs_tree_attr_give(int dir, const char *name, rs_tree_bytes attrs, const rs_tree_ids *ids);
/* The same for a new file, which has none but the lists that its folder gives to what is new. */
int rs_tree_attr_give_fd(int fd, rs_tree_bytes attrs, const rs_tree_ids *ids);

#endif
