#include "sys/fs_change.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "sys/fs_at.h"
#include "sys/fs_temp.h"
#include "sys/fs_tree.h"

int rs_fs_fail_note(rs_fs_fail *f, int err, const char *path)
{
    if (err && !f->err) {
        f->err = err;
        f->path = path ? strdup(path) : NULL;
    }
    return err;
}

void rs_fs_fail_fini(rs_fs_fail *f)
{
    free(f->path);
    *f = (rs_fs_fail){0};
}

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
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    *end = n;
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

int rs_fs_mktemp_dir(const char *dir, const char *prefix, char **out)
{
    const char *given = dir ? dir : getenv("TMPDIR");
    const char *in = given && *given ? given : "/tmp";
    for (int i = 0; i < 100; i++) {
        char name[32], *path;
        int err = rs_fs_temp_name(name);
        if (err)
            return err;
        if (asprintf(&path, "%s/%s%s", in, prefix, strchr(name, '-') + 1) < 0)
            return -ENOMEM;
        rs_fs_at at;
        err = rs_fs_at_open(&at, path);
        if (!err) {
            err = mkdirat(at.dir, at.name, 0700) ? -errno : 0;
            rs_fs_at_close(&at);
        }
        if (!err) {
            *out = path;
            return 0;
        }
        free(path);
        if (err != -EEXIST)
            return err;
    }
    return -EEXIST;
}

/* Removing */

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

/* What is gone already is as good as removed, except for the root. */
static int remove_entry(const rs_fs_visit *v, int flags)
{
    if (unlinkat(v->dir, v->name, flags) == 0 || (errno == ENOENT && v->depth > 0))
        return 0;
    return -errno;
}

/* Enters a folder; what isn't one any more is removed as what it is now. */
static int remove_or_enter(rs_fs_tree *t, const rs_fs_visit *v)
{
    if (v->type != DT_DIR)
        return remove_entry(v, 0);
    int err = rs_fs_tree_enter(t, false, 0);
    if (err == -ENOTDIR || err == -ELOOP)
        return remove_entry(v, 0);
    /* One that can't be read may still be empty. */
    if (err == -EACCES && remove_entry(v, AT_REMOVEDIR) == 0)
        return 0;
    return err == -ENOENT && v->depth > 0 ? 0 : err;
}

static int remove_tree(rs_fs_tree *t, rs_fs_fail *fail)
{
    rs_fs_visit v;
    int got;
    while ((got = rs_fs_tree_next(t, &v)) > 0) {
        int err = v.what == RS_FS_LEAVE ? remove_entry(&v, AT_REMOVEDIR) : remove_or_enter(t, &v);
        rs_fs_fail_note(fail, err, v.depth ? v.path : NULL);
    }
    rs_fs_fail_note(fail, got, NULL);
    return fail->err;
}

static bool is_root(int dir, const char *name)
{
    struct stat st, root;
    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && stat("/", &root) == 0 && st.st_dev == root.st_dev &&
           st.st_ino == root.st_ino;
}

int rs_fs_remove_at(int dir, const char *name, const char *shown, bool recursive, rs_fs_fail *fail)
{
    if (unlinkat(dir, name, 0) == 0)
        return 0;
    /* A folder is EISDIR in Linux, but some file systems say EPERM as POSIX has it. */
    int err = -errno;
    struct stat st;
    if (err == -ENOENT || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISDIR(st.st_mode))
        return rs_fs_fail_note(fail, err, NULL);
    if (!recursive)
        return rs_fs_fail_note(fail, -EISDIR, NULL);
    if (is_root(dir, name))
        return rs_fs_fail_note(fail, RS_EUSAGE, NULL);
    rs_fs_tree *t;
    err = rs_fs_tree_new_at(&t, dir, name, shown);
    if (err)
        return rs_fs_fail_note(fail, err, NULL);
    err = remove_tree(t, fail);
    rs_fs_tree_free(t);
    return err;
}

int rs_fs_remove(const char *path, bool recursive, rs_fs_fail *fail)
{
    rs_fs_place p;
    int err = rs_fs_place_open(&p, path);
    if (err)
        return rs_fs_fail_note(fail, err, NULL);
    if (strcmp(p.name, ".") == 0)
        err = rs_fs_fail_note(fail, is_root(p.dir, ".") ? RS_EUSAGE : -EINVAL, NULL);
    else
        err = rs_fs_remove_at(p.dir, p.name, path, recursive, fail);
    rs_fs_place_close(&p);
    return err;
}

