/* Makes a tree what a plan says, with the files of a stream (tree_stream.h). A file gets its name when it is complete;
 * folders get their times last.
 *
 * A plan begins with two texts, of the users and the groups that it names: a number and a text as often as there are, who
 * that is here ("": the number itself). Behind them are steps, which are done in their order, each a letter, a name below
 * the root ("" is the root) and what it needs. Names end with a NUL. Files are numbered as they stand there, from 0 on.
 *
 *     c, g                 removes it, with all that is in it; c: before anything is made, g: when all has come
 *     d ATTRS              makes a folder, in which we may write until all has come
 *     l FLAGS TARGET ATTRS makes a link
 *     f FLAGS PARTIAL ATTRS  a file that will come; PARTIAL: a name beside it, which is kept when it isn't complete
 *     h FLAGS TARGET       makes it another name of TARGET, a name below the root
 *     a ATTRS              when all has come
 *
 *     FLAGS := number      1: something is there   2: the file is executable (where no mode is given)
 *     ATTRS := mode seconds nanoseconds uid gid attributes     each number with 1 added, 0 for what isn't given;
 *                          attributes are a text (tree_attr.h), empty where they aren't given
 *
 * g, h and a come behind all others. */
#ifndef RS_SYS_TREE_UNPACK_H
#define RS_SYS_TREE_UNPACK_H

#include "sys/fs_fail.h"
#include "sys/tree_stream.h"

typedef struct rs_tree_unpack_opts {
    bool follow; /* the root may be a link to a folder */
    int umask;   /* for what is given no mode; -1: the process's */
} rs_tree_unpack_opts;

/* May move between threads, one at a time. */
typedef struct rs_tree_unpack rs_tree_unpack;

/* Does what comes before the files. The plan is copied. */
int rs_tree_unpack_new(rs_tree_unpack **out, const char *path, rs_tree_bytes plan, const rs_tree_unpack_opts *o,
                       rs_fs_fail *fail);
/* The next bytes of the stream. RS_EPROTO for what is none. */
int rs_tree_unpack_feed(rs_tree_unpack *u, const char *bytes, size_t n, rs_fs_fail *fail);
/* Does the rest. RS_EEOF when the stream wasn't complete. */
int rs_tree_unpack_finish(rs_tree_unpack *u, rs_fs_fail *fail);
/* What isn't complete goes, unless it has a PARTIAL. */
void rs_tree_unpack_free(rs_tree_unpack *u);

/* Whether a file has come; for h steps the numbers go on behind the files. False past the last. */
bool rs_tree_unpack_has(const rs_tree_unpack *u, uint64_t index, bool *come);

#endif
