/* The names in one folder. */
#ifndef RS_SYS_FS_NAMES_H
#define RS_SYS_FS_NAMES_H

#include <stdbool.h>
#include <stddef.h>

typedef struct rs_fs_name {
    const char *name;
    unsigned char type; /* DT_...; DT_UNKNOWN where the file system doesn't tell */
} rs_fs_name;

/* Zeroed is empty. */
typedef struct rs_fs_names {
    rs_fs_name *items;
    size_t n, cap;
    char *mem; /* what the names point into */
    size_t len, size;
} rs_fs_names;

/* Reads the folder fd from its start, without "." and "..", sorted by byte. Empty after a failure. */
int rs_fs_names_read(rs_fs_names *names, int fd);
/* Adds a name; items may be read after rs_fs_names_done, which sorts them and leaves each once. */
int rs_fs_names_add(rs_fs_names *names, const char *name, unsigned char type);
void rs_fs_names_done(rs_fs_names *names);
/* A binary search. */
bool rs_fs_names_has(const rs_fs_names *names, const char *name);
void rs_fs_names_fini(rs_fs_names *names);

#endif
