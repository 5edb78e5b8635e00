/* What the kernel and the distribution write down about a machine, taken apart. No Lua, no system calls but of
 * rs_host_read. */
#ifndef RS_SYS_HOST_TEXT_H
#define RS_SYS_HOST_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Adds a whole file of /proc, /sys or /etc, which may tell a wrong size, and a NUL behind it that isn't counted. Relative
 * to a folder, or to AT_FDCWD. */
int rs_host_read(int dir, const char *path, rs_buf *out);

/* The next line without its newline; false at the end. *at starts at the text. */
bool rs_host_line(const char **at, const char *end, const char **line, size_t *len);

/* "Name:   123 kB": the number, times 1024 with a kB, of the first line of this name. */
bool rs_host_number(const char *text, size_t n, const char *name, uint64_t *out);

/* "KEY=value" of os-release, quoted as sh quotes; false where it is neither that nor right, or too long. */
enum { RS_HOST_KEY = 64, RS_HOST_VALUE = 2048 };
bool rs_host_os_release_line(const char *line, size_t n, char key[RS_HOST_KEY], char value[RS_HOST_VALUE]);

/* A line of /proc/mounts. The strings lie in the line itself, which is changed. */
typedef struct rs_host_mount {
    char *device, *path, *type, *options;
} rs_host_mount;
bool rs_host_mount_line(char *line, size_t n, rs_host_mount *out);

/* /proc/PID/stat. A name may hold every byte but NUL: brackets, blanks and newlines too. It points into the text. */
typedef struct rs_host_stat {
    int pid, ppid, pgid;
    char state;
    const char *name;
    size_t name_len;
    uint64_t start; /* clock ticks after the boot */
    uint64_t rss;   /* pages */
} rs_host_stat;
bool rs_host_stat_parse(const char *text, size_t n, rs_host_stat *out);

/* The effective one of "Uid:\t1\t2\t3\t4" in /proc/PID/status. */
bool rs_host_status_uid(const char *text, size_t n, uint32_t *out);

#endif
