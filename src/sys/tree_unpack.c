#include "sys/tree_unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "sys/fs_attr.h"
#include "sys/fs_remove.h"
#include "sys/fs_temp.h"
#include "sys/trace.h"
#include "sys/tree_at.h"
#include "sys/tree_attr.h"
#include "sys/users.h"

enum { THERE = 1, EXECUTABLE = 2 };

/* What something is to have; which of it is given. */
typedef struct attrs {
    bool has_mode, has_time, has_owner, has_xattrs;
    unsigned mode;
    struct timespec mtime;
    uid_t uid;
    gid_t gid;
    rs_tree_bytes xattrs; /* the plan's, with their kinds */
} attrs;

typedef struct step {
    char what;
    const char *rel; /* ends with a NUL, in the plan */
    uint64_t flags;
    const char *text; /* target or partial name; ends with a NUL */
    attrs attrs;
} step;

/* Who somebody of the plan's is here. */
typedef struct owner {
    uint64_t from;
    uint32_t to;
} owner;

typedef struct owners {
    owner *items;
    size_t n;
} owners;

/* A file that is promised. */
typedef struct file {
    size_t at; /* its step in the plan */
    bool come;
} file;

struct rs_tree_unpack {
    rs_tree_at at;
    char *plan;
    rs_tree_bytes rest; /* of the plan */
    int umask;
    owners users, groups;
    file *files;
    size_t n_files, n_links, cap;

    rs_tree_reader reader;
    bool ended;

    bool busy; /* a file is under way: */
    step step;
    rs_fs_temp temp;
    int dir; /* its folder; of `at`, which nothing else is looked for in meanwhile */
    char name[NAME_MAX + 1];
    char *trace; /* the path of its temporary name, while that is known to the guard */
    uint64_t place, size;
    bool hole_last;
};

/* ---- the plan ---- */

/* Names in a plan end with a NUL that their length counts, so that they are strings where they stand. */
static bool get_name(rs_tree_bytes *b, const char **name)
{
    rs_tree_bytes text;
    if (!rs_tree_get_text(b, &text) || text.at == text.end || text.end[-1] != 0)
        return false;
    *name = text.at;
    return strlen(text.at) + 1 == (size_t)(text.end - text.at);
}

static uint32_t owner_here(const owners *list, uint64_t from)
{
    for (size_t i = 0; i < list->n; i++)
        if (list->items[i].from == from)
            return list->items[i].to;
    return (uint32_t)from;
}

static bool get_attrs(const rs_tree_unpack *u, rs_tree_bytes *b, attrs *a)
{
    uint64_t mode, seconds, ns, uid, gid;
    if (!rs_tree_get(b, &mode) || !rs_tree_get(b, &seconds) || !rs_tree_get(b, &ns) || !rs_tree_get(b, &uid) ||
        !rs_tree_get(b, &gid) || !rs_tree_get_text(b, &a->xattrs))
        return false;
    a->has_mode = mode > 0;
    a->mode = (unsigned)(mode - 1) & 07777;
    a->has_time = ns > 0;
    a->mtime.tv_sec = (time_t)(seconds & 1 ? ~(seconds >> 1) : seconds >> 1);
    a->mtime.tv_nsec = (long)(ns - 1);
    a->has_owner = uid > 0;
    a->uid = uid ? owner_here(&u->users, uid - 1) : 0;
    a->gid = gid ? owner_here(&u->groups, gid - 1) : 0;
    a->has_xattrs = a->xattrs.at < a->xattrs.end;
    return true;
}

/* 1, 0 at the end, or RS_EUSAGE. */
static int get_step(const rs_tree_unpack *u, rs_tree_bytes *b, step *s)
{
    *s = (step){0};
    if (b->at == b->end)
        return 0;
    s->what = *b->at++;
    bool ok = get_name(b, &s->rel);
    if (ok && strchr("flh", s->what))
        ok = rs_tree_get(b, &s->flags) && get_name(b, &s->text);
    if (ok && strchr("dfla", s->what))
        ok = get_attrs(u, b, &s->attrs);
    return ok && strchr("cgdflha", s->what) ? 1 : RS_EUSAGE;
}

