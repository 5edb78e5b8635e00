#include "sys/fs_content.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/fds.h"
#include "sys/fs_data.h"

/* linux/fs.h has it, which musl's tools come without. */
#ifndef FICLONE
#define FICLONE _IOW(0x94, 9, int)
#endif

enum { PIECE = 8 * 1024 * 1024, CHUNK = 128 * 1024 };

void rs_fs_content_init(rs_fs_content *c, int in, int out, off_t size)
{
    *c = (rs_fs_content){.in = in, .out = out, .size = size, .stream = size == 0};
    if (size > 0 && ioctl(out, FICLONE, in) == 0)
        c->at = size;
}

/* Reads into mem; 0 at the end of the file. */
static ssize_t read_at(const rs_fs_content *c, char *mem, size_t n)
{
    for (;;) {
        ssize_t got = c->stream ? read(c->in, mem, n) : pread(c->in, mem, n, c->at);
        if (got >= 0)
            return got;
        if (errno != EINTR)
            return -errno;
    }
}

static ssize_t copy_by_hand(rs_fs_content *c, size_t n)
{
    char *mem = malloc(CHUNK);
    if (!mem)
        return -ENOMEM;
    ssize_t got = read_at(c, mem, n < CHUNK ? n : CHUNK);
    if (got > 0 && !c->stream && lseek(c->out, c->at, SEEK_SET) < 0)
        got = -errno;
    int err = got > 0 ? rs_fds_write(c->out, mem, (size_t)got) : 0;
    free(mem);
    return err ? err : got;
}

static ssize_t copy_in_kernel(rs_fs_content *c, size_t n)
{
    off_t from = c->at, to = from;
    ssize_t got = copy_file_range(c->in, &from, c->out, &to, n, 0);
    if (got > 0)
        return got;
    /* 0 may be the end of the file, or a file system that can't and doesn't say so. */
    int err = got < 0 ? errno : 0;
    if (err == ENOSPC || err == EDQUOT || err == EIO || err == EFBIG)
        return -err;
    c->by_hand = true;
    return copy_by_hand(c, n);
}

/* Moves over a hole to the next data; without any more, to the end. */
static void skip_hole(rs_fs_content *c)
{
    if (c->at < c->data_end)
        return;
    off_t data = lseek(c->in, c->at, SEEK_DATA);
    if (data < 0 && errno == ENXIO) {
        c->at = c->size;
        return;
    }
    if (data > c->at)
        c->at = data < c->size ? data : c->size;
    off_t hole = lseek(c->in, c->at, SEEK_HOLE);
    c->data_end = hole > c->at && hole < c->size ? hole : c->size;
}

static int step_stream(rs_fs_content *c)
{
    ssize_t got = copy_by_hand(c, CHUNK);
    if (got > 0)
        c->at += got;
    return got < 0 ? (int)got : got > 0;
}

int rs_fs_content_step(rs_fs_content *c)
{
    if (c->stream)
        return step_stream(c);
    if (c->at < c->size)
        skip_hole(c);
    if (c->at < c->size) {
        off_t n = c->data_end - c->at;
        size_t ask = n < PIECE ? (size_t)n : PIECE;
        ssize_t got = c->by_hand ? copy_by_hand(c, ask) : copy_in_kernel(c, ask);
        if (got < 0)
            return (int)got;
        c->at += got;
        if (got > 0)
            return 1;
        c->size = c->at; /* somebody has cut the file */
    }
    /* A hole at the end is nothing but size. */
    return ftruncate(c->out, c->size) ? -errno : 0;
}
