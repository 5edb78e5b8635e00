/* Patterns of names and paths: * ? [a-z] [!x] \x in a part, and ** as a part of its own for any number of folders. A dot
 * at the start of a name must be written. A character is UTF-8's, or a byte where the name isn't UTF-8. */
#ifndef RS_SYS_FS_GLOB_H
#define RS_SYS_FS_GLOB_H

#include <stdbool.h>
#include <stdint.h>

typedef struct rs_glob rs_glob;

/* RS_ELIMIT past 62 parts, -ENOMEM. Everything else is a pattern. */
int rs_glob_new(rs_glob **out, const char *pattern);
void rs_glob_free(rs_glob *g);

/* It starts with a slash; it ends in one, so only folders match. */
bool rs_glob_is_absolute(const rs_glob *g);
bool rs_glob_wants_folder(const rs_glob *g);

/* One part against one name. */
bool rs_glob_match_name(const char *pattern, const char *name);

/* A relative pattern has to match the last parts of the path, an absolute one all of it. */
bool rs_glob_match_path(const rs_glob *g, const char *path);

/* For going through a tree: the set of places in the pattern where the entries of a folder have to go on. From the
 * folder's set and an entry's name comes the entry's set, 0 when nothing can match there. folder: the entry is one itself,
 * not a link to one. */
typedef uint64_t rs_glob_set;
rs_glob_set rs_glob_start(const rs_glob *g);
rs_glob_set rs_glob_step(const rs_glob *g, rs_glob_set set, const char *name, bool folder);
/* The entry matches as a whole. */
bool rs_glob_is_match(const rs_glob *g, rs_glob_set set);
/* Something in the entry may match; as the set to enter it with, 0 for no. */
rs_glob_set rs_glob_below(const rs_glob *g, rs_glob_set set);
/* Only names without wildcards can go on here: no need to read the folder. */
bool rs_glob_is_plain(const rs_glob *g, rs_glob_set set);
/* Calls add for each name without wildcards that can go on; a result other than 0 ends it and is returned. */
typedef int rs_glob_add(void *user, const char *name);
int rs_glob_each_plain(const rs_glob *g, rs_glob_set set, rs_glob_add *add, void *user);

#endif
