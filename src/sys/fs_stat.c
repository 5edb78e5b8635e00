#include "sys/fs_stat.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/buf.h"
#include "sys/fs_at.h"
#include "sys/users.h"

enum { LINKS_MAX = 40 };

struct rs_fs_id {
    bool group;
    unsigned id;
    char *name;
};

/* The newest are the likeliest to come again. */
static const char *find_id(const rs_fs_ids *ids, bool group, unsigned id)
{
    for (size_t i = ids->n; i > 0; i--)
        if (ids->items[i - 1].group == group && ids->items[i - 1].id == id)
            return ids->items[i - 1].name;
    return NULL;
}

static int add_id(rs_fs_ids *ids, bool group, unsigned id, const char *name)
{
    if (ids->n == ids->cap) {
        size_t cap = ids->cap ? ids->cap * 2 : 4;
        struct rs_fs_id *items = realloc(ids->items, cap * sizeof *items);
        if (!items)
            return -ENOMEM;
        ids->items = items;
        ids->cap = cap;
    }
    struct rs_fs_id *item = &ids->items[ids->n];
    *item = (struct rs_fs_id){group, id, strdup(name)};
    if (!item->name)
        return -ENOMEM;
    ids->n++;
    return 0;
}

static int ask_id(rs_fs_ids *ids, bool group, unsigned id, const char **out)
{
    char name[RS_NAME_MAX];
    *out = find_id(ids, group, id);
    if (*out)
        return 0;
    if (group)
        rs_groups_name(id, name, sizeof name);
    else
        rs_users_name(id, name, sizeof name);
    int err = add_id(ids, group, id, name);
    if (!err)
        *out = ids->items[ids->n - 1].name;
    return err;
}

int rs_fs_ids_add(rs_fs_ids *ids, const rs_fs_ids *other)
{
    int err = 0;
    for (size_t i = 0; !err && i < other->n; i++) {
        const struct rs_fs_id *id = &other->items[i];
        if (!find_id(ids, id->group, id->id))
            err = add_id(ids, id->group, id->id, id->name);
    }
    return err;
}

bool rs_fs_stat_name(rs_fs_stat *s, const rs_fs_ids *ids)
{
    s->owner = find_id(ids, false, s->st.st_uid);
    s->group = find_id(ids, true, s->st.st_gid);
    return s->owner && s->group;
}

void rs_fs_ids_fini(rs_fs_ids *ids)
{
    for (size_t i = 0; i < ids->n; i++)
        free(ids->items[i].name);
    free(ids->items);
    *ids = (rs_fs_ids){0};
}

int rs_fs_stat_at(rs_fs_stat *s, int dir, const char *name, bool follow, rs_fs_ids *ids)
{
    *s = (rs_fs_stat){0};
    if (fstatat(dir, name, &s->st, follow ? 0 : AT_SYMLINK_NOFOLLOW))
        return -errno;
    int err = 0;
    if (ids)
        err = ask_id(ids, false, s->st.st_uid, &s->owner);
    if (ids && !err)
        err = ask_id(ids, true, s->st.st_gid, &s->group);
    if (!err && S_ISLNK(s->st.st_mode)) {
        s->target = rs_fs_readlink(dir, name, &err);
        if (s->target)
            err = 0;
    }
    return err;
}

int rs_fs_stat_path(rs_fs_stat *s, const char *path, bool follow, rs_fs_ids *ids)
{
    rs_fs_at at;
    *s = (rs_fs_stat){0};
    int err = rs_fs_at_open(&at, path);
    if (err)
        return err;
    err = rs_fs_stat_at(s, at.dir, at.name, follow, ids);
    rs_fs_at_close(&at);
    return err;
}

void rs_fs_stat_fini(rs_fs_stat *s)
{
    free(s->target);
    *s = (rs_fs_stat){0};
}

const char *rs_fs_type_name(unsigned mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG: return "file";
    case S_IFDIR: return "dir";
    case S_IFLNK: return "link";
    case S_IFSOCK: return "socket";
    case S_IFIFO: return "fifo";
    case S_IFBLK: return "block";
    case S_IFCHR: return "char";
    default: return "unknown";
    }
}

const char *rs_fs_type_of_entry(unsigned char dtype)
{
    return rs_fs_type_name(DTTOIF(dtype));
}

int rs_fs_access(const char *path, int how)
{
    rs_fs_at at;
    int err = rs_fs_at_open(&at, path);
    if (!err) {
        err = faccessat(at.dir, at.name, how, AT_EACCESS) ? -errno : 0;
        rs_fs_at_close(&at);
    }
    if (err == 0)
        return 1;
    bool no = err == -ENOENT || err == -ENOTDIR || err == -ELOOP || err == -ENAMETOOLONG || err == -EACCES ||
              err == -EROFS || err == -ETXTBSY;
    return no ? 0 : err;
}