static int read_owners(owners *list, rs_tree_bytes *plan, int (*find)(const char *, uid_t *))
{
    uint64_t from;
    rs_tree_bytes b, text;
    if (!rs_tree_get_text(plan, &b))
        return RS_EUSAGE;
    while (rs_tree_get(&b, &from) && rs_tree_get_text(&b, &text)) {
        char name[RS_NAME_MAX];
        uid_t to = (uid_t)from;
        owner *more = realloc(list->items, (list->n + 1) * sizeof *more);
        if (!more)
            return -ENOMEM;
        list->items = more;
        snprintf(name, sizeof name, "%.*s", (int)(text.end - text.at), text.at);
        if (*name)
            (void)find(name, &to);
        list->items[list->n++] = (owner){from, to};
    }
    return 0;
}

static int add_file(rs_tree_unpack *u, size_t at)
{
    size_t n = u->n_files + u->n_links;
    if (n == u->cap) {
        size_t cap = u->cap ? 2 * u->cap : 64;
        file *files = realloc(u->files, cap * sizeof *files);
        if (!files)
            return -ENOMEM;
        u->files = files;
        u->cap = cap;
    }
    u->files[n] = (file){.at = at};
    return 0;
}

/* ---- attributes ---- */

static uint32_t named_here(void *user, bool group, uint32_t id)
{
    const rs_tree_unpack *u = user;
    return owner_here(group ? &u->groups : &u->users, id);
}

static int own_fd(int fd, const attrs *a)
{
    struct stat st;
    if (!a->has_owner)
        return 0;
    if (fstat(fd, &st))
        return -errno;
    if (st.st_uid == a->uid && st.st_gid == a->gid)
        return 0;
    return fchown(fd, a->uid, a->gid) ? -errno : 0;
}

static int own_name(int dir, const char *name, const attrs *a)
{
    struct stat st;
    if (!a->has_owner)
        return 0;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
        return -errno;
    if (st.st_uid == a->uid && st.st_gid == a->gid)
        return 0;
    return fchownat(dir, name, a->uid, a->gid, AT_SYMLINK_NOFOLLOW) ? -errno : 0;
}

/* The mode after the owner, who is told from set-id bits, and the time last. */
static int give_name(rs_tree_unpack *u, int dir, const char *name, const attrs *a, bool link)
{
    int err = own_name(dir, name, a);
    if (!err && a->has_xattrs)
        err = rs_tree_attr_give(dir, name, a->xattrs, &(rs_tree_ids){named_here, u});
    if (!err && a->has_mode && !link)
        err = rs_fs_attr_chmod_at(dir, name, a->mode);
    if (!err && a->has_time) {
        const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, a->mtime};
        err = utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) ? -errno : 0;
    }
    return err;
}

/* ---- steps that need no stream ---- */

static int make_folder(const rs_tree_unpack *u, const step *s, int dir, const char *name)
{
    const rs_fs_make make = {NULL, u->umask};
    unsigned mode = s->attrs.has_mode ? s->attrs.mode | 0700 : rs_fs_make_first(&make, RS_FS_NEW_FOLDER);
    if (mkdirat(dir, name, mode & 0777))
        return -errno;
    if (!s->attrs.has_mode && u->umask < 0)
        return 0;
    return rs_fs_attr_chmod_at(dir, name, mode);
}

struct another {
    const char *target; /* of a link; else another name of what is in this folder: */
    int dir;
    const char *name;
};

static int make_another(void *user, int dir, const char *name)
{
    const struct another *a = user;
    int bad = a->target ? symlinkat(a->target, dir, name) : linkat(a->dir, a->name, dir, name, 0);
    return bad ? -errno : 0;
}

/* A link or a name more; in place of what is there it is made under another name first. */
static int put_another(const step *s, int dir, const char *name, struct another *a)
{
    char temp[32] = "";
    if (!(s->flags & THERE))
        return make_another(a, dir, name);
    int err = rs_fs_temp_try(dir, temp, make_another, a);
    if (!err && renameat(dir, temp, dir, name))
        err = -errno;
    unlinkat(dir, temp, 0); /* also after success: of two names of one file none is renamed */
    return err;
}