/* Modes and owners */

static int chmod_entry(const rs_fs_visit *v, const rs_mode *mode, unsigned *result)
{
    struct stat st;
    if (fstatat(v->dir, v->name, &st, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT && v->depth > 0 ? 0 : -errno;
    if (S_ISLNK(st.st_mode))
        return 0;
    *result = rs_mode_apply(mode, st.st_mode, S_ISDIR(st.st_mode));
    if (*result == (st.st_mode & 07777))
        return 0;
    return fchmodat(v->dir, v->name, *result, AT_SYMLINK_NOFOLLOW) ? -errno : 0;
}

/* A folder that we could not read any more gets its mode on the way back. */
static int chmod_visit(rs_fs_tree *t, const rs_fs_visit *v, const rs_mode *mode)
{
    struct stat st;
    unsigned result = 0;
    if (v->what == RS_FS_LEAVE || v->type != DT_DIR)
        return chmod_entry(v, mode, &result);
    if (fstatat(v->dir, v->name, &st, AT_SYMLINK_NOFOLLOW))
        return -errno;
    int err = (rs_mode_apply(mode, st.st_mode, true) & 0500) == 0500 ? chmod_entry(v, mode, &result) : 0;
    if (err)
        return err;
    err = rs_fs_tree_enter(t, false, 0);
    return err == -ENOTDIR || err == -ELOOP ? 0 : err;
}

static int chmod_path(const char *path, const rs_mode *mode)
{
    rs_fs_at at;
    struct stat st;
    int err = rs_fs_at_open(&at, path);
    if (err)
        return err;
    if (fstatat(at.dir, at.name, &st, 0) ||
        fchmodat(at.dir, at.name, rs_mode_apply(mode, st.st_mode, S_ISDIR(st.st_mode)), 0))
        err = -errno;
    rs_fs_at_close(&at);
    return err;
}

static bool is_link(const char *path)
{
    rs_fs_at at;
    struct stat st;
    if (rs_fs_at_open(&at, path))
        return false;
    bool link = fstatat(at.dir, at.name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
    rs_fs_at_close(&at);
    return link;
}

int rs_fs_chmod(const char *path, const rs_mode *mode, bool recursive, rs_fs_fail *fail)
{
    rs_fs_tree *t;
    rs_fs_visit v;
    int got, err;
    if (!recursive || is_link(path))
        return rs_fs_fail_note(fail, chmod_path(path, mode), NULL);
    err = rs_fs_tree_new(&t, path);
    if (err)
        return rs_fs_fail_note(fail, err, NULL);
    while ((got = rs_fs_tree_next(t, &v)) > 0)
        rs_fs_fail_note(fail, chmod_visit(t, &v, mode), v.depth ? v.path : NULL);
    rs_fs_fail_note(fail, got, NULL);
    rs_fs_tree_free(t);
    return fail->err;
}

static int chown_path(const char *path, uid_t uid, gid_t gid, bool follow)
{
    rs_fs_at at;
    int err = rs_fs_at_open(&at, path);
    if (err)
        return err;
    err = fchownat(at.dir, at.name, uid, gid, follow ? 0 : AT_SYMLINK_NOFOLLOW) ? -errno : 0;
    rs_fs_at_close(&at);
    return err;
}

static int chown_visit(rs_fs_tree *t, const rs_fs_visit *v, uid_t uid, gid_t gid)
{
    if (v->what == RS_FS_LEAVE)
        return 0;
    if (fchownat(v->dir, v->name, uid, gid, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT && v->depth > 0 ? 0 : -errno;
    int err = v->type == DT_DIR ? rs_fs_tree_enter(t, false, 0) : 0;
    return err == -ENOTDIR || err == -ELOOP ? 0 : err;
}

int rs_fs_chown(const char *path, uid_t uid, gid_t gid, bool recursive, bool follow, rs_fs_fail *fail)
{
    rs_fs_tree *t;
    rs_fs_visit v;
    int got, err;
    if (!recursive || is_link(path))
        return rs_fs_fail_note(fail, chown_path(path, uid, gid, follow), NULL);
    err = rs_fs_tree_new(&t, path);
    if (err)
        return rs_fs_fail_note(fail, err, NULL);
    while ((got = rs_fs_tree_next(t, &v)) > 0)
        rs_fs_fail_note(fail, chown_visit(t, &v, uid, gid), v.depth ? v.path : NULL);
    rs_fs_fail_note(fail, got, NULL);
    rs_fs_tree_free(t);
    return fail->err;
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
