#include "sys/tree_list.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "sys/fs_checksum.h"
#include "sys/fs_tree.h"
#include "sys/tree_at.h"
#include "sys/tree_attr.h"
#include "sys/users.h"

/* A name that was asked about. */
struct asked {
    const char *rel;
    uint64_t size; /* of a file whose digest is wanted, and 1 */
};

/* Owners that were met, and their names as the head has them. */
struct ids {
    uint32_t *items;
    size_t n, cap;
    rs_buf names;
};

struct listing {
    const rs_tree_list_opts *o;
    struct asked *asked; /* sorted by name, unless only_names */
    size_t n;
    rs_buf out; /* records */
    struct ids users, groups;
    dev_t dev; /* of the folder that a link stands for */
    int err;   /* of who was met */
};

/* One entry. */
struct entry {
    int dir;
    const char *name;
    const char *shown_name;
    size_t depth;
    uint64_t digest_size; /* as in struct asked */
    struct stat st;
    char *target; /* of a link */
};

/* ---- what was asked about ---- */

static int read_asked(struct listing *l)
{
    rs_tree_bytes b = l->o->names;
    size_t cap = 0;
    while (b.at < b.end) {
        uint64_t size;
        const char *end = rs_tree_get(&b, &size) ? memchr(b.at, 0, (size_t)(b.end - b.at)) : NULL;
        if (!end)
            return RS_EUSAGE;
        if (l->n == cap) {
            cap = cap ? 2 * cap : 64;
            struct asked *more = realloc(l->asked, cap * sizeof *more);
            if (!more)
                return -ENOMEM;
            l->asked = more;
        }
        l->asked[l->n++] = (struct asked){b.at, size};
        b.at = end + 1;
    }
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct asked *)a)->rel, ((const struct asked *)b)->rel);
}

static uint64_t digest_size_of(const struct listing *l, const char *rel)
{
    const struct asked key = {rel, 0}, *found = NULL;
    if (l->n)
        found = bsearch(&key, l->asked, l->n, sizeof key, by_name);
    return found ? found->size : 0;
}

/* ---- records ---- */

static int meet(struct ids *ids, uint32_t id, int (*name_of)(uint32_t, char *, size_t))
{
    char name[RS_NAME_MAX];
    for (size_t i = ids->n; i > 0; i--)
        if (ids->items[i - 1] == id)
            return 0;
    if (ids->n == ids->cap) {
        size_t cap = ids->cap ? 2 * ids->cap : 8;
        uint32_t *more = realloc(ids->items, cap * sizeof *more);
        if (!more)
            return -ENOMEM;
        ids->items = more;
        ids->cap = cap;
    }
    ids->items[ids->n++] = id;
    if (name_of(id, name, sizeof name))
        return 0;
    int err = rs_tree_put(&ids->names, id);
    return err ? err : rs_tree_put_text(&ids->names, name, strlen(name));
}

static int meet_owners(struct listing *l, const struct stat *st)
{
    if (!l->o->owners)
        return 0;
    int err = meet(&l->users, st->st_uid, rs_users_name);
    return err ? err : meet(&l->groups, st->st_gid, rs_groups_name);
}

static char letter(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG: return 'f';
    case S_IFDIR: return 'd';
    case S_IFLNK: return 'l';
    case S_IFSOCK: return 's';
    case S_IFIFO: return 'p';
    case S_IFBLK: return 'b';
    default: return 'c';
    }
}

static uint64_t zigzag(int64_t n)
{
    return n < 0 ? ~((uint64_t)n << 1) : (uint64_t)n << 1;
}

static int put_numbers(rs_buf *out, const struct stat *st)
{
    const uint64_t numbers[] = {
        st->st_mode & 07777,
        (uint64_t)st->st_size,
        zigzag(st->st_mtim.tv_sec),
        (uint64_t)st->st_mtim.tv_nsec,
        st->st_uid,
        st->st_gid,
        (uint64_t)st->st_nlink,
        (uint64_t)st->st_dev,
        (uint64_t)st->st_ino,
    };
    int err = 0;
    for (size_t i = 0; !err && i < sizeof numbers / sizeof *numbers; i++)
        err = rs_tree_put(out, numbers[i]);
    return err;
}