static int make_link(rs_tree_unpack *u, const step *s, int dir, const char *name)
{
    struct another a = {.target = s->text};
    int err = put_another(s, dir, name, &a);
    return err ? err : give_name(u, dir, name, &s->attrs, true);
}

/* What it is a name of may not have come: then it hasn't either. */
static int make_hard_link(rs_tree_unpack *u, const step *s, bool *come)
{
    int dir;
    const char *name;
    struct another a = {0};
    int err = rs_tree_at_find(&u->at, s->text, &dir, &name);
    if (err)
        return err;
    a.dir = fcntl(dir, F_DUPFD_CLOEXEC, 0);
    a.name = name;
    if (a.dir < 0)
        return -errno;
    err = rs_tree_at_find(&u->at, s->rel, &dir, &name);
    if (!err)
        err = put_another(s, dir, name, &a);
    close(a.dir);
    *come = !err;
    return err == -ENOENT ? 0 : err;
}

static int remove_it(rs_tree_unpack *u, const step *s, int dir, const char *name, rs_fs_fail *fail)
{
    char *shown = rs_tree_at_shown(&u->at, s->rel);
    int err = shown ? rs_fs_remove_at(dir, name, shown, true, fail) : -ENOMEM;
    if (err == -ENOENT) {
        rs_fs_fail_fini(fail);
        err = 0;
    }
    free(shown);
    rs_tree_at_forget(&u->at);
    return err;
}

static int run_step(rs_tree_unpack *u, const step *s, rs_fs_fail *fail)
{
    int dir;
    const char *name;
    int err = rs_tree_at_find(&u->at, s->rel, &dir, &name);
    if (err)
        return err;
    switch (s->what) {
    case 'd': return make_folder(u, s, dir, name);
    case 'l': return make_link(u, s, dir, name);
    case 'a': return give_name(u, dir, name, &s->attrs, false);
    default: return remove_it(u, s, dir, name, fail);
    }
}

static int note(const rs_tree_unpack *u, rs_fs_fail *fail, int err, const char *rel)
{
    return err ? rs_fs_fail_note_taken(fail, err, rs_tree_at_shown(&u->at, rel)) : 0;
}

/* Does the steps up to those that wait for the end, and learns which files will come. */
static int begin(rs_tree_unpack *u, rs_fs_fail *fail)
{
    step s;
    int got = 0, err = 0;
    for (;;) {
        rs_tree_bytes before = u->rest;
        got = get_step(u, &u->rest, &s);
        if (got <= 0)
            return got;
        if (strchr("hga", s.what)) {
            u->rest = before;
            return 0;
        }
        if (s.what == 'f') {
            err = add_file(u, (size_t)(before.at - u->plan));
            u->n_files += !err;
        } else {
            err = note(u, fail, run_step(u, &s, fail), s.rel);
        }
        if (err)
            return err;
    }
}

static int finish_step(rs_tree_unpack *u, const step *s, rs_fs_fail *fail)
{
    if (s->what != 'h')
        return run_step(u, s, fail);
    int err = add_file(u, 0);
    if (err)
        return err;
    file *f = &u->files[u->n_files + u->n_links++];
    return make_hard_link(u, s, &f->come);
}

/* ---- a file ---- */

static void forget_trace(rs_tree_unpack *u)
{
    if (u->trace)
        rs_trace_made(u->trace, false);
    free(u->trace);
    u->trace = NULL;
}

/* A name that somebody could see is told, so that it goes also when we are killed. */
static void note_trace(rs_tree_unpack *u)
{
    char *folder = rs_tree_at_shown(&u->at, u->step.rel), *slash = folder ? strrchr(folder, '/') : NULL;
    if (u->temp.name[0] && slash && asprintf(&u->trace, "%.*s/%s", (int)(slash - folder), folder, u->temp.name) < 0)
        u->trace = NULL;
    if (u->trace)
        rs_trace_made(u->trace, true);
    free(folder);
}

