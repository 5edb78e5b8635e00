/* Modes of what is made, and what belongs to a file besides its bytes. */
#ifndef RS_SYS_FS_ATTR_H
#define RS_SYS_FS_ATTR_H

#include <stdbool.h>
#include <sys/stat.h>

#include "sys/fs_mode.h"

/* How something new gets its mode: `mode`, symbolic ones on what is usual less the umask; else what is usual less `umask`; else
 * what the kernel gives. */
typedef struct rs_fs_make {
    const rs_mode *mode; /* NULL: not given */
    int umask;           /* -1: the process's */
} rs_fs_make;

enum { RS_FS_NEW_FILE = 0666, RS_FS_NEW_FOLDER = 0777 };

/* What to create it with: never more than it will have. */
unsigned rs_fs_make_first(const rs_fs_make *m, unsigned usual);
/* What is left to do once it is there. nameless: it was made without a name (fs_temp.h). */
int rs_fs_make_finish(const rs_fs_make *m, int fd, unsigned usual, bool nameless);

/* Extended attributes, ACLs among them, but not those that vouch for the content; takes away ACLs that `to` inherited from
 * its folder and `from` doesn't have. strict: fails where one can't be set. `from` may be O_PATH. */
int rs_fs_attr_copy(int from, int to, bool strict);

/* What a copy shares with its original, st: with root's rights the owner, the extended attributes of `in`, the mode (set-id
 * bits only together with the owner), and last the times. */
int rs_fs_attr_give(int in, int out, const struct stat *st);
/* The same by name, for what isn't open: without extended attributes. Links are changed themselves. */
int rs_fs_attr_give_at(int dir, const char *name, const struct stat *st);

/* Never through a link. */
int rs_fs_attr_chmod_at(int dir, const char *name, unsigned mode);

/* The owner, where it differs. */
int rs_fs_attr_chown(int fd, const struct stat *want);

#endif
