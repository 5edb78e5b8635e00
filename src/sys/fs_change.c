#include "sys/fs_change.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sys/fs_at.h"
#include "sys/fs_temp.h"
#include "sys/trace.h"

/* Making folders */

/* A mode that isn't the usual is set through a descriptor, so that nobody can put a link there in between. */
static int make_folder(int dir, const char *name, const rs_fs_make *make)
{
    unsigned first = make->mode ? 0700 : rs_fs_make_first(make, RS_FS_NEW_FOLDER);
    if (mkdirat(dir, name, first))
        return -errno;
    if (!make->mode && make->umask < 0)
        return 0;
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return make->mode ? -errno : 0;
    int err = rs_fs_make_finish(make, fd, RS_FS_NEW_FOLDER, false);
    close(fd);
    return err;
}

static bool is_folder_at(int dir, const char *name)
{
    struct stat st;
    return fstatat(dir, name, &st, 0) == 0 && S_ISDIR(st.st_mode);
}

static int make_last(int dir, const char *name, const rs_fs_mkdir_opts *o)
{
    int err = make_folder(dir, name, &o->make);
    return err == -EEXIST && o->exist_ok && is_folder_at(dir, name) ? 0 : err;
}

/* A folder on the way: we must be able to go on in it whatever the umask is. */
static int make_parent(int dir, const char *name, int umask)
{
    rs_fs_make make = {NULL, umask < 0 ? umask : umask & ~0300};
    int err = make_folder(dir, name, &make);
    return err == -EEXIST ? 0 : err;
}

/* Opens the folder `name` in *dir, making it when it isn't there, in place of *dir. */
static int descend(int *dir, const char *name, int umask)
{
    int next = openat(*dir, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (next < 0 && errno == ENOENT) {
        int err = make_parent(*dir, name, umask);
        if (err)
            return err;
        next = openat(*dir, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    }
    if (next < 0)
        return -errno;
    if (*dir >= 0)
        close(*dir);
    *dir = next;
    return 0;
}

static size_t last_part(const char *path, size_t *end)
{
    size_t n = *end = rs_fs_path_len(path);
    while (n > 0 && path[n - 1] != '/')
        n--;
    return n;
}

static int make_all(char *path, const rs_fs_mkdir_opts *o)
{
    size_t end, last = last_part(path, &end);
    int dir = path[0] == '/' ? open("/", O_PATH | O_DIRECTORY | O_CLOEXEC) : AT_FDCWD, err = 0;
    path[end] = 0;
    for (char *at = path + strspn(path, "/"); !err && at < path + last;) {
        size_t n = strcspn(at, "/");
        at[n] = 0;
        err = descend(&dir, at, o->make.umask);
        at += n + 1;
        at += strspn(at, "/");
    }
    if (!err)
        err = make_last(dir, path[last] ? path + last : ".", o);
    if (dir >= 0)
        close(dir);
    return err;
}

int rs_fs_mkdir(const char *path, const rs_fs_mkdir_opts *o)
{
    rs_fs_at at;
    int err = rs_fs_at_open(&at, path);
    if (!err) {
        err = make_last(at.dir, at.name, o);
        rs_fs_at_close(&at);
    }
    if (err != -ENOENT || !o->parents || !*path)
        return err;
    char *copy = strdup(path);
    if (!copy)
        return -ENOMEM;
    err = make_all(copy, o);
    free(copy);
    return err;
}

/* $TMPDIR, where that names a folder of use. */
static const char *temp_place(void)
{
    const char *dir = getenv("TMPDIR");
    struct stat st;
    bool good = dir && *dir == '/' && stat(dir, &st) == 0 && S_ISDIR(st.st_mode) && access(dir, W_OK | X_OK) == 0;
    return good ? dir : "/tmp";
}

int rs_fs_mktemp_dir(const char *dir, const char *prefix, char **out)
{
    const char *in = dir && *dir ? dir : temp_place();
    for (int i = 0; i < 100; i++) {
        char name[32], *path;
        int err = rs_fs_temp_name(name);
        if (err)
            return err;
        if (asprintf(&path, "%s/%s%s", in, prefix, strchr(name, '-') + 1) < 0)
            return -ENOMEM;
        rs_fs_at at;
        err = rs_fs_at_open(&at, path);
        rs_trace_made(path, !err);
        if (!err) {
            err = mkdirat(at.dir, at.name, 0700) ? -errno : 0;
            rs_fs_at_close(&at);
        }
        if (!err) {
            *out = path;
            return 0;
        }
        rs_trace_made(path, false);
        free(path);
        if (err != -EEXIST)
            return err;
    }
    return -EEXIST;
}

/* Removing one */

static int unlink_path(const char *path, int flags)
{
    rs_fs_at at;
    int err = rs_fs_at_open(&at, path);
    if (err)
        return err;
    err = unlinkat(at.dir, at.name, flags) ? -errno : 0;
    rs_fs_at_close(&at);
    return err;
}

int rs_fs_unlink(const char *path)
{
    return unlink_path(path, 0);
}

int rs_fs_rmdir(const char *path)
{
    return unlink_path(path, AT_REMOVEDIR);
}

/* Names */

int rs_fs_symlink(const char *target, const char *path)
{
    rs_fs_at at;
    int err = rs_fs_at_open(&at, path);
    if (err)
        return err;
    err = symlinkat(target, at.dir, at.name) ? -errno : 0;
    rs_fs_at_close(&at);
    return err;
}

typedef int two_paths(const rs_fs_at *a, const rs_fs_at *b);

static int link_at(const rs_fs_at *a, const rs_fs_at *b)
{
    return linkat(a->dir, a->name, b->dir, b->name, 0) ? -errno : 0;
}

static int rename_at(const rs_fs_at *a, const rs_fs_at *b)
{
    return renameat(a->dir, a->name, b->dir, b->name) ? -errno : 0;
}

static int with_both(const char *one, const char *two, two_paths *what)
{
    rs_fs_at a, b;
    int err = rs_fs_at_open(&a, one);
    if (err)
        return err;
    err = rs_fs_at_open(&b, two);
    if (!err) {
        err = what(&a, &b);
        rs_fs_at_close(&b);
    }
    rs_fs_at_close(&a);
    return err;
}

int rs_fs_link(const char *target, const char *path)
{
    return with_both(target, path, link_at);
}

int rs_fs_rename(const char *from, const char *to)
{
    return with_both(from, to, rename_at);
}
