/* One file of the form of /etc/passwd and /etc/group, kept in memory until it changes on disk. Private to users.c and
 * host_users.c. */
#ifndef RS_SYS_USERS_FILE_H
#define RS_SYS_USERS_FILE_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "sys/users.h"

/* One line, as it lies in the file: not terminated. */
typedef struct rs_users_line {
    const char *text;
    size_t len;
    size_t name_len; /* the name is its first field */
    uint32_t id;     /* its third */
} rs_users_line;

typedef struct rs_users_file {
    const char *path;
    pthread_mutex_t lock;
    bool fresh; /* what follows was read, and holds as long as stat says what it said */
    struct stat seen;
    char *text;
    rs_users_line *lines;
    size_t count;
} rs_users_file;

#define RS_USERS_FILE(p)                                                                                               \
    {                                                                                                                  \
        .path = (p), .lock = PTHREAD_MUTEX_INITIALIZER                                                                 \
    }

/* Called with the file locked: it may not call back into it. A result other than 0 ends the walk and is returned. */
typedef int rs_users_use(void *user, const rs_users_line *line);

/* Hands the first line of this name, or of this id where name is NULL, to use. RS_ENOTFOUND; a file that isn't there has
 * no lines. */
int rs_users_file_find(rs_users_file *f, const char *name, uint32_t id, rs_users_use *use, void *user);
int rs_users_file_each(rs_users_file *f, rs_users_use *use, void *user);
/* Forgets what was read; for tests, since real ones live as long as the process. */
void rs_users_file_fini(rs_users_file *f);

/* Finds name and id in a line; false where it is no entry (a comment, NIS's + and -, too few fields, a bad number). */
bool rs_users_line_parse(const char *text, size_t len, rs_users_line *out);
/* The fields of a parsed line; false where one is too long. */
bool rs_users_line_user(const rs_users_line *line, rs_user *out);
bool rs_users_line_group(const rs_users_line *line, rs_group *out);
/* The members of a group's line, one after the other: *pos starts at 0; false at the end. */
bool rs_users_line_member(const rs_users_line *line, size_t *pos, const char **name, size_t *len);

#endif
