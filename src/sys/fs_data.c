#include "sys/fs_data.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fds.h"
#include "sys/fs_at.h"
#include "sys/fs_temp.h"

#define UNANNOUNCED_MAX ((uint64_t)1 << 30)

enum { CHUNK = 64 * 1024 };

/* Moves to offset; what can't seek is read up to there. */
static int skip_to(int fd, uint64_t offset)
{
    char mem[4096];
    if (offset == 0)
        return 0;
    if (offset > INT64_MAX)
        return -EINVAL;
    if (lseek(fd, (off_t)offset, SEEK_SET) >= 0)
        return 0;
    if (errno != ESPIPE)
        return -errno;
    while (offset > 0) {
        ssize_t got = read(fd, mem, offset < sizeof mem ? (size_t)offset : sizeof mem);
        if (got < 0 && errno != EINTR)
            return -errno;
        if (got == 0)
            return 0;
        offset -= got > 0 ? (uint64_t)got : 0;
    }
    return 0;
}

/* How much to ask for at once: all that a regular file has left and one byte more, which is the end of the file. */
static uint64_t announced(int fd, uint64_t offset)
{
    struct stat st;
    if (fstat(fd, &st) || !S_ISREG(st.st_mode) || (uint64_t)st.st_size <= offset)
        return 0;
    return (uint64_t)st.st_size - offset + 1;
}

static int read_all(int fd, uint64_t want, uint64_t first, rs_buf *out)
{
    uint64_t limit = first > UNANNOUNCED_MAX ? UINT64_MAX : UNANNOUNCED_MAX;
    for (uint64_t done = 0; done < want;) {
        uint64_t ask = done < first ? first - done : CHUNK;
        char *to;
        if (ask > want - done)
            ask = want - done;
        if (done > limit)
            return RS_ELIMIT;
        int err = rs_buf_reserve(out, (size_t)ask, &to);
        if (err)
            return err;
        ssize_t got = read(fd, to, (size_t)ask);
        if (got == 0)
            return 0;
        if (got < 0 && errno != EINTR)
            return -errno;
        if (got > 0) {
            rs_buf_commit(out, (size_t)got);
            done += (uint64_t)got;
        }
    }
    return 0;
}

int rs_fs_read(const char *path, uint64_t offset, uint64_t n, rs_buf *out)
{
    int fd = rs_fs_open(AT_FDCWD, path, O_RDONLY | O_NOCTTY, 0);
    if (fd < 0)
        return fd;
    int err = skip_to(fd, offset);
    if (!err)
        err = read_all(fd, n, announced(fd, offset), out);
    close(fd);
    return err;
}

static int close_checked(int fd, int err)
{
    int closed = close(fd) ? -errno : 0;
    return err ? err : closed;
}

/* Writes over a file that can't be replaced. What it grows by is reserved first, so that a full disk is noticed while the
 * old content is still whole. */
static int write_over(int fd, const void *data, size_t n, const rs_fs_write_opts *o)
{
    struct stat st;
    if (fstat(fd, &st))
        return -errno;
    bool regular = S_ISREG(st.st_mode);
    if (regular && n > (size_t)st.st_size && fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)n) &&
        (errno == ENOSPC || errno == EDQUOT || errno == EFBIG))
        return -errno;
    int err = rs_fds_write(fd, data, n);
    if (!err && regular && ftruncate(fd, (off_t)n))
        err = -errno;
    if (!err && regular && o->make.mode && fchmod(fd, rs_mode_apply(o->make.mode, st.st_mode, false)))
        err = -errno;
    if (!err && o->sync && fsync(fd) && errno != EINVAL)
        err = -errno;
    return err;
}

static int write_path(const char *path, const void *data, size_t n, const rs_fs_write_opts *o)
{
    int fd = rs_fs_open(AT_FDCWD, path, O_WRONLY | O_NOCTTY, 0);
    if (fd == -ENOENT)
        fd = rs_fs_open_make(path, O_WRONLY | O_NOCTTY, &o->make);
    return fd < 0 ? fd : close_checked(fd, write_over(fd, data, n, o));
}

