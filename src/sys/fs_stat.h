/* What is known about one file. */
#ifndef RS_SYS_FS_STAT_H
#define RS_SYS_FS_STAT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

/* Names of the users and groups that were met; zeroed is empty. */
typedef struct rs_fs_ids {
    struct rs_fs_id *items;
    size_t n, cap;
} rs_fs_ids;

typedef struct rs_fs_stat {
    struct stat st;
    char *target;              /* of a link that wasn't followed; malloc'd */
    const char *owner, *group; /* the ids' */
} rs_fs_stat;

/* Adds the names of owner and group from ids; false when they aren't all there. */
bool rs_fs_stat_name(rs_fs_stat *s, const rs_fs_ids *ids);
/* Adds what other has. */
int rs_fs_ids_add(rs_fs_ids *ids, const rs_fs_ids *other);

/* ids NULL: no names are looked up. May block (users.h). */
int rs_fs_stat_at(rs_fs_stat *s, int dir, const char *name, bool follow, rs_fs_ids *ids);
int rs_fs_stat_path(rs_fs_stat *s, const char *path, bool follow, rs_fs_ids *ids);
void rs_fs_stat_fini(rs_fs_stat *s);
void rs_fs_ids_fini(rs_fs_ids *ids);

/* "file" "dir" "link" ...; "unknown". Static. */
const char *rs_fs_type_name(unsigned mode);
const char *rs_fs_type_of_entry(unsigned char dtype);

/* Whether it may be used so: any of R_OK W_OK X_OK, or F_OK. 1, 0 or a negative error. */
int rs_fs_access(const char *path, int how);
/* The path with no links and dots in it, malloc'd, of any length. */
int rs_fs_resolve(const char *path, char **out);

typedef struct rs_fs_disk {
    double total, free, available;
} rs_fs_disk;
int rs_fs_disk_of(const char *path, rs_fs_disk *out);

#endif
