#include "sys/fs_temp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

int rs_fs_temp_name(char out[32])
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
    unsigned char bytes[16];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return -EIO;
    char *at = stpcpy(out, ".rshell-");
    for (size_t i = 0; i < sizeof bytes; i++)
        *at++ = letters[bytes[i] & 31];
    *at = 0;
    return 0;
}

int rs_fs_temp_try(int dir, char out[32], rs_fs_temp_make *make, void *user)
{
    int err = -EEXIST;
    for (int i = 0; err == -EEXIST && i < 100; i++) {
        err = rs_fs_temp_name(out);
        if (!err)
            err = make(user, dir, out);
    }
    return err;
}

/* The name under which /proc shows a descriptor. */
static void proc_name(int fd, char out[32])
{
    snprintf(out, 32, "/proc/self/fd/%d", fd);
}

/* Whether /proc names our descriptors; looked at until it does. */
static bool has_proc(int fd)
{
    static atomic_bool seen; /* workers ask too */
    char proc[32];
    if (atomic_load(&seen))
        return true;
    proc_name(fd, proc);
    if (faccessat(AT_FDCWD, proc, F_OK, 0))
        return false;
    atomic_store(&seen, true);
    return true;
}

/* A file without a name, in dir's file system; -1 where that can't be had, or where /proc couldn't name it later. */
static int open_nameless(int dir, unsigned mode)
{
    int fd = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
    if (fd < 0 || has_proc(fd))
        return fd;
    close(fd);
    return -1;
}

struct made {
    unsigned mode;
    int fd;
};

static int make_file(void *user, int dir, const char *name)
{
    struct made *m = user;
    m->fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, m->mode);
    return m->fd < 0 ? -errno : 0;
}

int rs_fs_temp_open(rs_fs_temp *t, int dir, unsigned mode, bool named)
{
    *t = (rs_fs_temp){.dir = dir, .fd = named ? -1 : open_nameless(dir, mode)};
    if (t->fd >= 0)
        return 0;
    struct made made = {mode, -1};
    int err = rs_fs_temp_try(dir, t->name, make_file, &made);
    if (err)
        t->name[0] = 0;
    t->fd = made.fd;
    return err;
}

static int name_it(void *user, int dir, const char *name)
{
    char proc[32];
    rs_fs_temp *t = user;
    proc_name(t->fd, proc);
    return linkat(AT_FDCWD, proc, dir, name, AT_SYMLINK_FOLLOW) ? -errno : 0;
}

/* rename(2) that doesn't replace, or link and unlink where the kernel or the file system can't. */
static int rename_new(int dir, const char *from, const char *to)
{
    if (syscall(SYS_renameat2, dir, from, dir, to, 1 /* RENAME_NOREPLACE */) == 0)
        return 0;
    if (errno != ENOSYS && errno != EINVAL)
        return -errno;
    if (linkat(dir, from, dir, to, 0))
        return -errno;
    unlinkat(dir, from, 0);
    return 0;
}

/* Closing any descriptor of a file makes a network file system write it out. */
static int flush(int fd)
{
    int again = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return again < 0 || close(again) ? -errno : 0;
}

int rs_fs_temp_commit(rs_fs_temp *t, const char *name, bool replace)
{
    int err = flush(t->fd);
    if (err)
        return err;
    if (!t->name[0]) {
        err = name_it(t, t->dir, name);
        if (err != -EEXIST || !replace)
            return err;
        err = rs_fs_temp_try(t->dir, t->name, name_it, t);
        if (err) {
            t->name[0] = 0;
            return err;
        }
    }
    if (replace)
        err = renameat(t->dir, t->name, t->dir, name) ? -errno : 0;
    else
        err = rename_new(t->dir, t->name, name);
    if (!err)
        t->name[0] = 0;
    return err;
}

void rs_fs_temp_close(rs_fs_temp *t)
{
    if (t->name[0])
        unlinkat(t->dir, t->name, 0);
    t->name[0] = 0;
    if (t->fd >= 0)
        close(t->fd);
    t->fd = -1;
}