static int write_place(const rs_fs_place *p, const void *data, size_t n, const rs_fs_write_opts *o)
{
    int fd = openat(p->dir, p->name, O_WRONLY | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : close_checked(fd, write_over(fd, data, n, o));
}

/* Owner, attributes and mode of the file that will be replaced. */
static int inherit(const rs_fs_place *p, const struct stat *old, int fd, const rs_fs_write_opts *o)
{
    int from = openat(p->dir, p->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (from < 0)
        from = openat(p->dir, p->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (from < 0)
        return -errno;
    int err = rs_fs_attr_chown(fd, old);
    if (!err)
        err = rs_fs_attr_copy(from, fd, true);
    unsigned mode = old->st_mode & 07777;
    if (!err && fchmod(fd, o->make.mode ? rs_mode_apply(o->make.mode, mode, false) : mode))
        err = -errno;
    close(from);
    return err;
}

static int sync_folder(int dir)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int err = fd < 0 || fsync(fd) ? -errno : 0;
    if (fd >= 0)
        close(fd);
    return err;
}

/* old NULL: there is no file yet. */
static int replace(const rs_fs_place *p, const struct stat *old, const void *data, size_t n, const rs_fs_write_opts *o)
{
    rs_fs_temp t;
    int err = rs_fs_temp_open(&t, p->dir, old ? 0600 : rs_fs_make_first(&o->make, RS_FS_NEW_FILE), false);
    if (err)
        return err;
    err = rs_fds_write(t.fd, data, n);
    if (!err)
        err = old ? inherit(p, old, t.fd, o) : rs_fs_make_finish(&o->make, t.fd, RS_FS_NEW_FILE, !t.name[0]);
    if (!err && o->sync && fsync(t.fd))
        err = -errno;
    if (!err)
        err = rs_fs_temp_commit(&t, p->name, true);
    if (!err && o->sync)
        err = sync_folder(p->dir);
    rs_fs_temp_close(&t);
    return err;
}

/* The folder, its file system, or the old file's owner don't let us put a new file there (a file that is a mount point, as
 * in containers, gives EBUSY; a folder of /proc ENOENT). */
static bool try_in_place(int err)
{
    return err == -EACCES || err == -EPERM || err == -EBUSY || err == -EXDEV || err == -ENOENT;
}

/* p is where the last link leads; seen is what following all links gave, NULL for nothing. */
static int write_found(const char *path, rs_fs_place *p, const struct stat *seen, const void *data, size_t n,
                       const rs_fs_write_opts *o)
{
    struct stat st;
    bool there = fstatat(p->dir, p->name, &st, AT_SYMLINK_NOFOLLOW) == 0;
    /* A link of /proc leads elsewhere than its text says. */
    if (seen && (!there || st.st_dev != seen->st_dev || st.st_ino != seen->st_ino))
        return write_path(path, data, n, o);
    int err = replace(p, there ? &st : NULL, data, n, o);
    return there && try_in_place(err) ? write_place(p, data, n, o) : err;
}

static int stat_path(const char *path, struct stat *st)
{
    rs_fs_at at;
    int err = rs_fs_at_open(&at, path);
    if (err)
        return err;
    err = fstatat(at.dir, at.name, st, 0) ? -errno : 0;
    rs_fs_at_close(&at);
    return err;
}

static bool ends_in_slash(const char *path)
{
    size_t n = strlen(path);
    return n > 0 && path[n - 1] == '/';
}

int rs_fs_write(const char *path, const void *data, size_t n, const rs_fs_write_opts *o)
{
    struct stat st;
    rs_fs_place p;
    int err = stat_path(path, &st);
    if (err && err != -ENOENT)
        return err;
    bool there = !err;
    if (there ? S_ISDIR(st.st_mode) : ends_in_slash(path))
        return -EISDIR;
    if (o->in_place || (there && !S_ISREG(st.st_mode)))
        return write_path(path, data, n, o);
    err = rs_fs_place_open(&p, path);
    if (err)
        return err;
    err = rs_fs_place_follow(&p);
    if (!err)
        err = write_found(path, &p, there ? &st : NULL, data, n, o);
    rs_fs_place_close(&p);
    return err;
}

int rs_fs_open_make(const char *path, int flags, const rs_fs_make *make)
{
    struct stat st;
    bool made = flags & O_EXCL;
    int fd = made ? -ENOENT : rs_fs_open(AT_FDCWD, path, flags & ~O_CREAT, 0);
    if (fd == -ENOENT) {
        made = true;
        fd = rs_fs_open(AT_FDCWD, path, flags | O_CREAT, rs_fs_make_first(make, RS_FS_NEW_FILE));
    }
    if (fd < 0)
        return fd;
    int err = 0;
    if (made)
        err = rs_fs_make_finish(make, fd, RS_FS_NEW_FILE, false);
    else if (make->mode &&
             (fstat(fd, &st) || (S_ISREG(st.st_mode) && fchmod(fd, rs_mode_apply(make->mode, st.st_mode, false)))))
        err = -errno;
    if (err)
        close(fd);
    return err ? err : fd;
}

int rs_fs_append(const char *path, const void *data, size_t n, const rs_fs_write_opts *o)
{
    int fd = rs_fs_open_make(path, O_WRONLY | O_APPEND | O_NOCTTY, &o->make);
    if (fd < 0)
        return fd;
    int err = rs_fds_write(fd, data, n);
    if (!err && o->sync && fsync(fd) && errno != EINVAL)
        err = -errno;
    return close_checked(fd, err);
}

static int set_times(const char *path, const struct timespec times[2])
{
    rs_fs_at at;
    int err = rs_fs_at_open(&at, path);
    if (err)
        return err;
    err = utimensat(at.dir, at.name, times, 0) ? -errno : 0;
    rs_fs_at_close(&at);
    return err;
}

int rs_fs_touch(const char *path, const struct timespec times[2], const rs_fs_make *make)
{
    int err = set_times(path, times);
    if (err != -ENOENT)
        return err;
    int fd = rs_fs_open_make(path, O_WRONLY | O_NOCTTY | O_NONBLOCK, make);
    if (fd < 0)
        return fd;
    err = times && futimens(fd, times) ? -errno : 0;
    close(fd);
    return err;
}

int rs_fs_truncate(const char *path, uint64_t size)
{
    if (size > INT64_MAX)
        return -EFBIG;
    int fd = rs_fs_open(AT_FDCWD, path, O_WRONLY | O_NOCTTY | O_NONBLOCK, 0);
    if (fd < 0)
        return fd;
    int err = ftruncate(fd, (off_t)size) ? -errno : 0;
    return close_checked(fd, err);
}