static void close_file(rs_tree_unpack *u)
{
    u->busy = false;
    rs_fs_temp_close(&u->temp);
    forget_trace(u);
}

static void drop_file(rs_tree_unpack *u)
{
    if (!u->busy)
        return;
    if (*u->step.text) /* it will be continued */
        u->temp.name[0] = 0;
    close_file(u);
}

/* What is there of it already is ours, and nobody else's. */
static int open_partial(rs_tree_unpack *u, uint64_t offset)
{
    struct stat st;
    const int flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    if (strlen(u->step.text) >= sizeof u->temp.name)
        return RS_EUSAGE;
    int fd = openat(u->dir, u->step.text, flags | (offset ? 0 : O_CREAT | O_EXCL), 0600);
    if (fd < 0)
        return -errno;
    u->temp = (rs_fs_temp){.dir = u->dir, .fd = fd};
    snprintf(u->temp.name, sizeof u->temp.name, "%s", u->step.text);
    if (fstat(fd, &st))
        return -errno;
    if (!S_ISREG(st.st_mode) || st.st_nlink != 1 || st.st_uid != geteuid() || (uint64_t)st.st_size != offset)
        return -ESTALE;
    return 0;
}

static int open_temp(rs_tree_unpack *u)
{
    const rs_fs_make make = {NULL, u->umask};
    bool usual = !u->step.attrs.has_mode;
    unsigned all = u->step.flags & EXECUTABLE ? RS_FS_NEW_FOLDER : RS_FS_NEW_FILE;
    int err = rs_fs_temp_open(&u->temp, u->dir, usual ? rs_fs_make_first(&make, all) : 0600, false);
    if (!err)
        note_trace(u);
    return err;
}

/* The place of its step is found by its number; that it is one of ours is checked. */
static int begin_file(rs_tree_unpack *u)
{
    int dir;
    const char *name;
    rs_tree_reader *r = &u->reader;
    if (r->index >= u->n_files || u->files[r->index].come)
        return RS_EPROTO;
    rs_tree_bytes at = {u->plan + u->files[r->index].at, u->rest.end};
    (void)get_step(u, &at, &u->step);
    int err = rs_tree_at_find(&u->at, u->step.rel, &dir, &name);
    if (err)
        return err;
    if (r->offset && !*u->step.text)
        return RS_EPROTO;
    snprintf(u->name, sizeof u->name, "%s", name);
    u->dir = dir;
    u->temp = (rs_fs_temp){.dir = u->dir, .fd = -1};
    u->busy = true;
    u->place = r->offset;
    u->size = r->size;
    u->hole_last = false;
    return *u->step.text ? open_partial(u, r->offset) : open_temp(u);
}

static int write_data(rs_tree_unpack *u, rs_tree_bytes data)
{
    while (data.at < data.end) {
        ssize_t put = pwrite(u->temp.fd, data.at, (size_t)(data.end - data.at), (off_t)u->place);
        if (put < 0 && errno != EINTR)
            return -errno;
        if (put > 0) {
            data.at += put;
            u->place += (uint64_t)put;
        }
    }
    u->hole_last = false;
    return 0;
}

/* What is replaced keeps its owner, as far as we may. */
static void inherit_owner(const rs_tree_unpack *u)
{
    struct stat st;
    if (!(u->step.flags & THERE) || u->step.attrs.has_owner || geteuid() != 0)
        return;
    if (fstatat(u->dir, u->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
        (st.st_uid != 0 || st.st_gid != 0))
        (void)fchown(u->temp.fd, st.st_uid, st.st_gid);
}

static int give_fd(rs_tree_unpack *u)
{
    int fd = u->temp.fd;
    const attrs *a = &u->step.attrs;
    const rs_fs_make make = {NULL, u->umask};
    int err = own_fd(fd, a);
    if (!err && a->has_xattrs)
        err = rs_tree_attr_give_fd(fd, a->xattrs, &(rs_tree_ids){named_here, u});
    if (!err && a->has_mode)
        err = fchmod(fd, a->mode) ? -errno : 0;
    else if (!err)
        err = rs_fs_make_finish(&make, fd, u->step.flags & EXECUTABLE ? RS_FS_NEW_FOLDER : RS_FS_NEW_FILE,
                                !u->temp.name[0]);
    if (!err && a->has_time) {
        const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, a->mtime};
        err = futimens(fd, times) ? -errno : 0;
    }
    return err;
}