/* Somebody whom an access control list names: an error is noted, and ends it later. */
static uint32_t meet_named(void *user, bool group, uint32_t id)
{
    struct listing *l = user;
    int err = group ? meet(&l->groups, id, rs_groups_name) : meet(&l->users, id, rs_users_name);
    l->err = l->err ? l->err : err;
    return id;
}

static int put_attributes(struct listing *l, const struct entry *e)
{
    rs_buf attrs;
    rs_buf_init(&attrs, 0);
    int err = rs_tree_attr_read(e->dir, e->name, l->o->attributes, &attrs);
    if (err == -ENOENT) /* it has just vanished */
        err = 0;
    const char *at = rs_buf_data(&attrs);
    size_t n = rs_buf_len(&attrs);
    if (!err && l->o->attributes & RS_TREE_ACLS)
        rs_tree_attr_ids((rs_tree_bytes){at, at + n}, &(rs_tree_ids){meet_named, l});
    if (!err)
        err = l->err;
    if (!err)
        err = rs_tree_put_text(&l->out, at, n);
    rs_buf_fini(&attrs);
    return err;
}

/* What can't be read has none: that is told when it is to be copied. */
static int put_digest(struct listing *l, const struct entry *e)
{
    unsigned char raw[RS_DIGEST_MAX];
    size_t n = 0;
    if (S_ISREG(e->st.st_mode) && e->digest_size == (uint64_t)e->st.st_size + 1) {
        int fd = openat(e->dir, e->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd >= 0 && rs_fs_checksum_fd(fd, l->o->digest, raw) == 0)
            n = rs_digest_size(l->o->digest);
        if (fd >= 0)
            close(fd);
    }
    return rs_tree_put_text(&l->out, raw, n);
}

static int put_fields(struct listing *l, const struct entry *e)
{
    int err = meet_owners(l, &e->st);
    if (!err)
        err = rs_tree_put(&l->out, e->depth);
    if (!err)
        err = rs_buf_add_char(&l->out, letter(e->st.st_mode));
    if (!err)
        err = put_numbers(&l->out, &e->st);
    if (!err)
        err = rs_tree_put_text(&l->out, e->shown_name, strlen(e->shown_name));
    if (!err && e->target)
        err = rs_tree_put_text(&l->out, e->target, strlen(e->target));
    if (!err && l->o->attributes)
        err = put_attributes(l, e);
    if (!err && l->o->digest)
        err = put_digest(l, e);
    return err;
}

static int look(const struct listing *l, struct entry *e)
{
    int err = 0;
    if (fstatat(e->dir, e->name, &e->st, AT_SYMLINK_NOFOLLOW))
        return -errno;
    if (S_ISLNK(e->st.st_mode))
        e->target = rs_fs_readlink(e->dir, e->name, &err);
    if (l->dev && e->depth == 0)
        e->st.st_dev = l->dev;
    return e->target ? 0 : err;
}

/* What vanishes meanwhile was never there. */
static int put_entry(struct listing *l, struct entry *e)
{
    int err = look(l, e);
    if (!err)
        err = put_fields(l, e);
    else if (err == -ENOENT && e->depth > 0)
        err = 0;
    free(e->target);
    e->target = NULL;
    return err;
}

/* ---- ways through it ---- */

static int visit(struct listing *l, rs_fs_tree *t, const rs_fs_visit *v, size_t root_len, rs_fs_fail *fail)
{
    const char *rel = v->depth ? v->path + root_len : "";
    struct entry e = {
        .dir = v->dir,
        .name = v->name,
        .shown_name = v->depth ? v->name : "",
        .depth = v->depth,
        .digest_size = digest_size_of(l, *rel == '/' ? rel + 1 : rel),
    };
    int err = put_entry(l, &e);
    bool enters = !err && (v->type == DT_DIR || (v->depth == 0 && l->dev));
    if (enters)
        err = rs_fs_tree_enter(t, v->depth == 0 && l->dev, 0);
    if (err == -ENOENT && v->depth > 0)
        err = 0;
    return rs_fs_fail_note(fail, err, v->path);
}

