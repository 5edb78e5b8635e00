#include "sys/tree_pack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "sys/tree_at.h"

/* A block of one piece fills frames of a stream, and no further one with a few bytes (rpc/pipe.c). */
enum { HEAD = 4, PIECE = 8 * (32 * 1024 - 12) - HEAD };

enum { TRIES = 4 }; /* for a file that becomes shorter while it is read */

struct rs_tree_pack {
    rs_tree_at at;
    char *names;
    rs_tree_bytes rest; /* of the names */
    bool over;
    uint64_t index; /* of the next name */
    const char *name;
    int tries; /* that are left for it; its turn comes again when it was broken off */
    bool again;

    int fd; /* the file that is under way, or -1 */
    uint64_t place, size;
    uint64_t data_end; /* up to here it is no hole */
    bool sparse;
};

int rs_tree_pack_new(rs_tree_pack **out, const char *path, rs_tree_bytes names)
{
    size_t n = (size_t)(names.end - names.at);
    rs_tree_pack *p = calloc(1, sizeof *p);
    char *copy = malloc(n + 1);
    int err = p && copy ? rs_tree_at_open(&p->at, path, false) : -ENOMEM;
    if (err) {
        free(p);
        free(copy);
        return err;
    }
    if (n)
        memcpy(copy, names.at, n);
    p->names = copy;
    p->rest = (rs_tree_bytes){copy, copy + n};
    p->fd = -1;
    *out = p;
    return 0;
}

static void close_file(rs_tree_pack *p)
{
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
}

void rs_tree_pack_free(rs_tree_pack *p)
{
    if (!p)
        return;
    close_file(p);
    rs_tree_at_close(&p->at);
    free(p->names);
    free(p);
}

/* ---- a file begins ---- */

/* NULL at the end of the list. */
static const char *next_name(rs_tree_pack *p, uint64_t *offset)
{
    if (p->rest.at >= p->rest.end || !rs_tree_get(&p->rest, offset))
        return NULL;
    const char *name = p->rest.at;
    const char *end = memchr(name, 0, (size_t)(p->rest.end - name));
    if (!end)
        return NULL;
    p->rest.at = end + 1;
    p->index++;
    return name;
}

static bool open_file(rs_tree_pack *p, const char *rel, uint64_t offset)
{
    int dir;
    const char *name;
    struct stat st;
    if (rs_tree_at_find(&p->at, rel, &dir, &name))
        return false;
    p->fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (p->fd < 0)
        return false;
    if (fstat(p->fd, &st) || !S_ISREG(st.st_mode) || (uint64_t)st.st_size < offset) {
        close_file(p);
        return false;
    }
    p->place = offset;
    p->size = (uint64_t)st.st_size;
    p->sparse = st.st_size > 0 && (uint64_t)st.st_blocks * 512 < p->size;
    p->data_end = p->sparse ? offset : p->size;
    return true;
}

static int begin_file(rs_tree_pack *p, rs_buf *out)
{
    uint64_t offset = 0;
    if (!p->again) {
        p->name = next_name(p, &offset);
        p->tries = TRIES;
    }
    p->again = false;
    if (!p->name) {
        p->over = true;
        return rs_tree_put(out, 0);
    }
    if (!open_file(p, p->name, offset))
        return 0;
    int err = rs_tree_put(out, p->index);
    if (!err)
        err = rs_tree_put(out, offset);
    return err ? err : rs_tree_put(out, p->size);
}

/* ---- its bytes ---- */

static int break_off(rs_tree_pack *p, bool shorter, rs_buf *out)
{
    close_file(p);
    p->again = shorter && --p->tries > 0;
    return rs_tree_put(out, 0);
}

/* Moves over a hole to the next data; without any more, to the end. */
static int skip_hole(rs_tree_pack *p, rs_buf *out)
{
    off_t data = lseek(p->fd, (off_t)p->place, SEEK_DATA);
    uint64_t to = data >= 0 ? (uint64_t)data : errno == ENXIO ? p->size : p->place;
    if (to > p->size)
        to = p->size;
    off_t hole = to < p->size ? lseek(p->fd, (off_t)to, SEEK_HOLE) : 0;
    uint64_t n = to - p->place;
    p->data_end = hole > 0 && (uint64_t)hole > to && (uint64_t)hole < p->size ? (uint64_t)hole : p->size;
    p->place = to;
    return n ? rs_tree_put(out, n << 1 | 1) : 0;
}

/* Room for the segment's length is kept before its bytes, since nobody knows yet how many there are. */
static int put_piece(rs_tree_pack *p, size_t n, rs_buf *out)
{
    char *to;
    int err = rs_buf_reserve(out, HEAD + n, &to);
    if (err)
        return err;
    ssize_t got;
    do
        got = pread(p->fd, to + HEAD, n, (off_t)p->place);
    while (got < 0 && errno == EINTR);
    if (got <= 0)
        return break_off(p, got == 0, out);
    for (int i = 0; i < HEAD; i++) /* a number may be longer than it needs to be */
        to[i] = (char)(((size_t)got << 1 >> 7 * i & 127) | (i < HEAD - 1 ? 128 : 0));
    rs_buf_commit(out, HEAD + (size_t)got);
    p->place += (uint64_t)got;
    return 0;
}

static int step_file(rs_tree_pack *p, rs_buf *out)
{
    int err = 0;
    if (p->place < p->size && p->place >= p->data_end)
        err = skip_hole(p, out);
    if (!err && p->place < p->size) {
        uint64_t n = p->data_end - p->place;
        err = put_piece(p, n < PIECE ? (size_t)n : PIECE, out);
    }
    if (p->place >= p->size)
        close_file(p);
    return err;
}

int rs_tree_pack_step(rs_tree_pack *p, size_t want, rs_buf *out)
{
    int err = 0;
    while (!err && !p->over && rs_buf_len(out) < want)
        err = p->fd < 0 ? begin_file(p, out) : step_file(p, out);
    return err ? err : !p->over;
}