static int finish_file(rs_tree_unpack *u)
{
    int err = 0;
    if (u->hole_last)
        err = ftruncate(u->temp.fd, (off_t)u->size) ? -errno : 0;
    inherit_owner(u);
    if (!err)
        err = give_fd(u);
    if (!err)
        err = rs_fs_temp_commit(&u->temp, u->name, true);
    if (err)
        return err;
    u->files[u->reader.index].come = true;
    close_file(u);
    return 0;
}

/* ---- the stream ---- */

static int take(rs_tree_unpack *u, rs_tree_event e, rs_tree_bytes data)
{
    switch (e) {
    case RS_TREE_FILE: return begin_file(u);
    case RS_TREE_DATA: return write_data(u, data);
    case RS_TREE_HOLE:
        u->place += u->reader.length;
        u->hole_last = true;
        return 0;
    case RS_TREE_DONE: return finish_file(u);
    case RS_TREE_BROKEN: /* it has changed: what has come of it is of no use, whatever its name */
        close_file(u);
        return 0;
    case RS_TREE_END: u->ended = true; return 0;
    case RS_TREE_BAD: return RS_EPROTO;
    case RS_TREE_MORE: return 0;
    }
    return 0;
}

int rs_tree_unpack_feed(rs_tree_unpack *u, const char *bytes, size_t n, rs_fs_fail *fail)
{
    rs_tree_bytes b = {bytes, bytes + n}, data = {0};
    for (;;) {
        rs_tree_event e = rs_tree_read(&u->reader, &b, &data);
        if (e == RS_TREE_MORE)
            return 0;
        int err = take(u, e, data);
        if (err)
            return note(u, fail, err, u->step.rel ? u->step.rel : "");
    }
}

int rs_tree_unpack_finish(rs_tree_unpack *u, rs_fs_fail *fail)
{
    step s;
    int got, err = u->ended ? 0 : RS_EEOF;
    drop_file(u);
    rs_tree_at_forget(&u->at);
    while (!err && (got = get_step(u, &u->rest, &s)) != 0)
        err = got < 0 ? got : note(u, fail, finish_step(u, &s, fail), s.rel);
    return err;
}

/* ---- life ---- */

int rs_tree_unpack_new(rs_tree_unpack **out, const char *path, rs_tree_bytes plan, const rs_tree_unpack_opts *o,
                       rs_fs_fail *fail)
{
    size_t n = (size_t)(plan.end - plan.at);
    rs_tree_unpack *u = calloc(1, sizeof *u);
    if (!u)
        return -ENOMEM;
    u->umask = o->umask;
    u->plan = malloc(n + 1);
    int err = u->plan ? rs_tree_at_open(&u->at, path, o->follow) : -ENOMEM;
    if (!err) {
        if (n)
            memcpy(u->plan, plan.at, n);
        u->rest = (rs_tree_bytes){u->plan, u->plan + n};
        err = read_owners(&u->users, &u->rest, rs_users_id);
    }
    if (!err)
        err = read_owners(&u->groups, &u->rest, rs_groups_id);
    if (!err)
        err = begin(u, fail);
    if (err)
        rs_tree_unpack_free(u);
    else
        *out = u;
    return err;
}

void rs_tree_unpack_free(rs_tree_unpack *u)
{
    if (!u)
        return;
    drop_file(u);
    rs_tree_at_close(&u->at);
    free(u->plan);
    free(u->users.items);
    free(u->groups.items);
    free(u->files);
    free(u);
}

bool rs_tree_unpack_has(const rs_tree_unpack *u, uint64_t index, bool *come)
{
    if (index >= u->n_files + u->n_links)
        return false;
    *come = u->files[index].come;
    return true;
}