static int list_all(struct listing *l, const char *path, rs_fs_fail *fail)
{
    rs_fs_tree *t;
    rs_fs_visit v;
    if (l->n)
        qsort(l->asked, l->n, sizeof *l->asked, by_name);
    int err = rs_fs_tree_new(&t, path), got = 0;
    if (err)
        return err;
    while (!err && (got = rs_fs_tree_next(t, &v)) > 0)
        if (v.what == RS_FS_ENTRY)
            err = visit(l, t, &v, rs_fs_path_len(path), fail);
    rs_fs_tree_free(t);
    return err ? err : got;
}

static size_t depth_of(const char *rel)
{
    size_t n = *rel != 0;
    for (; *rel; rel++)
        n += *rel == '/';
    return n;
}

/* A folder that isn't there, or isn't one, has nothing in it. */
static int look_at(struct listing *l, rs_tree_at *at, struct asked a, rs_fs_fail *fail)
{
    struct entry e = {.depth = depth_of(a.rel), .digest_size = a.size};
    int err = rs_tree_at_find(at, a.rel, &e.dir, &e.name);
    if (err == -ENOENT || err == -ENOTDIR || err == -ELOOP)
        return 0;
    e.shown_name = *a.rel ? e.name : "";
    if (!err)
        err = put_entry(l, &e);
    return err ? rs_fs_fail_note_taken(fail, err, rs_tree_at_shown(at, a.rel)) : 0;
}

static int list_names(struct listing *l, rs_tree_at *at, rs_fs_fail *fail)
{
    static const struct asked root = {"", 0};
    bool given = l->n > 0 && !*l->asked[0].rel;
    int err = given ? 0 : look_at(l, at, root, fail);
    for (size_t i = 0; !err && i < l->n; i++)
        err = look_at(l, at, l->asked[i], fail);
    return err;
}

/* Whether the root is a link that leads to a folder; then that folder's device counts. */
static bool leads_to_folder(const rs_tree_at *at, dev_t *dev)
{
    struct stat st;
    if (fstatat(at->place.dir, at->place.name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISLNK(st.st_mode))
        return false;
    bool folder = fstatat(at->place.dir, at->place.name, &st, 0) == 0 && S_ISDIR(st.st_mode);
    *dev = st.st_dev;
    return folder;
}

static int list(struct listing *l, rs_tree_at *at, rs_fs_fail *fail)
{
    struct stat st;
    int err = read_asked(l);
    if (!err && fstatat(at->place.dir, at->place.name, &st, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT ? 0 : -errno;
    if (!err)
        err = l->o->only_names ? list_names(l, at, fail) : list_all(l, at->path, fail);
    return err;
}

/* The head knows all owners: it is made when all else is. */
static int put_all(struct listing *l, rs_buf *out)
{
    const rs_buf *users = &l->users.names, *groups = &l->groups.names;
    int err = rs_tree_put(out, (l->dev ? 1 : 0) | (l->o->attributes ? 2 : 0) | (l->o->digest ? 4 : 0));
    if (!err)
        err = rs_tree_put(out, geteuid());
    if (!err)
        err = rs_tree_put_text(out, rs_buf_data(users), rs_buf_len(users));
    if (!err)
        err = rs_tree_put_text(out, rs_buf_data(groups), rs_buf_len(groups));
    return err ? err : rs_buf_add(out, rs_buf_data(&l->out), rs_buf_len(&l->out));
}

static void listing_fini(struct listing *l)
{
    free(l->asked);
    free(l->users.items);
    free(l->groups.items);
    rs_buf_fini(&l->out);
    rs_buf_fini(&l->users.names);
    rs_buf_fini(&l->groups.names);
}

int rs_tree_list(const char *path, const rs_tree_list_opts *o, rs_buf *out, rs_fs_fail *fail)
{
    struct listing l = {.o = o};
    rs_tree_at at;
    rs_buf_init(&l.out, 0);
    rs_buf_init(&l.users.names, 0);
    rs_buf_init(&l.groups.names, 0);
    int err = rs_tree_at_open(&at, path, o->follow);
    if (!err) {
        if (o->follow && !leads_to_folder(&at, &l.dev))
            l.dev = 0;
        err = list(&l, &at, fail);
        rs_tree_at_close(&at);
    } else if (err == -ENOENT) {
        err = 0;
    }
    if (!err)
        err = put_all(&l, out);
    listing_fini(&l);
    return err;
}
