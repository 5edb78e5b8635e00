#include "sys/fs_ladder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OPEN_MAX_RUNGS = 32 };

static void rung_close(rs_fs_rung *r)
{
    if (r->fd >= 0)
        close(r->fd);
    r->fd = -1;
}

void rs_fs_ladder_fini(rs_fs_ladder *l)
{
    for (size_t i = 0; i < l->n; i++)
        rung_close(&l->rungs[i]);
    free(l->rungs);
    *l = (rs_fs_ladder){0};
}

static int grow(rs_fs_ladder *l)
{
    if (l->n < l->cap)
        return 0;
    size_t cap = l->cap ? l->cap * 2 : 16;
    rs_fs_rung *rungs = realloc(l->rungs, cap * sizeof *rungs);
    if (!rungs)
        return -ENOMEM;
    l->rungs = rungs;
    l->cap = cap;
    return 0;
}

int rs_fs_ladder_push(rs_fs_ladder *l, int fd, bool stray)
{
    struct stat st;
    int err = fstat(fd, &st) ? -errno : grow(l);
    if (err) {
        close(fd);
        return err;
    }
    l->rungs[l->n++] = (rs_fs_rung){.fd = fd, .stray = stray, .dev = st.st_dev, .ino = st.st_ino};
    if (l->n > OPEN_MAX_RUNGS && !l->rungs[l->n - OPEN_MAX_RUNGS].stray)
        rung_close(&l->rungs[l->n - OPEN_MAX_RUNGS - 1]);
    return 0;
}

/* Opens the folder above as ".." of the lowest one. */
static int reopen(rs_fs_rung *above, int below)
{
    struct stat st;
    above->fd = openat(below, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (above->fd < 0)
        return -errno;
    if (fstat(above->fd, &st))
        return -errno;
    return st.st_dev == above->dev && st.st_ino == above->ino ? 0 : -ESTALE;
}

int rs_fs_ladder_pop(rs_fs_ladder *l)
{
    rs_fs_rung *lowest = &l->rungs[--l->n];
    int err = 0;
    if (l->n > 0 && lowest[-1].fd < 0)
        err = reopen(&lowest[-1], lowest->fd);
    rung_close(lowest);
    return err;
}

int rs_fs_ladder_fd(const rs_fs_ladder *l)
{
    return l->rungs[l->n - 1].fd;
}