int rs_fs_disk_of(const char *path, rs_fs_disk *out)
{
    struct statvfs v;
    int fd = rs_fs_open(AT_FDCWD, path, O_PATH, 0);
    if (fd < 0)
        return fd;
    int err = fstatvfs(fd, &v) ? -errno : 0;
    close(fd);
    if (err)
        return err;
    double unit = (double)(v.f_frsize ? v.f_frsize : v.f_bsize);
    *out = (rs_fs_disk){(double)v.f_blocks * unit, (double)v.f_bfree * unit, (double)v.f_bavail * unit};
    return 0;
}

/* What resolving stands at: `fd` is the folder (or, at the end, the file) that `out` names; `rest` is still to be read
 * from `at` on. */
struct walk {
    rs_buf out;
    char *rest;
    size_t at;
    int fd;
    bool folder;
    int links;
};

static int move_to(struct walk *w, int fd)
{
    if (fd < 0)
        return -errno;
    if (w->fd >= 0)
        close(w->fd);
    w->fd = fd;
    w->folder = true;
    return 0;
}

static int go_to_root(struct walk *w)
{
    rs_buf_clear(&w->out);
    return move_to(w, open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
}

static int go_up(struct walk *w)
{
    size_t n;
    char *path = rs_buf_take(&w->out, &n);
    char *slash = path ? strrchr(path, '/') : NULL;
    if (slash)
        *slash = 0;
    int err = path ? rs_buf_add_str(&w->out, path) : -ENOMEM;
    free(path);
    return err ? err : move_to(w, openat(w->fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC));
}

/* Reads what a link says before the rest; target is taken. */
static int go_through(struct walk *w, char *target)
{
    size_t n = strlen(target), m = strlen(w->rest + w->at);
    int err = ++w->links > LINKS_MAX ? -ELOOP : n == 0 ? -ENOENT : 0;
    char *rest = err ? NULL : malloc(n + m + 2);
    if (rest) {
        memcpy(rest, target, n);
        rest[n] = '/';
        memcpy(rest + n + 1, w->rest + w->at, m + 1);
        if (m == 0)
            rest[n] = 0;
        free(w->rest);
        w->rest = rest;
        w->at = 0;
        if (rest[0] == '/')
            err = go_to_root(w);
    } else if (!err) {
        err = -ENOMEM;
    }
    free(target);
    return err;
}

static int go_down(struct walk *w, const char *name)
{
    struct stat st;
    int err = 0;
    int fd = openat(w->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &st)) {
        err = -errno;
        close(fd);
        return err;
    }
    if (S_ISLNK(st.st_mode)) {
        char *target = rs_fs_readlink(fd, "", &err);
        close(fd);
        return target ? go_through(w, target) : err;
    }
    err = move_to(w, fd);
    w->folder = S_ISDIR(st.st_mode);
    if (!err)
        err = rs_buf_add_char(&w->out, '/');
    return err ? err : rs_buf_add_str(&w->out, name);
}

/* Takes the first part of the rest; a slash behind a file is an error. */
static int resolve_part(struct walk *w)
{
    const char *at = w->rest + w->at;
    size_t slashes = strspn(at, "/"), n = strcspn(at + slashes, "/");
    if (slashes && !w->folder)
        return -ENOTDIR;
    char *name = strndup(at + slashes, n);
    if (!name)
        return -ENOMEM;
    w->at += slashes + n;
    int err = 0;
    if (strcmp(name, "..") == 0)
        err = go_up(w);
    else if (n > 0 && strcmp(name, ".") != 0)
        err = go_down(w, name);
    free(name);
    return err;
}

static int resolve_start(struct walk *w, const char *path)
{
    char *cwd = NULL;
    int err = *path ? 0 : -ENOENT;
    if (!err && *path != '/' && !(cwd = getcwd(NULL, 0)))
        err = -errno;
    /* The working directory is a path without links already, but walking it costs nothing that matters. */
    rs_buf rest;
    rs_buf_init(&rest, 0);
    if (!err && cwd)
        err = rs_buf_add_str(&rest, cwd);
    if (!err && cwd)
        err = rs_buf_add_char(&rest, '/');
    if (!err)
        err = rs_buf_add_str(&rest, path);
    free(cwd);
    if (!err) {
        size_t n;
        w->rest = rs_buf_take(&rest, &n);
        err = w->rest ? go_to_root(w) : -ENOMEM;
    }
    rs_buf_fini(&rest);
    return err;
}

int rs_fs_resolve(const char *path, char **out)
{
    struct walk w = {.fd = -1};
    rs_buf_init(&w.out, 0);
    int err = resolve_start(&w, path);
    while (!err && w.rest[w.at])
        err = resolve_part(&w);
    if (!err && rs_buf_len(&w.out) == 0)
        err = rs_buf_add_char(&w.out, '/');
    if (!err) {
        size_t n;
        *out = rs_buf_take(&w.out, &n);
        err = *out ? 0 : -ENOMEM;
    }
    if (w.fd >= 0)
        close(w.fd);
    free(w.rest);
    rs_buf_fini(&w.out);
    return err;
}
