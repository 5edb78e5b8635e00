#include "sys/tree_attr.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/err.h"
#include "sys/fs_names.h"

enum { PROC_PATH = 40 + NAME_MAX };

/* A name for the calls that know no open folders. */
static void proc_path(int dir, const char *name, char out[PROC_PATH])
{
    snprintf(out, PROC_PATH, "/proc/self/fd/%d/%s", dir, name);
}

static bool is_kept(const char *name)
{
    return strncmp(name, "user.", 5) == 0 || (strcmp(name, "security.capability") == 0 && geteuid() == 0);
}

/* The names that are kept, sorted. */
static int list(const char *path, rs_fs_names *names)
{
    *names = (rs_fs_names){0};
    ssize_t n = llistxattr(path, NULL, 0);
    if (n <= 0)
        return n < 0 && errno != ENOTSUP && errno != ENOSYS ? -errno : 0;
    char *mem = malloc((size_t)n);
    int err = mem ? 0 : -ENOMEM;
    n = mem ? llistxattr(path, mem, (size_t)n) : 0;
    for (char *name = mem; !err && name && name < mem + n; name += strlen(name) + 1)
        if (is_kept(name))
            err = rs_fs_names_add(names, name, 0);
    free(mem);
    rs_fs_names_done(names);
    return err;
}

static int add_one(const char *path, const char *name, rs_buf *out)
{
    ssize_t n = lgetxattr(path, name, NULL, 0);
    char *mem = n < 0 ? NULL : malloc((size_t)n + 1);
    int err = n < 0 ? -errno : mem ? 0 : -ENOMEM;
    if (!err && (n = lgetxattr(path, name, mem, (size_t)n)) < 0)
        err = -errno;
    if (!err)
        err = rs_tree_put_text(out, name, strlen(name));
    if (!err)
        err = rs_tree_put_text(out, mem, (size_t)n);
    free(mem);
    return err == -ENODATA ? 0 : err;
}

int rs_tree_attr_read(int dir, const char *name, rs_buf *out)
{
    char path[PROC_PATH];
    rs_fs_names names;
    proc_path(dir, name, path);
    int err = list(path, &names);
    for (size_t i = 0; !err && i < names.n; i++)
        err = add_one(path, names.items[i].name, out);
    rs_fs_names_fini(&names);
    return err;
}

/* The kernel takes no longer names. */
static int text_of(rs_tree_bytes name, char out[256])
{
    size_t n = (size_t)(name.end - name.at);
    if (n > 255)
        return -ENAMETOOLONG;
    memcpy(out, name.at, n);
    out[n] = 0;
    return 0;
}

static int set_one(const char *path, rs_tree_bytes name, rs_tree_bytes value)
{
    char text[256];
    int err = text_of(name, text);
    if (!err && lsetxattr(path, text, value.at, (size_t)(value.end - value.at), 0))
        err = -errno;
    return err;
}

static bool is_among(rs_tree_bytes attrs, const char *wanted)
{
    rs_tree_bytes name, value;
    size_t n = strlen(wanted);
    while (rs_tree_get_text(&attrs, &name) && rs_tree_get_text(&attrs, &value))
        if ((size_t)(name.end - name.at) == n && memcmp(name.at, wanted, n) == 0)
            return true;
    return false;
}

static int drop_others(const char *path, rs_tree_bytes attrs)
{
    rs_fs_names names;
    int err = list(path, &names);
    for (size_t i = 0; !err && i < names.n; i++)
        if (!is_among(attrs, names.items[i].name) && lremovexattr(path, names.items[i].name) && errno != ENODATA)
            err = -errno;
    rs_fs_names_fini(&names);
    return err;
}

static int give(const char *path, rs_tree_bytes attrs)
{
    rs_tree_bytes name, value;
    int err = drop_others(path, attrs);
    while (!err && rs_tree_get_text(&attrs, &name) && rs_tree_get_text(&attrs, &value))
        err = set_one(path, name, value);
    return err;
}

int rs_tree_attr_give(int dir, const char *name, rs_tree_bytes attrs)
{
    char path[PROC_PATH];
    proc_path(dir, name, path);
    return give(path, attrs);
}

static int set_one_fd(int fd, rs_tree_bytes name, rs_tree_bytes value)
{
    char text[256];
    int err = text_of(name, text);
    if (!err && fsetxattr(fd, text, value.at, (size_t)(value.end - value.at), 0))
        err = -errno;
    return err;
}

int rs_tree_attr_give_fd(int fd, rs_tree_bytes attrs)
{
    rs_tree_bytes name, value;
    int err = 0;
    while (!err && rs_tree_get_text(&attrs, &name) && rs_tree_get_text(&attrs, &value))
        err = set_one_fd(fd, name, value);
    return err;
}
