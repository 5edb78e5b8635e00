#include "sys/fs_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fds.h"
#include "sys/fs_at.h"
#include "sys/fs_data.h"

enum { CHUNK = 64 * 1024 };

struct rs_file {
    int fd;
    bool regular;
    rs_buf ahead; /* read from the kernel, not yet by the caller */
};

/* The flags of fopen's mode, or RS_EUSAGE. */
static int parse_mode(const char *mode)
{
    int flags;
    bool plus = false, excl = mode[0] == 'x';
    for (const char *s = mode + 1; mode[0] && *s; s++) {
        if (*s == '+' && !plus)
            plus = true;
        else if (*s == 'x' && !excl && mode[0] == 'w')
            excl = true;
        else if (*s != 'b' || s[1])
            return RS_EUSAGE;
    }
    switch (mode[0]) {
    case 'r': flags = 0; break;
    case 'w': flags = O_CREAT | O_TRUNC; break;
    case 'x': flags = O_CREAT; break;
    case 'a': flags = O_CREAT | O_APPEND; break;
    default: return RS_EUSAGE;
    }
    int access = plus ? O_RDWR : mode[0] == 'r' ? O_RDONLY : O_WRONLY;
    return flags | access | (excl ? O_EXCL : 0);
}

bool rs_file_is_mode(const char *mode)
{
    return parse_mode(mode) >= 0;
}

static int open_as(const char *path, int flags, const rs_fs_make *make)
{
    if (flags & O_CREAT)
        return rs_fs_open_make(path, flags | O_NOCTTY, make);
    return rs_fs_open(AT_FDCWD, path, flags | O_NOCTTY, 0);
}

int rs_file_open(rs_file **out, const char *path, const char *mode, const rs_fs_make *make)
{
    struct stat st;
    int flags = parse_mode(mode);
    if (flags < 0)
        return flags;
    int fd = open_as(path, flags, make);
    if (fd < 0)
        return fd;
    int err = fstat(fd, &st) ? -errno : 0;
    /* Opening a folder for reading succeeds, and every use of it fails. */
    if (!err && S_ISDIR(st.st_mode))
        err = -EISDIR;
    rs_file *f = err ? NULL : malloc(sizeof *f);
    if (!f) {
        close(fd);
        return err ? err : -ENOMEM;
    }
    *f = (rs_file){.fd = fd, .regular = S_ISREG(st.st_mode)};
    rs_buf_init(&f->ahead, 0);
    *out = f;
    return 0;
}

int rs_file_free(rs_file *f)
{
    if (!f)
        return 0;
    int err = close(f->fd) ? -errno : 0;
    rs_buf_fini(&f->ahead);
    free(f);
    return err;
}

/* Bytes into at; 0 at the end. */
static ssize_t read_some(rs_file *f, char *at, size_t n)
{
    for (;;) {
        ssize_t got = read(f->fd, at, n);
        if (got >= 0)
            return got;
        if (errno != EINTR)
            return -errno;
    }
}

/* Reads into the buffer what is there, up to a chunk. */
static ssize_t fill(rs_file *f)
{
    char *at;
    int err = rs_buf_reserve(&f->ahead, CHUNK, &at);
    if (err)
        return err;
    ssize_t got = read_some(f, at, CHUNK);
    if (got > 0)
        rs_buf_commit(&f->ahead, (size_t)got);
    return got;
}

static int take(rs_file *f, size_t n, rs_buf *out)
{
    int err = rs_buf_add(out, rs_buf_data(&f->ahead), n);
    if (!err)
        rs_buf_consume(&f->ahead, n);
    return err;
}

int rs_file_read(rs_file *f, uint64_t n, rs_buf *out)
{
    size_t have = rs_buf_len(&f->ahead);
    size_t first = n < have ? (size_t)n : have;
    int err = first ? take(f, first, out) : 0;
    for (n -= first; !err && n > 0;) {
        size_t ask = n < CHUNK ? (size_t)n : CHUNK;
        char *at;
        err = rs_buf_reserve(out, ask, &at);
        ssize_t got = err ? err : read_some(f, at, ask);
        if (got <= 0)
            return (int)got;
        rs_buf_commit(out, (size_t)got);
        n -= (uint64_t)got;
    }
    return err;
}

int rs_file_read_line(rs_file *f, rs_buf *out)
{
    for (size_t from = 0;;) {
        ptrdiff_t end = rs_buf_find(&f->ahead, '\n', from);
        if (end >= 0)
            return take(f, (size_t)end + 1, out);
        from = rs_buf_len(&f->ahead);
        ssize_t got = fill(f);
        if (got < 0)
            return (int)got;
        if (got == 0)
            return from ? take(f, from, out) : 0;
    }
}

/* What was read ahead is given back, so that the kernel's place is the caller's again. What can't seek has two places
 * anyway. */
static int drop_ahead(rs_file *f)
{
    size_t n = rs_buf_len(&f->ahead);
    if (n == 0)
        return 0;
    if (lseek(f->fd, -(off_t)n, SEEK_CUR) < 0)
        return errno == ESPIPE ? 0 : -errno;
    rs_buf_clear(&f->ahead);
    return 0;
}

int rs_file_write(rs_file *f, const void *data, size_t n)
{
    int err = drop_ahead(f);
    return err ? err : rs_fds_write(f->fd, data, n);
}

int rs_file_seek(rs_file *f, int whence, int64_t offset, int64_t *at)
{
    int err = drop_ahead(f);
    if (err)
        return err;
    off_t place = lseek(f->fd, (off_t)offset, whence);
    if (place < 0)
        return -errno;
    *at = place;
    return 0;
}

int rs_file_truncate(rs_file *f, uint64_t size)
{
    int err = drop_ahead(f);
    if (err)
        return err;
    if (size > INT64_MAX)
        return -EFBIG;
    return ftruncate(f->fd, (off_t)size) ? -errno : 0;
}

int rs_file_sync(rs_file *f)
{
    return fsync(f->fd) ? -errno : 0;
}

const char *rs_file_peek_line(const rs_file *f, size_t *n)
{
    ptrdiff_t end = rs_buf_find(&f->ahead, '\n', 0);
    *n = (size_t)end + 1;
    return end < 0 ? NULL : rs_buf_data(&f->ahead);
}

void rs_file_skip(rs_file *f, size_t n)
{
    rs_buf_consume(&f->ahead, n);
}

bool rs_file_is_regular(const rs_file *f)
{
    return f->regular;
}
