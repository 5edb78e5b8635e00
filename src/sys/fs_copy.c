#include "sys/fs_copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "sys/fs_at.h"
#include "sys/fs_attr.h"
#include "sys/fs_checksum.h"
#include "sys/fs_content.h"
#include "sys/fs_ladder.h"
#include "sys/fs_remove.h"
#include "sys/fs_temp.h"
#include "sys/fs_tree.h"

/* The tree is what is read; the ladder has its counterparts: one rung less than the tree has levels while the root is still
 * to come, since rung 0 is the folder that `to` lies in. A file that takes long is under way between two steps. */
struct rs_fs_copier {
    rs_fs_copy_opts opts;
    rs_fs_tree *tree;
    rs_fs_ladder to;
    char *to_path, *to_name;
    size_t from_len; /* of the source's path as it is shown */
    rs_fs_copied n;

    bool busy; /* a file is under way: */
    rs_fs_content content;
    rs_fs_temp temp;
    struct stat st;
    char *name;  /* its final name */
    char *shown; /* its path in the source, and there */
    char *shown_to;
};

/* One entry of the source and what is in its place. */
struct pair {
    const rs_fs_visit *v;
    struct stat st;
    int dir;          /* the folder there */
    const char *name; /* there */
    struct stat old;
    bool there;
};

/* Failures name the path that they are about, in the source or there. */
static int fail_from(rs_fs_fail *fail, int err, const struct pair *p)
{
    return rs_fs_fail_note(fail, err, p->v->path);
}

static char *to_path(const rs_fs_copier *c, const rs_fs_visit *v)
{
    char *path;
    const char *rest = v->path + c->from_len;
    const char *slash = v->depth > 0 && *rest != '/' ? "/" : "";
    return asprintf(&path, "%s%s%s", c->to_path, slash, rest) < 0 ? NULL : path;
}

static int fail_to(const rs_fs_copier *c, rs_fs_fail *fail, int err, const struct pair *p)
{
    return err ? rs_fs_fail_note_taken(fail, err, to_path(c, p->v)) : 0;
}

static bool may_replace(const rs_fs_copier *c)
{
    return c->opts.replace || c->opts.sync;
}

/* What isn't a folder takes the place of what is there, if that may go. */
static int make_way(rs_fs_copier *c, const struct pair *p, rs_fs_fail *fail)
{
    if (!p->there)
        return 0;
    if (!may_replace(c))
        return fail_to(c, fail, -EEXIST, p);
    if (!S_ISDIR(p->old.st_mode))
        return 0;
    if (!c->opts.delete)
        return fail_to(c, fail, -EISDIR, p);
    char *shown = to_path(c, p->v);
    int err = rs_fs_remove_at(p->dir, p->name, shown ? shown : p->name, true, fail);
    if (!err)
        c->n.deleted++;
    free(shown);
    return err;
}

/* Files */

static void names_free(rs_fs_copier *c)
{
    free(c->name);
    free(c->shown);
    free(c->shown_to);
    c->name = c->shown = c->shown_to = NULL;
}

static void file_forget(rs_fs_copier *c)
{
    if (!c->busy)
        return;
    close(c->content.in);
    rs_fs_temp_close(&c->temp);
    names_free(c);
    c->busy = false;
}

static int file_finish(rs_fs_copier *c)
{
    int err;
    if (c->opts.preserve) {
        err = rs_fs_attr_give(c->content.in, c->temp.fd, &c->st);
    } else {
        const rs_fs_make make = {NULL, -1};
        err = rs_fs_make_finish(&make, c->temp.fd, c->st.st_mode & 0777, !c->temp.name[0]);
    }
    if (!err)
        err = rs_fs_temp_commit(&c->temp, c->name, may_replace(c));
    if (!err) {
        c->n.files++;
        c->n.bytes += (uint64_t)c->content.at;
    }
    return err;
}

/* Copies a piece of the file that is under way. */
static int file_step(rs_fs_copier *c, rs_fs_fail *fail)
{
    int got = rs_fs_content_step(&c->content);
    if (got > 0)
        return 0;
    int err = got < 0 ? got : file_finish(c);
    /* Which of the two files it was isn't known: what can fail in reading is EIO, and rare. */
    rs_fs_fail_note(fail, err, err == -EIO ? c->shown : c->shown_to);
    file_forget(c);
    return err;
}

