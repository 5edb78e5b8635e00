/* What is in a tree, as bytes: a head, and one record for each entry, folders before what is in them.
 *
 *     head   := flags us users groups   flags: 1: the root is a link, and was followed   2: attributes   4: digests
 *                                       us: who looks   users, groups: texts: a number and a name as often as there
 *                                       are, where they were asked for
 *     record := depth type mode size seconds nanoseconds uid gid nlink dev ino name
 *               target (of a link)  attributes (where they were asked for)  digest (where digests were, raw)
 *
 * All are numbers, besides the type (a letter: f d l s p b c), and the texts from name on. Seconds are zigzag-coded: 2n,
 * or -2n - 1 below zero. The root is the record with depth 0. */
#ifndef RS_SYS_TREE_LIST_H
#define RS_SYS_TREE_LIST_H

#include <stdbool.h>

#include "sys/digest.h"
#include "sys/fs_fail.h"
#include "sys/tree_stream.h"

typedef struct rs_tree_list_opts {
    /* Names below the root, in the order of a tree: a number and a name that ends with a NUL, as often as there are. The
     * number is 0, or the size at which a file's digest is wanted and 1. */
    rs_tree_bytes names;
    bool only_names;               /* nothing else is looked at */
    bool follow;                   /* the root may be a link to a folder */
    unsigned attributes;           /* the kinds that are told (tree_attr.h) */
    bool owners;                   /* their names too */
    const rs_digest_class *digest; /* NULL: none */
} rs_tree_list_opts;

/* Nothing but the head where there is no root. */
int rs_tree_list(const char *path, const rs_tree_list_opts *o, rs_buf *out, rs_fs_fail *fail);

#endif
