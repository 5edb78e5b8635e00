#include "sys/fs_attr.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

static const char acl_name[] = "system.posix_acl_access";
static const char default_acl_name[] = "system.posix_acl_default";

static bool is_folder(unsigned usual)
{
    return usual == RS_FS_NEW_FOLDER;
}

/* What a symbolic mode changes; who writes octal digits means exactly them. */
static unsigned apply_mode(const rs_fs_make *m, unsigned usual)
{
    int umask = m->umask >= 0 || m->mode->ops[0].exact ? m->umask : rs_mode_umask();
    return rs_mode_apply(m->mode, umask < 0 ? usual : usual & ~(unsigned)umask, is_folder(usual));
}

unsigned rs_fs_make_first(const rs_fs_make *m, unsigned usual)
{
    if (m->mode)
        return apply_mode(m, usual) & 0777;
    return m->umask >= 0 ? usual & ~(unsigned)m->umask : usual;
}

static bool has_acl(int fd)
{
    return fgetxattr(fd, acl_name, NULL, 0) > 0;
}

static int set_mode(int fd, unsigned mode)
{
    return fchmod(fd, mode) ? -errno : 0;
}

/* The kernel has taken the process's umask from the mode, or a default ACL has decided instead, which must stand: then the
 * bits are others than the umask explains. */
static int finish_umask(const rs_fs_make *m, int fd, unsigned usual, bool nameless)
{
    struct stat st;
    int ours = rs_mode_umask();
    unsigned hidden = ours < 0 ? 0 : (unsigned)ours;
    if (fstat(fd, &st))
        return -errno;
    unsigned is = st.st_mode & 0777, special = st.st_mode & 07000;
    unsigned want = usual & ~(m->umask >= 0 ? (unsigned)m->umask : hidden);
    if (is == want || has_acl(fd))
        return 0;
    if (m->umask >= 0)
        return ours < 0 || is == (want & ~hidden) ? set_mode(fd, special | want) : 0;
    return nameless && is == usual ? set_mode(fd, special | want) : 0;
}

int rs_fs_make_finish(const rs_fs_make *m, int fd, unsigned usual, bool nameless)
{
    if (m->mode)
        return set_mode(fd, apply_mode(m, usual));
    return m->umask >= 0 || nameless ? finish_umask(m, fd, usual, nameless) : 0;
}

/* Signatures and capabilities were given for the old content; the kernel takes them away too when a file is written. */
static bool vouches(const char *name)
{
    return strcmp(name, "security.capability") == 0 || strcmp(name, "security.ima") == 0 ||
           strcmp(name, "security.evm") == 0;
}

/* The two calls of the same shape for a descriptor that may be O_PATH, for which they don't work but its name does. */
static ssize_t list_names(int fd, char *mem, size_t n)
{
    char proc[32];
    ssize_t got = flistxattr(fd, mem, n);
    if (got >= 0 || errno != EBADF)
        return got;
    snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
    return listxattr(proc, mem, n);
}

static ssize_t get_value(int fd, const char *name, char *mem, size_t n)
{
    char proc[32];
    ssize_t got = fgetxattr(fd, name, mem, n);
    if (got >= 0 || errno != EBADF)
        return got;
    snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
    return getxattr(proc, name, mem, n);
}

static int copy_one(int from, int to, const char *name)
{
    ssize_t n = get_value(from, name, NULL, 0);
    char *mem = n < 0 ? NULL : malloc((size_t)n + 1);
    int err = n < 0 ? -errno : mem ? 0 : -ENOMEM;
    if (!err) {
        n = get_value(from, name, mem, (size_t)n);
        if (n < 0 || fsetxattr(to, name, mem, (size_t)n, 0))
            err = -errno;
    }
    free(mem);
    return err;
}

/* Attributes that only the system may set are its own business; a file system without any has none to lose. */
static bool may_be_lost(int err, const char *name)
{
    return err == -ENODATA || err == -ENOTSUP ||
           ((err == -EPERM || err == -EACCES) && strncmp(name, "user.", 5) != 0 && strcmp(name, acl_name) != 0);
}

/* All names, each with its NUL, malloc'd; NULL where there are none or can't be any. */
static char *read_names(int fd, size_t *len)
{
    ssize_t n = list_names(fd, NULL, 0);
    char *mem = n > 0 ? malloc((size_t)n) : NULL;
    if (mem)
        n = list_names(fd, mem, (size_t)n);
    *len = mem && n > 0 ? (size_t)n : 0;
    return mem;
}

static void drop_inherited(int fd, const char *name)
{
    if (fgetxattr(fd, name, NULL, 0) > 0)
        fremovexattr(fd, name);
}

int rs_fs_attr_copy(int from, int to, bool strict)
{
    size_t n;
    char *names = read_names(from, &n);
    bool acl = false, default_acl = false;
    int err = 0;
    for (char *name = names; !err && n > 0 && name < names + n; name += strlen(name) + 1) {
        if (vouches(name))
            continue;
        acl |= strcmp(name, acl_name) == 0;
        default_acl |= strcmp(name, default_acl_name) == 0;
        err = copy_one(from, to, name);
        if (err && (!strict || may_be_lost(err, name)))
            err = 0;
    }
    if (!acl)
        drop_inherited(to, acl_name);
    if (!default_acl)
        drop_inherited(to, default_acl_name);
    free(names);
    return err;
}

int rs_fs_attr_chown(int fd, const struct stat *want)
{
    struct stat st;
    if (fstat(fd, &st))
        return -errno;
    if (st.st_uid == want->st_uid && st.st_gid == want->st_gid)
        return 0;
    return fchown(fd, want->st_uid, want->st_gid) ? -errno : 0;
}

/* Set-id bits go with the owner that they were given for. */
static unsigned kept_mode(const struct stat *from, const struct stat *is)
{
    bool same = from->st_uid == is->st_uid && from->st_gid == is->st_gid;
    return from->st_mode & (same ? 07777 : 01777);
}

int rs_fs_attr_give(int in, int out, const struct stat *st)
{
    struct stat is;
    if (geteuid() == 0 && fchown(out, st->st_uid, st->st_gid) && errno != EPERM && errno != EINVAL)
        return -errno;
    rs_fs_attr_copy(in, out, false);
    if (fstat(out, &is) || fchmod(out, kept_mode(st, &is)))
        return -errno;
    const struct timespec times[2] = {st->st_atim, st->st_mtim};
    return futimens(out, times) ? -errno : 0;
}

int rs_fs_attr_chmod_at(int dir, const char *name, unsigned mode)
{
    if (fchmodat(dir, name, mode, AT_SYMLINK_NOFOLLOW) == 0)
        return 0;
    /* The C library goes through /proc, which isn't everywhere. */
    int err = -errno;
    if (err != -EOPNOTSUPP && err != -ENOSYS && err != -ENOENT)
        return err;
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return err;
    err = fchmod(fd, mode) ? -errno : 0;
    close(fd);
    return err;
}

int rs_fs_attr_give_at(int dir, const char *name, const struct stat *st)
{
    struct stat is;
    if (geteuid() == 0 && fchownat(dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) && errno != EPERM &&
        errno != EINVAL)
        return -errno;
    if (fstatat(dir, name, &is, AT_SYMLINK_NOFOLLOW))
        return -errno;
    unsigned mode = kept_mode(st, &is);
    int err = S_ISLNK(is.st_mode) || (is.st_mode & 07777) == mode ? 0 : rs_fs_attr_chmod_at(dir, name, mode);
    if (err)
        return err;
    const struct timespec times[2] = {st->st_atim, st->st_mtim};
    return utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) ? -errno : 0;
}
