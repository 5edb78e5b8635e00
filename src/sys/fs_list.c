#include "sys/fs_list.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sys/fs_at.h"
#include "sys/fs_glob.h"
#include "sys/fs_tree.h"

void rs_fs_items_fini(rs_fs_items *items)
{
    for (size_t i = 0; i < items->n; i++) {
        free(items->items[i].path);
        rs_fs_stat_fini(&items->items[i].stat);
    }
    free(items->items);
    rs_fs_ids_fini(&items->ids);
    *items = (rs_fs_items){0};
}

static int grow(rs_fs_items *out)
{
    if (out->n < out->cap)
        return 0;
    size_t cap = out->cap ? out->cap * 2 : 32;
    rs_fs_item *items = realloc(out->items, cap * sizeof *items);
    if (!items)
        return -ENOMEM;
    out->items = items;
    out->cap = cap;
    return 0;
}

/* Adds what is called name in dir. What vanished meanwhile isn't added, and isn't an error. */
static int add_item(rs_fs_items *out, int dir, const char *name, const char *path, unsigned char type, bool stat)
{
    int err = grow(out);
    if (err)
        return err;
    rs_fs_item item = {.path = strdup(path), .type = rs_fs_type_of_entry(type)};
    if (!item.path)
        return -ENOMEM;
    if (stat)
        err = rs_fs_stat_at(&item.stat, dir, name, false, &out->ids);
    if (err) {
        free(item.path);
        rs_fs_stat_fini(&item.stat);
        return err == -ENOENT ? 0 : err;
    }
    if (stat)
        item.type = rs_fs_type_name(item.stat.st.st_mode);
    out->items[out->n++] = item;
    return 0;
}

int rs_fs_list(const char *path, bool stat, rs_fs_items *out)
{
    rs_fs_names names = {0};
    int fd = rs_fs_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
    int err = fd < 0 ? fd : rs_fs_names_read(&names, fd);
    for (size_t i = 0; !err && i < names.n; i++)
        err = add_item(out, fd, names.items[i].name, names.items[i].name, names.items[i].type, stat);
    rs_fs_names_fini(&names);
    if (fd >= 0)
        close(fd);
    return err;
}

/* Glob */

struct glob_run {
    rs_glob *glob;
    rs_fs_tree *tree;
    rs_fs_items *out;
    bool stat;
};

static int add_plain(void *user, const char *name)
{
    rs_fs_names *names = user;
    return rs_fs_names_add(names, name, DT_UNKNOWN);
}

/* Goes into the entry that was visited last. What can't be entered has nothing that matches; where a folder may be
 * searched but not read, names without wildcards can still be found. */
static int glob_enter(struct glob_run *r, rs_glob_set set)
{
    rs_fs_names names = {0};
    int err = rs_glob_is_plain(r->glob, set) ? -EACCES : rs_fs_tree_enter(r->tree, true, set);
    if (err == -EACCES) {
        err = rs_glob_each_plain(r->glob, set, add_plain, &names);
        rs_fs_names_done(&names);
        if (err)
            rs_fs_names_fini(&names);
        else
            err = rs_fs_tree_enter_names(r->tree, true, set, &names);
    }
    return err == -ENOMEM || err == -EMFILE || err == -ENFILE ? err : 0;
}

static bool is_folder(const rs_fs_visit *v)
{
    struct stat st;
    if (v->type != DT_LNK)
        return v->type == DT_DIR;
    return fstatat(v->dir, v->name, &st, 0) == 0 && S_ISDIR(st.st_mode);
}

static int glob_visit(struct glob_run *r, const rs_fs_visit *v)
{
    if (v->depth == 0)
        return glob_enter(r, rs_glob_start(r->glob));
    if (v->type == DT_UNKNOWN)
        return 0; /* there is nothing of this name */
    rs_glob_set set = rs_glob_step(r->glob, v->tag, v->name, v->type == DT_DIR);
    rs_glob_set below = rs_glob_below(r->glob, set);
    if (rs_glob_is_match(r->glob, set) && (!rs_glob_wants_folder(r->glob) || is_folder(v))) {
        int err = add_item(r->out, v->dir, v->name, v->path, v->type, r->stat);
        if (err)
            return err;
    }
    return below && (v->type == DT_DIR || v->type == DT_LNK) ? glob_enter(r, below) : 0;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const rs_fs_item *)a)->path, ((const rs_fs_item *)b)->path);
}

