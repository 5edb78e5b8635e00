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

/* As the kernel shows an access control list: a version, then entries of a tag, rights and a number, which counts where
 * the tag names somebody. All are little-endian. */
enum { ACL_HEAD = 4, ACL_ENTRY = 8, ACL_VERSION = 2, ACL_USER = 2, ACL_GROUP = 8 };

static const char acl_prefix[] = "system.posix_acl_", acl_access[] = "system.posix_acl_access";

/* A name for the calls that know no open folders. */
static void proc_path(int dir, const char *name, char out[PROC_PATH])
{
    snprintf(out, PROC_PATH, "/proc/self/fd/%d/%s", dir, name);
}

static bool is_acl(const char *name)
{
    return strncmp(name, acl_prefix, sizeof acl_prefix - 1) == 0;
}

static bool is_kept(const char *name, unsigned kinds)
{
    if (is_acl(name))
        return kinds & RS_TREE_ACLS;
    bool usual = strncmp(name, "user.", 5) == 0 || (strcmp(name, "security.capability") == 0 && geteuid() == 0);
    return usual && kinds & RS_TREE_XATTRS;
}

/* The names that are kept, sorted. */
static int list(const char *path, unsigned kinds, rs_fs_names *names)
{
    *names = (rs_fs_names){0};
    ssize_t n = llistxattr(path, NULL, 0);
    if (n <= 0)
        return n < 0 && errno != ENOTSUP && errno != ENOSYS ? -errno : 0;
    char *mem = malloc((size_t)n);
    int err = mem ? 0 : -ENOMEM;
    n = mem ? llistxattr(path, mem, (size_t)n) : 0;
    for (char *name = mem; !err && name && name < mem + n; name += strlen(name) + 1)
        if (is_kept(name, kinds))
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

int rs_tree_attr_read(int dir, const char *name, unsigned kinds, rs_buf *out)
{
    char path[PROC_PATH];
    rs_fs_names names;
    proc_path(dir, name, path);
    int err = list(path, kinds, &names);
    if (!err)
        err = rs_buf_add_char(out, (char)kinds);
    for (size_t i = 0; !err && i < names.n; i++)
        err = add_one(path, names.items[i].name, out);
    rs_fs_names_fini(&names);
    return err;
}

/* ---- access control lists ---- */

static uint32_t get_le(const char *at, size_t n)
{
    uint32_t value = 0;
    for (size_t i = n; i > 0; i--)
        value = value << 8 | (unsigned char)at[i - 1];
    return value;
}

static void put_le32(char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (char)(value >> 8 * i & 255);
}

/* Goes over those whom a list of n bytes names; put: and writes down who they are here. What is no list is left to the
 * kernel to refuse. */
static void acl_ids(char *acl, size_t n, const rs_tree_ids *ids, bool put)
{
    if (n < ACL_HEAD || get_le(acl, 4) != ACL_VERSION)
        return;
    for (char *e = acl + ACL_HEAD; e + ACL_ENTRY <= acl + n; e += ACL_ENTRY) {
        uint32_t tag = get_le(e, 2);
        if (tag != ACL_USER && tag != ACL_GROUP)
            continue;
        uint32_t id = ids->of(ids->user, tag == ACL_GROUP, get_le(e + 4, 4));
        if (put)
            put_le32(e + 4, id);
    }
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

/* The kinds that are told; what follows them stays in *attrs. */
static unsigned take_kinds(rs_tree_bytes *attrs)
{
    return attrs->at < attrs->end ? (unsigned char)*attrs->at++ : 0;
}

void rs_tree_attr_ids(rs_tree_bytes attrs, const rs_tree_ids *ids)
{
    char text[256];
    rs_tree_bytes name, value;
    (void)take_kinds(&attrs);
    while (rs_tree_get_text(&attrs, &name) && rs_tree_get_text(&attrs, &value))
        if (text_of(name, text) == 0 && is_acl(text))
            acl_ids((char *)value.at, (size_t)(value.end - value.at), ids, false);
}

/* ---- giving ---- */

/* Where an attribute goes: a name, or an open file. */
typedef struct target {
    const char *path; /* NULL: fd */
    int fd;
    const rs_tree_ids *ids;
} target;

static int set(const target *t, const char *name, const char *value, size_t n)
{
    int bad = t->path ? lsetxattr(t->path, name, value, n, 0) : fsetxattr(t->fd, name, value, n, 0);
    return bad ? -errno : 0;
}

static int set_acl(const target *t, const char *name, rs_tree_bytes value)
{
    size_t n = (size_t)(value.end - value.at);
    char *mine = malloc(n + 1);
    if (!mine)
        return -ENOMEM;
    memcpy(mine, value.at, n);
    acl_ids(mine, n, t->ids, true);
    int err = set(t, name, mine, n);
    free(mine);
    return err;
}

static int set_all(const target *t, rs_tree_bytes attrs)
{
    char text[256];
    int err = 0;
    rs_tree_bytes name, value;
    while (!err && rs_tree_get_text(&attrs, &name) && rs_tree_get_text(&attrs, &value)) {
        err = text_of(name, text);
        if (!err)
            err = is_acl(text) ? set_acl(t, text, value) : set(t, text, value.at, (size_t)(value.end - value.at));
    }
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

static int drop_others(const char *path, unsigned kinds, rs_tree_bytes attrs)
{
    rs_fs_names names;
    int err = list(path, kinds, &names);
    for (size_t i = 0; !err && i < names.n; i++)
        if (!is_among(attrs, names.items[i].name) && lremovexattr(path, names.items[i].name) && errno != ENODATA)
            err = -errno;
    rs_fs_names_fini(&names);
    return err;
}

int rs_tree_attr_give(int dir, const char *name, rs_tree_bytes attrs, const rs_tree_ids *ids)
{
    char path[PROC_PATH];
    const target t = {.path = path, .ids = ids};
    proc_path(dir, name, path);
    unsigned kinds = take_kinds(&attrs);
    int err = drop_others(path, kinds, attrs);
    return err ? err : set_all(&t, attrs);
}

int rs_tree_attr_give_fd(int fd, rs_tree_bytes attrs, const rs_tree_ids *ids)
{
    const target t = {.fd = fd, .ids = ids};
    unsigned kinds = take_kinds(&attrs);
    if (kinds & RS_TREE_ACLS && !is_among(attrs, acl_access) && fremovexattr(fd, acl_access) && errno != ENODATA &&
        errno != ENOTSUP)
        return -errno;
    return set_all(&t, attrs);
}
