#include "sys/fs_at.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINKS_MAX = 40 }; /* as in the kernel */

static void close_dir(int fd)
{
    if (fd >= 0)
        close(fd);
}

/* Opens the folder that the first part of *path names, as much as the kernel takes, and moves *path behind it. */
static int step(int dir, const char **path)
{
    char piece[PATH_MAX];
    size_t n = PATH_MAX - 1;
    while (n > 0 && (*path)[n - 1] != '/')
        n--;
    if (n == 0)
        return -ENAMETOOLONG;
    memcpy(piece, *path, n);
    piece[n] = 0;
    int fd = openat(dir, piece, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    *path += n;
    while (**path == '/')
        (*path)++;
    return fd;
}

int rs_fs_at_from(rs_fs_at *at, int from, const char *path)
{
    int dir = from;
    *at = (rs_fs_at){AT_FDCWD, path};
    while (strlen(path) >= PATH_MAX) {
        int next = step(dir, &path);
        if (dir != from)
            close_dir(dir);
        if (next < 0)
            return next;
        dir = next;
    }
    /* What is borrowed must not be closed later. */
    if (dir == from && from != AT_FDCWD) {
        dir = fcntl(from, F_DUPFD_CLOEXEC, 0);
        if (dir < 0)
            return -errno;
    }
    at->dir = dir;
    at->name = *path || dir == from ? path : ".";
    return 0;
}

int rs_fs_at_open(rs_fs_at *at, const char *path)
{
    return rs_fs_at_from(at, AT_FDCWD, path);
}

void rs_fs_at_close(rs_fs_at *at)
{
    close_dir(at->dir);
    at->dir = AT_FDCWD;
}

static int open_at(int dir, const char *name, int flags, unsigned mode)
{
    int fd = openat(dir, name, flags | O_CLOEXEC, mode);
    if (fd < 0)
        return -errno;
    return fd;
}

int rs_fs_open(int from, const char *path, int flags, unsigned mode)
{
    rs_fs_at at;
    if (strlen(path) < PATH_MAX)
        return open_at(from, path, flags, mode);
    int got = rs_fs_at_from(&at, from, path);
    if (got)
        return got;
    got = open_at(at.dir, at.name, flags, mode);
    rs_fs_at_close(&at);
    return got;
}

static bool names_nothing(const char *name, size_t n)
{
    return n == 0 || (n == 1 && name[0] == '.') || (n == 2 && name[0] == '.' && name[1] == '.');
}

/* Opens the folder of a path relative to from and copies the last name. */
static int split(rs_fs_place *p, int from, const char *path)
{
    size_t end = strlen(path);
    if (end == 0)
        return -ENOENT;
    while (end > 0 && path[end - 1] == '/')
        end--;
    size_t start = end;
    while (start > 0 && path[start - 1] != '/')
        start--;
    bool whole = names_nothing(path + start, end - start);
    if (!whole && end - start > NAME_MAX)
        return -ENAMETOOLONG;
    char *folder = whole ? strdup(path) : start ? strndup(path, start) : strdup(".");
    int dir = folder ? rs_fs_open(from, folder, O_PATH | O_DIRECTORY, 0) : -ENOMEM;
    free(folder);
    if (dir < 0)
        return dir;
    p->dir = dir;
    snprintf(p->name, sizeof p->name, "%.*s", whole ? 1 : (int)(end - start), whole ? "." : path + start);
    return 0;
}

int rs_fs_place_open(rs_fs_place *p, const char *path)
{
    return split(p, AT_FDCWD, path);
}

void rs_fs_place_close(rs_fs_place *p)
{
    close_dir(p->dir);
    p->dir = -1;
}

/* In a folder that everybody may write to but where only owners may delete, a link of somebody else is a trap. */
static bool trap(const rs_fs_place *p, const struct stat *link)
{
    struct stat dir;
    if (fstat(p->dir, &dir))
        return true;
    return (dir.st_mode & (S_ISVTX | S_IWOTH)) == (S_ISVTX | S_IWOTH) && link->st_uid != geteuid() &&
           link->st_uid != dir.st_uid;
}

/* 1 when the place was a link and is now what that says. */
static int follow_one(rs_fs_place *p)
{
    struct stat st;
    int err = 0;
    if (fstatat(p->dir, p->name, &st, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISLNK(st.st_mode))
        return 0;
    if (trap(p, &st))
        return -EACCES;
    char *target = rs_fs_readlink(p->dir, p->name, &err);
    if (!target)
        return err;
    int dir = p->dir;
    err = split(p, dir, target);
    free(target);
    if (err)
        return err;
    close_dir(dir);
    return 1;
}

int rs_fs_place_follow(rs_fs_place *p)
{
    int got = 1;
    for (int links = 0; got > 0 && links <= LINKS_MAX; links++)
        got = follow_one(p);
    return got > 0 ? -ELOOP : got;
}

size_t rs_fs_path_len(const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    return n;
}

char *rs_fs_readlink(int dir, const char *name, int *err)
{
    char *mem = NULL;
    for (size_t size = 128;; size *= 2) {
        char *more = realloc(mem, size);
        if (!more) {
            *err = -ENOMEM;
            break;
        }
        mem = more;
        ssize_t n = readlinkat(dir, name, mem, size);
        if (n < 0) {
            *err = -errno;
            break;
        }
        if ((size_t)n < size) {
            mem[n] = 0;
            return mem;
        }
    }
    free(mem);
    return NULL;
}
