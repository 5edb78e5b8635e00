/* Names below the root of a tree, found without following any link on the way: who has made a link of a folder meanwhile
 * doesn't lead us elsewhere. */
#ifndef RS_SYS_TREE_AT_H
#define RS_SYS_TREE_AT_H

#include <stdbool.h>
#include <stddef.h>

#include "sys/fs_at.h"

/* May move between threads, one at a time. */
typedef struct rs_tree_at {
    rs_fs_place place; /* of the root itself */
    char *path;        /* as it was given */
    bool follow;       /* the root may be a link to a folder */
    int root;          /* open, or -1 */
    int fd;            /* the folder that was found last, or -1 */
    char *folder;      /* its name */
} rs_tree_at;

/* The root need not exist yet, its folder must. After a failure there is nothing to close. */
int rs_tree_at_open(rs_tree_at *t, const char *path, bool follow);
void rs_tree_at_close(rs_tree_at *t);

/* The open folder (O_PATH) that a name is in, and its last part; "" is the root. Valid until the next call. */
int rs_tree_at_find(rs_tree_at *t, const char *rel, int *dir, const char **name);

/* Folders may have gone: what was open is found anew. */
void rs_tree_at_forget(rs_tree_at *t);

/* The whole path, malloc'd; NULL without memory. */
char *rs_tree_at_shown(const rs_tree_at *t, const char *rel);

#endif