static int same_content(const struct pair *p, int in)
{
    unsigned char a[RS_DIGEST_MAX], b[RS_DIGEST_MAX];
    const rs_digest_class *class = rs_digest_find("sha256");
    int fd = openat(p->dir, p->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return 0;
    int err = rs_fs_checksum_fd(in, class, a);
    if (!err)
        err = rs_fs_checksum_fd(fd, class, b);
    close(fd);
    if (lseek(in, 0, SEEK_SET) < 0 && !err)
        err = -errno;
    return err ? err : memcmp(a, b, rs_digest_size(class)) == 0;
}

static bool same_time(const struct stat *a, const struct stat *b)
{
    return a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* 1 when the file there needs no new content. */
static int is_unchanged(const rs_fs_copier *c, const struct pair *p, int in)
{
    if (!c->opts.sync || !p->there || !S_ISREG(p->old.st_mode) || p->old.st_size != p->st.st_size)
        return 0;
    if (p->old.st_dev == p->st.st_dev && p->old.st_ino == p->st.st_ino)
        return 1;
    return c->opts.checksum ? same_content(p, in) : same_time(&p->old, &p->st);
}

static int file_begin(rs_fs_copier *c, const struct pair *p, int in)
{
    unsigned mode = c->opts.preserve ? 0600 : p->st.st_mode & 0777;
    c->name = strdup(p->name);
    c->shown = strdup(p->v->path);
    c->shown_to = to_path(c, p->v);
    c->st = p->st;
    int err = c->name ? rs_fs_temp_open(&c->temp, p->dir, mode, false) : -ENOMEM;
    if (err)
        return err;
    rs_fs_content_init(&c->content, in, c->temp.fd, p->st.st_size);
    return 0;
}

static int copy_file(rs_fs_copier *c, struct pair *p, rs_fs_fail *fail)
{
    int in = openat(p->v->dir, p->v->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (in < 0)
        return fail_from(fail, -errno, p);
    int err = fstat(in, &p->st) ? -errno : S_ISREG(p->st.st_mode) ? 0 : -ESTALE;
    int unchanged = err ? err : is_unchanged(c, p, in);
    if (unchanged != 0) {
        close(in);
        if (unchanged < 0)
            return fail_from(fail, unchanged, p);
        c->n.skipped++;
        return c->opts.preserve ? fail_to(c, fail, rs_fs_attr_give_at(p->dir, p->name, &p->st), p) : 0;
    }
    err = make_way(c, p, fail);
    if (!err)
        err = fail_to(c, fail, file_begin(c, p, in), p);
    if (err) {
        close(in);
        names_free(c);
        return err;
    }
    c->busy = true;
    return 0;
}

/* Links, fifos and the like: made under another name and renamed when something is in their place. */

struct special {
    const struct stat *st;
    const char *target;
};

static int make_special(void *user, int dir, const char *name)
{
    const struct special *s = user;
    int bad =
        s->target ? symlinkat(s->target, dir, name) : mknodat(dir, name, s->st->st_mode & ~07077u, s->st->st_rdev);
    return bad ? -errno : 0;
}

static int place_special(rs_fs_copier *c, const struct pair *p, struct special *s)
{
    char temp[32];
    int err = p->there ? rs_fs_temp_try(p->dir, temp, make_special, s) : make_special(s, p->dir, p->name);
    if (err)
        return err;
    const char *name = p->there ? temp : p->name;
    if (c->opts.preserve)
        err = rs_fs_attr_give_at(p->dir, name, &p->st);
    if (!err && p->there && renameat(p->dir, temp, p->dir, p->name))
        err = -errno;
    if (err)
        unlinkat(p->dir, name, 0);
    else
        c->n.files++;
    return err;
}

static bool is_same_special(const rs_fs_copier *c, const struct pair *p, const char *target)
{
    int err;
    if (!c->opts.sync || !p->there || (p->st.st_mode & S_IFMT) != (p->old.st_mode & S_IFMT))
        return false;
    if (!target)
        return p->st.st_rdev == p->old.st_rdev;
    char *old = rs_fs_readlink(p->dir, p->name, &err);
    bool same = old && strcmp(old, target) == 0;
    free(old);
    return same;
}

static int copy_special(rs_fs_copier *c, struct pair *p, rs_fs_fail *fail)
{
    int err = 0;
    char *target = S_ISLNK(p->st.st_mode) ? rs_fs_readlink(p->v->dir, p->v->name, &err) : NULL;
    if (S_ISLNK(p->st.st_mode) && !target)
        return fail_from(fail, err, p);
    if (is_same_special(c, p, target)) {
        c->n.skipped++;
    } else {
        err = make_way(c, p, fail);
        if (!err && S_ISDIR(p->old.st_mode))
            p->there = false; /* it had to go first */
        if (!err)
            err = fail_to(c, fail, place_special(c, p, &(struct special){&p->st, target}), p);
    }
    free(target);
    return err;
}

/* Folders */

static int make_folder(const rs_fs_copier *c, const struct pair *p)
{
    if (p->there && !c->opts.sync)
        return c->opts.replace ? -ENOTDIR : -EEXIST;
    if (p->there && p->v->depth == 0 && !c->opts.delete)
        return -ENOTDIR; /* what was named is more likely a mistake than to be replaced */
    if (p->there && unlinkat(p->dir, p->name, 0))
        return -errno;
    return mkdirat(p->dir, p->name, c->opts.preserve ? 0700 : 0700 | (p->st.st_mode & 0777)) ? -errno : 0;
}

/* The folder there is entered too: made, or there already. Only the root may be a link to one. */
static int enter_counterpart(rs_fs_copier *c, const struct pair *p, bool *made)
{
    struct stat st;
    bool root = p->v->depth == 0;
    bool folder =
        p->there && (S_ISDIR(p->old.st_mode) || (root && fstatat(p->dir, p->name, &st, 0) == 0 && S_ISDIR(st.st_mode)));
    int err = folder ? (may_replace(c) ? 0 : -EEXIST) : make_folder(c, p);
    if (err)
        return err;
    *made = !folder;
    int fd = openat(p->dir, p->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (root && folder ? 0 : O_NOFOLLOW));
    if (fd < 0)
        return -errno;
    return rs_fs_ladder_push(&c->to, fd, root);
}

/* What is there and not in the source. */
static int delete_others(rs_fs_copier *c, const struct pair *p, rs_fs_fail *fail)
{
    rs_fs_names names;
    int fd = rs_fs_ladder_fd(&c->to);
    int err = rs_fs_names_read(&names, fd);
    if (err)
        return fail_to(c, fail, err, p);
    char *folder = to_path(c, p->v);
    for (size_t i = 0; !err && i < names.n; i++) {
        char *shown;
        if (rs_fs_names_has(rs_fs_tree_names(c->tree), names.items[i].name))
            continue;
        if (asprintf(&shown, "%s/%s", folder ? folder : "", names.items[i].name) < 0)
            shown = NULL;
        err = rs_fs_remove_at(fd, names.items[i].name, shown ? shown : names.items[i].name, true, fail);
        if (err && !fail->path)
            fail->path = shown;
        else
            free(shown);
        if (!err)
            c->n.deleted++;
    }
    free(folder);
    rs_fs_names_fini(&names);
    return err;
}

static int copy_folder(rs_fs_copier *c, struct pair *p, rs_fs_fail *fail)
{
    bool made = false;
    int err = rs_fs_tree_enter(c->tree, false, 0);
    if (err)
        return fail_from(fail, err, p);
    err = fail_to(c, fail, enter_counterpart(c, p, &made), p);
    if (!err && c->opts.preserve && made)
        rs_fs_attr_copy(rs_fs_tree_fd(c->tree), rs_fs_ladder_fd(&c->to), false);
    if (!err && c->opts.delete &&!made)
        err = delete_others(c, p, fail);
    return err;
}

/* A folder's time and mode come last: what is put in would change the time, and may need the rights. */
static int leave_folder(rs_fs_copier *c, struct pair *p, rs_fs_fail *fail)
{
    int err = rs_fs_ladder_pop(&c->to);
    if (err)
        return fail_to(c, fail, err, p);
    p->dir = rs_fs_ladder_fd(&c->to);
    if (fstatat(p->v->dir, p->v->name, &p->st, AT_SYMLINK_NOFOLLOW))
        return fail_from(fail, -errno, p);
    if (fstatat(p->dir, p->name, &p->old, AT_SYMLINK_NOFOLLOW))
        return fail_to(c, fail, -errno, p);
    /* The root may be a link to a folder: its own times are no matter of ours. */
    if (!c->opts.preserve || S_ISLNK(p->old.st_mode))
        return 0;
    return fail_to(c, fail, rs_fs_attr_give_at(p->dir, p->name, &p->st), p);
}

static int copy_entry(rs_fs_copier *c, const rs_fs_visit *v, rs_fs_fail *fail)
{
    struct pair p = {.v = v, .name = v->depth ? v->name : c->to_name};
    if (v->what == RS_FS_LEAVE)
        return leave_folder(c, &p, fail);
    p.dir = rs_fs_ladder_fd(&c->to);
    if (fstatat(v->dir, v->name, &p.st, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT && v->depth ? 0 : fail_from(fail, -errno, &p);
    p.there = fstatat(p.dir, p.name, &p.old, AT_SYMLINK_NOFOLLOW) == 0;
    if (!p.there && errno != ENOENT)
        return fail_to(c, fail, -errno, &p);
    if (S_ISDIR(p.st.st_mode))
        return copy_folder(c, &p, fail);
    return S_ISREG(p.st.st_mode) ? copy_file(c, &p, fail) : copy_special(c, &p, fail);
}

/* Beginning and end */

/* Whether the open folder is inside the one that is st, or is it. */
static bool is_inside(int dir, const struct stat *st)
{
    struct stat is, above;
    int fd = openat(dir, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &is)) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    for (;;) {
        bool inside = is.st_dev == st->st_dev && is.st_ino == st->st_ino;
        int up = inside ? -1 : openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
        close(fd);
        if (up < 0)
            return inside;
        if (fstat(up, &above) || (above.st_dev == is.st_dev && above.st_ino == is.st_ino)) {
            close(up);
            return false;
        }
        fd = up;
        is = above;
    }
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Refuses what would run in circles or delete its own source. */
static int check_places(const rs_fs_place *from, const rs_fs_place *to, const rs_fs_copy_opts *o)
{
    struct stat st, old;
    if (fstatat(from->dir, from->name, &st, AT_SYMLINK_NOFOLLOW))
        return 0; /* said later, with its path */
    bool there = fstatat(to->dir, to->name, &old, 0) == 0;
    if (there && same_file(&st, &old) && (S_ISDIR(st.st_mode) || !o->sync))
        return -EINVAL;
    if (S_ISDIR(st.st_mode) && is_inside(to->dir, &st))
        return -EINVAL;
    return there && S_ISDIR(old.st_mode) && o->delete &&is_inside(from->dir, &old) ? -EINVAL : 0;
}

static int copier_open(rs_fs_copier *c, const char *from, const char *to, rs_fs_fail *fail)
{
    rs_fs_place a, b;
    int err = rs_fs_place_open(&a, from);
    if (err)
        return rs_fs_fail_note(fail, err, from);
    err = rs_fs_place_open(&b, to);
    if (err) {
        rs_fs_place_close(&a);
        return rs_fs_fail_note(fail, err, to);
    }
    err = check_places(&a, &b, &c->opts);
    if (!err)
        err = rs_fs_tree_new_at(&c->tree, a.dir, a.name, from);
    c->to_path = strdup(to);
    c->to_name = strdup(b.name);
    if (!err && (!c->to_path || !c->to_name))
        err = -ENOMEM;
    if (!err) {
        err = rs_fs_ladder_push(&c->to, b.dir, false);
        b.dir = -1;
    }
    rs_fs_place_close(&a);
    rs_fs_place_close(&b);
    return rs_fs_fail_note(fail, err, to);
}

int rs_fs_copier_new(rs_fs_copier **out, const char *from, const char *to, const rs_fs_copy_opts *opts,
                     rs_fs_fail *fail)
{
    rs_fs_copier *c = *out = calloc(1, sizeof *c);
    if (!c)
        return rs_fs_fail_note(fail, -ENOMEM, NULL);
    c->opts = *opts;
    c->from_len = rs_fs_path_len(from);
    int err = copier_open(c, from, to, fail);
    if (err) {
        rs_fs_copier_free(c);
        *out = NULL;
        return err;
    }
    c->to_path[rs_fs_path_len(to)] = 0;
    return 0;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int step_once(rs_fs_copier *c, rs_fs_fail *fail)
{
    rs_fs_visit v;
    int err;
    if (c->busy) {
        err = file_step(c, fail);
        return err ? err : 1;
    }
    int got = rs_fs_tree_next(c->tree, &v);
    if (got <= 0)
        return rs_fs_fail_note(fail, got, NULL);
    err = copy_entry(c, &v, fail);
    return err ? err : 1;
}

int rs_fs_copier_step(rs_fs_copier *c, int ms, rs_fs_fail *fail)
{
    int64_t end = ms > 0 ? now_ms() + ms : INT64_MAX;
    int got;
    do
        got = step_once(c, fail);
    while (got > 0 && now_ms() < end);
    return got;
}

const rs_fs_copied *rs_fs_copier_counts(const rs_fs_copier *c)
{
    return &c->n;
}

void rs_fs_copier_free(rs_fs_copier *c)
{
    if (!c)
        return;
    file_forget(c);
    rs_fs_tree_free(c->tree);
    rs_fs_ladder_fini(&c->to);
    free(c->to_path);
    free(c->to_name);
    free(c);
}

static int copy_all(const char *from, const char *to, const rs_fs_copy_opts *o, rs_fs_copied *n, rs_fs_fail *fail)
{
    rs_fs_copier *c;
    int err = rs_fs_copier_new(&c, from, to, o, fail);
    if (err)
        return err;
    err = rs_fs_copier_step(c, 0, fail);
    *n = c->n;
    rs_fs_copier_free(c);
    return err;
}

int rs_fs_copy(const char *from, const char *to, bool replace, rs_fs_copied *n, rs_fs_fail *fail)
{
    *n = (rs_fs_copied){0};
    return copy_all(from, to, &(rs_fs_copy_opts){.replace = replace, .preserve = true}, n, fail);
}
