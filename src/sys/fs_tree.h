/* Going through a tree, entry by entry, in bounded stack and descriptors, never leaving it by accident: a folder is
 * entered only through the folder that holds it.
 *
 *   while ((got = rs_fs_tree_next(t, &v)) > 0)
 *       ENTRY: something in the tree, the root first, parents before children, a folder's entries sorted by byte.
 *              rs_fs_tree_enter makes its entries come next; without it they are left out.
 *       LEAVE: a folder that was entered has been gone through.
 */
#ifndef RS_SYS_FS_TREE_H
#define RS_SYS_FS_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sys/fs_names.h"

typedef struct rs_fs_tree rs_fs_tree;

/* Valid until the next visit, also when the entry is entered. */
typedef struct rs_fs_visit {
    enum { RS_FS_ENTRY, RS_FS_LEAVE } what;
    int dir;          /* the folder it is in, open (O_PATH perhaps) */
    const char *name; /* its name there */
    const char *path; /* as the root was given, joined with the names below */
    size_t path_len;
    size_t depth;       /* 0 for the root */
    unsigned char type; /* DT_...; never DT_UNKNOWN for what still exists */
    uint64_t tag;       /* what its folder was entered with */
} rs_fs_visit;

/* The root need not exist yet, its folder must. */
int rs_fs_tree_new(rs_fs_tree **out, const char *path);
/* The same for a name in an open folder, which is borrowed; path is only what visits show. */
int rs_fs_tree_new_at(rs_fs_tree **out, int dir, const char *name, const char *path);
void rs_fs_tree_free(rs_fs_tree *t);

/* 1, 0 at the end, or a negative error, which ends everything (-ESTALE: the tree was moved away under us). */
int rs_fs_tree_next(rs_fs_tree *t, rs_fs_visit *v);

/* Enters the entry that was visited last. A link is entered only with follow (-ENOTDIR or -ELOOP else). A failure changes
 * nothing. */
int rs_fs_tree_enter(rs_fs_tree *t, bool follow, uint64_t tag);
/* The same, but looks only for these names (taken, also after a failure; done), whether they exist or not. */
int rs_fs_tree_enter_names(rs_fs_tree *t, bool follow, uint64_t tag, rs_fs_names *names);

/* Of the folder that was entered last, before anything in it is visited: its names, and itself. */
const rs_fs_names *rs_fs_tree_names(const rs_fs_tree *t);
int rs_fs_tree_fd(const rs_fs_tree *t);

#endif