static int glob_run(struct glob_run *r, const char *root)
{
    rs_fs_visit v;
    int err = rs_fs_tree_new(&r->tree, root);
    if (err)
        return err == -ENOENT || err == -ENOTDIR || err == -EACCES ? 0 : err;
    while ((err = rs_fs_tree_next(r->tree, &v)) > 0) {
        err = v.what == RS_FS_ENTRY ? glob_visit(r, &v) : 0;
        if (err)
            break;
    }
    rs_fs_tree_free(r->tree);
    if (r->out->n > 1)
        qsort(r->out->items, r->out->n, sizeof *r->out->items, by_path);
    return err;
}

int rs_fs_glob(const char *root, const char *pattern, bool stat, rs_fs_items *out)
{
    struct glob_run r = {.out = out, .stat = stat};
    int err = rs_glob_new(&r.glob, pattern);
    if (err)
        return err;
    err = glob_run(&r, rs_glob_is_absolute(r.glob) ? "/" : root);
    rs_glob_free(r.glob);
    return err;
}

/* Walk */

struct rs_fs_walk {
    rs_fs_tree *tree;
    rs_fs_walk_opts opts; /* its strings are ours */
    rs_fs_fail *errors;
    size_t n_errors;
};

static char *copy_of(const char *s, int *err)
{
    char *copy = s ? strdup(s) : NULL;
    if (s && !copy)
        *err = -ENOMEM;
    return copy;
}

/* Visits the root, so that an error of it is known at once. */
static int walk_start(rs_fs_walk *w, const char *path)
{
    rs_fs_visit v;
    int err = rs_fs_tree_new(&w->tree, path);
    if (err)
        return err;
    err = rs_fs_tree_next(w->tree, &v);
    return err < 0 ? err : rs_fs_tree_enter(w->tree, true, 0);
}

int rs_fs_walk_new(rs_fs_walk **out, const char *path, const rs_fs_walk_opts *opts)
{
    rs_fs_walk *w = calloc(1, sizeof *w);
    if (!w)
        return -ENOMEM;
    int err = 0;
    w->opts = *opts;
    w->opts.filter = copy_of(opts->filter, &err);
    w->opts.enter = copy_of(opts->enter, &err);
    if (!err)
        err = walk_start(w, path);
    if (err)
        rs_fs_walk_free(w);
    else
        *out = w;
    return err;
}

void rs_fs_walk_free(rs_fs_walk *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->n_errors; i++)
        rs_fs_fail_fini(&w->errors[i]);
    free(w->errors);
    free((char *)w->opts.filter);
    free((char *)w->opts.enter);
    rs_fs_tree_free(w->tree);
    free(w);
}

static int add_error(rs_fs_walk *w, int err, const char *path)
{
    rs_fs_fail *errors = realloc(w->errors, (w->n_errors + 1) * sizeof *errors);
    if (!errors)
        return -ENOMEM;
    w->errors = errors;
    errors[w->n_errors] = (rs_fs_fail){0};
    rs_fs_fail_note(&errors[w->n_errors++], err, path);
    return 0;
}

static int walk_visit(rs_fs_walk *w, const rs_fs_visit *v, rs_fs_items *out)
{
    const rs_fs_walk_opts *o = &w->opts;
    bool folder = v->type == DT_DIR;
    if (v->type == DT_UNKNOWN)
        return 0; /* gone meanwhile */
    if (!(folder && o->no_folders) && (!o->filter || rs_glob_match_name(o->filter, v->name))) {
        int err = add_item(out, v->dir, v->name, v->path, v->type, o->stat);
        if (err)
            return err;
    }
    if (!folder || (o->depth && v->depth >= o->depth) || (o->enter && !rs_glob_match_name(o->enter, v->name)))
        return 0;
    int err = rs_fs_tree_enter(w->tree, false, 0);
    if (err == 0 || err == -ENOENT)
        return 0;
    return err == -ENOMEM || err == -EMFILE || err == -ENFILE ? err : add_error(w, err, v->path);
}

/* Long enough to be worth a round trip, short enough for a cancel. */
static bool too_long(const struct timespec *start)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (now.tv_sec - start->tv_sec) * 1000 + (now.tv_nsec - start->tv_nsec) / 1000000 > 200;
}

int rs_fs_walk_next(rs_fs_walk *w, size_t n, rs_fs_items *out)
{
    struct timespec start;
    rs_fs_visit v;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (size_t i = 0; out->n < n && !(i % 64 == 63 && too_long(&start)); i++) {
        int got = rs_fs_tree_next(w->tree, &v);
        if (got <= 0)
            return got;
        int err = v.what == RS_FS_ENTRY ? walk_visit(w, &v, out) : 0;
        if (err)
            return err;
    }
    return 1;
}

const rs_fs_fail *rs_fs_walk_errors(const rs_fs_walk *w, size_t *n)
{
    *n = w->n_errors;
    return w->errors;
}
