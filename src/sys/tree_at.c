#include "sys/tree_at.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int rs_tree_at_open(rs_tree_at *t, const char *path, bool follow)
{
    *t = (rs_tree_at){.follow = follow, .root = -1, .fd = -1};
    int err = rs_fs_place_open(&t->place, path);
    if (err)
        return err;
    t->path = strdup(path);
    if (!t->path) {
        rs_fs_place_close(&t->place);
        return -ENOMEM;
    }
    return 0;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void rs_tree_at_forget(rs_tree_at *t)
{
    close_fd(&t->fd);
    close_fd(&t->root);
    free(t->folder);
    t->folder = NULL;
}

void rs_tree_at_close(rs_tree_at *t)
{
    rs_tree_at_forget(t);
    if (t->path)
        rs_fs_place_close(&t->place);
    free(t->path);
    t->path = NULL;
}

static int open_root(rs_tree_at *t)
{
    int flags = O_PATH | O_DIRECTORY | O_CLOEXEC | (t->follow ? 0 : O_NOFOLLOW);
    if (t->root < 0)
        t->root = openat(t->place.dir, t->place.name, flags);
    return t->root < 0 ? -errno : 0;
}

/* A folder's name may have a NUL behind it, or a slash. */
static int step_down(int *fd, const char *part, size_t n, bool borrowed)
{
    char name[NAME_MAX + 1];
    if (n > NAME_MAX)
        return -ENAMETOOLONG;
    memcpy(name, part, n);
    name[n] = 0;
    int next = openat(*fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int err = next < 0 ? -errno : 0;
    if (!borrowed)
        close(*fd);
    *fd = next;
    return err;
}

/* From the open folder on, which is borrowed, down the parts of a path. */
static int walk(int from, const char *path, const char *end, int *out)
{
    int fd = from, err = 0;
    while (!err && path < end) {
        const char *slash = memchr(path, '/', (size_t)(end - path));
        size_t n = (size_t)((slash ? slash : end) - path);
        err = step_down(&fd, path, n, fd == from);
        path += n + 1;
    }
    *out = fd;
    return err;
}

/* Below the one that is open already, where it is on the way. */
static int open_folder(rs_tree_at *t, const char *rel, size_t n)
{
    size_t have = t->folder ? strlen(t->folder) : 0;
    bool below = t->fd >= 0 && have > 0 && have < n && rel[have] == '/' && memcmp(rel, t->folder, have) == 0;
    int fd = -1, err = below ? 0 : open_root(t);
    char *folder = strndup(rel, n);
    if (!err)
        err = folder ? walk(below ? t->fd : t->root, below ? rel + have + 1 : rel, rel + n, &fd) : -ENOMEM;
    close_fd(&t->fd);
    free(t->folder);
    t->folder = err ? NULL : folder;
    t->fd = fd;
    if (err)
        free(folder);
    return err;
}

int rs_tree_at_find(rs_tree_at *t, const char *rel, int *dir, const char **name)
{
    const char *slash = strrchr(rel, '/');
    size_t n = slash ? (size_t)(slash - rel) : 0;
    int err = 0;
    if (!*rel) {
        *dir = t->place.dir;
        *name = t->place.name;
        return 0;
    }
    *name = slash ? slash + 1 : rel;
    if (!slash) {
        err = open_root(t);
        *dir = t->root;
        return err;
    }
    bool same = t->fd >= 0 && t->folder && strlen(t->folder) == n && memcmp(rel, t->folder, n) == 0;
    if (!same)
        err = open_folder(t, rel, n);
    *dir = t->fd;
    return err;
}

char *rs_tree_at_shown(const rs_tree_at *t, const char *rel)
{
    char *shown;
    size_t n = strlen(t->path);
    const char *slash = *rel && t->path[n - 1] != '/' ? "/" : "";
    return asprintf(&shown, "%s%s%s", t->path, slash, rel) < 0 ? NULL : shown;
}
