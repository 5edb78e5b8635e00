/* What is in folders and trees. */
#ifndef RS_SYS_FS_LIST_H
#define RS_SYS_FS_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "sys/fs_fail.h"
#include "sys/fs_stat.h"

typedef struct rs_fs_item {
    char *path;
    const char *type; /* static */
    rs_fs_stat stat;  /* lstat's, where it was asked for */
} rs_fs_item;

/* Zeroed is empty. */
typedef struct rs_fs_items {
    rs_fs_item *items;
    size_t n, cap;
    rs_fs_ids ids;
} rs_fs_items;

void rs_fs_items_fini(rs_fs_items *items);

/* The names in a folder, sorted by byte. With stat, an entry that vanishes meanwhile is left out. */
int rs_fs_list(const char *path, bool stat, rs_fs_items *out);

/* What matches below root (or below "/" for an absolute pattern), sorted by byte; folders that can't be read are as good
 * as empty. */
int rs_fs_glob(const char *root, const char *pattern, bool stat, rs_fs_items *out);

typedef struct rs_fs_walk_opts {
    const char *filter; /* what to give, by name; NULL: everything */
    const char *enter;  /* which folders to enter, by name; NULL: all */
    bool no_folders;    /* don't give folders */
    bool stat;
    size_t depth; /* 0: no limit */
} rs_fs_walk_opts;

/* A walk that is taken up again and again; may move between threads, one at a time. */
typedef struct rs_fs_walk rs_fs_walk;

/* Opens the folder, through a link too; the strings are copied. */
int rs_fs_walk_new(rs_fs_walk **out, const char *path, const rs_fs_walk_opts *opts);
void rs_fs_walk_free(rs_fs_walk *w);

/* Adds at most n items, fewer when it takes too long: perhaps none. 1 when there may be more, 0 at the end. */
int rs_fs_walk_next(rs_fs_walk *w, size_t n, rs_fs_items *out);

/* The folders that couldn't be read up to now; the walk's. */
const rs_fs_fail *rs_fs_walk_errors(const rs_fs_walk *w, size_t *n);

#endif
