#include "sys/users_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"

enum { LARGEST = 64 * 1024 * 1024 };

/* Field i (from 0) of a line whose fields end at colons; false where there are fewer. */
static bool field(const char *text, size_t len, int i, const char **out, size_t *out_len)
{
    const char *end = text + len, *colon;
    for (;; i--) {
        colon = memchr(text, ':', (size_t)(end - text));
        if (i == 0)
            break;
        if (!colon)
            return false;
        text = colon + 1;
    }
    *out = text;
    *out_len = (size_t)((colon ? colon : end) - text);
    return true;
}

/* (uid_t)-1 is no id: the system calls take it for "leave as it is". */
static bool number(const char *s, size_t n, uint32_t *out)
{
    uint64_t x = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        x = x * 10 + (uint64_t)(s[i] - '0');
        if (x >= UINT32_MAX)
            return false;
    }
    *out = (uint32_t)x;
    return n > 0;
}

static bool number_field(const rs_users_line *line, int i, uint32_t *out)
{
    const char *s;
    size_t n;
    return field(line->text, line->len, i, &s, &n) && number(s, n, out);
}

bool rs_users_line_parse(const char *text, size_t len, rs_users_line *out)
{
    const char *name;
    rs_users_line line = {.text = text, .len = len};
    if (len == 0 || strchr("#+-", text[0]) || memchr(text, '\0', len))
        return false;
    if (!field(text, len, 0, &name, &line.name_len) || line.name_len == 0 || line.name_len >= RS_NAME_MAX)
        return false;
    if (!number_field(&line, 2, &line.id))
        return false;
    *out = line;
    return true;
}

/* A missing field is an empty one. */
static bool copy_field(const rs_users_line *line, int i, char *out, size_t room, bool may_cut)
{
    const char *s = "";
    size_t n = 0;
    field(line->text, line->len, i, &s, &n);
    if (n >= room && !may_cut)
        return false;
    n = n < room ? n : room - 1;
    memcpy(out, s, n);
    out[n] = '\0';
    return true;
}

bool rs_users_line_user(const rs_users_line *line, rs_user *out)
{
    uint32_t gid;
    if (!number_field(line, 3, &gid))
        return false;
    out->uid = line->id;
    out->gid = gid;
    return copy_field(line, 0, out->name, sizeof out->name, false) &&
           copy_field(line, 4, out->gecos, sizeof out->gecos, true) &&
           copy_field(line, 5, out->home, sizeof out->home, false) &&
           copy_field(line, 6, out->shell, sizeof out->shell, false);
}

bool rs_users_line_group(const rs_users_line *line, rs_group *out)
{
    out->gid = line->id;
    return copy_field(line, 0, out->name, sizeof out->name, false);
}

bool rs_users_line_member(const rs_users_line *line, size_t *pos, const char **name, size_t *len)
{
    const char *all;
    size_t n;
    if (!field(line->text, line->len, 3, &all, &n))
        return false;
    while (*pos < n && all[*pos] == ',')
        ++*pos;
    if (*pos >= n)
        return false;
    const char *first = all + *pos, *comma = memchr(first, ',', n - *pos);
    *name = first;
    *len = comma ? (size_t)(comma - first) : n - *pos;
    *pos += *len;
    return true;
}

static int read_all(int fd, size_t size, char **out, size_t *len)
{
    char *text = malloc(size + 1);
    size_t n = 0;
    ssize_t got = 1;
    while (text && n < size && got > 0) {
        got = read(fd, text + n, size - n);
        n += got > 0 ? (size_t)got : 0;
    }
    if (!text || got < 0) {
        int err = text ? -errno : -ENOMEM;
        free(text);
        return err;
    }
    *out = text;
    *len = n;
    return 0;
}

static int add_line(rs_users_file *f, size_t *room, const rs_users_line *line)
{
    if (f->count == *room) {
        size_t more = *room > 0 ? *room * 2 : 64;
        rs_users_line *lines = realloc(f->lines, more * sizeof *lines);
        if (!lines)
            return -ENOMEM;
        f->lines = lines;
        *room = more;
    }
    f->lines[f->count++] = *line;
    return 0;
}

static int parse_all(rs_users_file *f, size_t len)
{
    size_t room = 0;
    int err = 0;
    for (const char *s = f->text, *end = s + len; !err && s < end;) {
        const char *stop = memchr(s, '\n', (size_t)(end - s));
        rs_users_line line;
        if (!stop)
            stop = end;
        if (rs_users_line_parse(s, (size_t)(stop - s), &line))
            err = add_line(f, &room, &line);
        s = stop + 1;
    }
    return err;
}

static void forget(rs_users_file *f)
{
    free(f->text);
    free(f->lines);
    f->text = NULL;
    f->lines = NULL;
    f->count = 0;
    f->fresh = false;
}

/* A file that changed a moment ago may change again within the same tick of the file system's clock. */
static bool settled(const struct stat *st)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec - st->st_mtim.tv_sec > 1;
}

/* What stat said before the read is kept, so a change in between is seen the next time. */
static int load(rs_users_file *f, int fd)
{
    size_t len = 0;
    int err = f->seen.st_size > LARGEST ? RS_ELIMIT : read_all(fd, (size_t)f->seen.st_size, &f->text, &len);
    if (!err)
        err = parse_all(f, len);
    if (err)
        forget(f);
    f->fresh = !err && settled(&f->seen);
    return err;
}

static bool same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* With the lock held. */
static int refresh(rs_users_file *f)
{
    struct stat now;
    if (f->fresh && stat(f->path, &now) == 0 && same(&now, &f->seen))
        return 0;
    forget(f);
    int fd = open(f->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    int err = fstat(fd, &f->seen) == 0 ? load(f, fd) : -errno;
    close(fd);
    return err;
}

static bool matches(const rs_users_line *line, const char *name, size_t len, uint32_t id)
{
    return name ? line->name_len == len && memcmp(line->text, name, len) == 0 : line->id == id;
}

int rs_users_file_find(rs_users_file *f, const char *name, uint32_t id, rs_users_use *use, void *user)
{
    size_t len = name ? strlen(name) : 0, i = 0;
    pthread_mutex_lock(&f->lock);
    int err = refresh(f);
    while (!err && i < f->count && !matches(&f->lines[i], name, len, id))
        i++;
    if (!err)
        err = i < f->count ? use(user, &f->lines[i]) : RS_ENOTFOUND;
    pthread_mutex_unlock(&f->lock);
    return err;
}

int rs_users_file_each(rs_users_file *f, rs_users_use *use, void *user)
{
    pthread_mutex_lock(&f->lock);
    int err = refresh(f);
    for (size_t i = 0; !err && i < f->count; i++)
        err = use(user, &f->lines[i]);
    pthread_mutex_unlock(&f->lock);
    return err;
}

void rs_users_file_fini(rs_users_file *f)
{
    forget(f);
}
