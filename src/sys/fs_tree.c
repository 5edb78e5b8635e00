#include "sys/fs_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/fs_at.h"
#include "sys/fs_ladder.h"

/* One folder that is being gone through. The lowest level is the root's own folder, with the root as its only name. */
struct level {
    rs_fs_names names;
    size_t next;     /* the name that comes next */
    size_t path_len; /* of the folder's path */
    uint64_t tag;
};

struct rs_fs_tree {
    rs_fs_ladder ladder; /* as many rungs as levels */
    struct level *levels;
    size_t n, cap;
    char *path; /* of the entry that was visited last */
    size_t path_len, path_cap;
};

static int add_level(rs_fs_tree *t, rs_fs_names *names, uint64_t tag)
{
    if (t->n == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 16;
        struct level *levels = realloc(t->levels, cap * sizeof *levels);
        if (!levels)
            return -ENOMEM;
        t->levels = levels;
        t->cap = cap;
    }
    t->levels[t->n++] = (struct level){.names = *names, .path_len = t->path_len, .tag = tag};
    *names = (rs_fs_names){0};
    return 0;
}

/* Makes path the folder's with the name; the folder of the root is the empty path, and adds nothing. */
static int set_path(rs_fs_tree *t, size_t folder, const char *name)
{
    size_t n = strlen(name), slash = folder > 0 && t->path[folder - 1] != '/';
    if (folder + n + 2 > t->path_cap) {
        size_t cap = (folder + n + 2) * 2;
        char *path = realloc(t->path, cap);
        if (!path)
            return -ENOMEM;
        t->path = path;
        t->path_cap = cap;
    }
    if (slash)
        t->path[folder] = '/';
    memcpy(t->path + folder + slash, name, n + 1);
    t->path_len = folder + slash + n;
    return 0;
}

int rs_fs_tree_new_at(rs_fs_tree **out, int dir, const char *name, const char *path)
{
    rs_fs_tree *t = calloc(1, sizeof *t);
    if (!t)
        return -ENOMEM;
    rs_fs_names names = {0};
    int err = set_path(t, 0, path);
    if (!err)
        err = rs_fs_names_add(&names, name, DT_UNKNOWN);
    rs_fs_names_done(&names);
    if (!err) {
        t->path[rs_fs_path_len(path)] = 0;
        err = add_level(t, &names, 0);
    }
    int fd = err ? -1 : fcntl(dir, F_DUPFD_CLOEXEC, 0);
    if (!err)
        err = fd < 0 ? -errno : rs_fs_ladder_push(&t->ladder, fd, false);
    rs_fs_names_fini(&names);
    if (err)
        rs_fs_tree_free(t);
    else
        *out = t;
    return err;
}

int rs_fs_tree_new(rs_fs_tree **out, const char *path)
{
    rs_fs_place place;
    int err = rs_fs_place_open(&place, path);
    if (err)
        return err;
    err = rs_fs_tree_new_at(out, place.dir, place.name, path);
    rs_fs_place_close(&place);
    return err;
}

void rs_fs_tree_free(rs_fs_tree *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n; i++)
        rs_fs_names_fini(&t->levels[i].names);
    rs_fs_ladder_fini(&t->ladder);
    free(t->levels);
    free(t->path);
    free(t);
}

static unsigned char type_of(int dir, const char *name)
{
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
        return DT_UNKNOWN;
    return (unsigned char)IFTODT(st.st_mode);
}

/* Fills v with an item of the lowest level. The root's path stands from the start: its name may be another ("."). */
static int show(rs_fs_tree *t, rs_fs_visit *v, rs_fs_name *item)
{
    struct level *l = &t->levels[t->n - 1];
    int dir = rs_fs_ladder_fd(&t->ladder), err = 0;
    if (t->n == 1)
        t->path_len = strlen(t->path);
    else
        err = set_path(t, l->path_len, item->name);
    if (item->type == DT_UNKNOWN)
        item->type = type_of(dir, item->name);
    v->dir = dir;
    v->name = item->name;
    v->path = t->path;
    v->path_len = t->path_len;
    v->depth = t->n - 1;
    v->type = item->type;
    v->tag = l->tag;
    return err;
}

/* Leaves the lowest level; what is visited is the folder itself, seen from above. */
static int leave(rs_fs_tree *t, rs_fs_visit *v)
{
    struct level *l = &t->levels[t->n - 1];
    if (t->n == 2)
        t->path[l->path_len] = 0;
    rs_fs_names_fini(&l->names);
    t->n--;
    int err = rs_fs_ladder_pop(&t->ladder);
    if (err)
        return err;
    l--;
    v->what = RS_FS_LEAVE;
    return show(t, v, &l->names.items[l->next - 1]);
}

int rs_fs_tree_next(rs_fs_tree *t, rs_fs_visit *v)
{
    struct level *l = &t->levels[t->n - 1];
    int err;
    if (l->next < l->names.n) {
        v->what = RS_FS_ENTRY;
        err = show(t, v, &l->names.items[l->next++]);
    } else if (t->n > 1) {
        err = leave(t, v);
    } else {
        return 0;
    }
    return err ? err : 1;
}

/* names = NULL: read them. */
static int enter(rs_fs_tree *t, bool follow, uint64_t tag, rs_fs_names *names)
{
    struct level *l = &t->levels[t->n - 1];
    rs_fs_name *item = &l->names.items[l->next - 1];
    rs_fs_names read = {0};
    int how = names ? O_PATH : O_RDONLY;
    int fd = openat(rs_fs_ladder_fd(&t->ladder), item->name, how | O_DIRECTORY | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW));
    if (fd < 0)
        return -errno;
    int err = names ? 0 : rs_fs_names_read(&read, fd);
    if (err) {
        close(fd);
        return err;
    }
    bool stray = item->type != DT_DIR || item->name[strspn(item->name, ".")] == 0;
    err = rs_fs_ladder_push(&t->ladder, fd, stray);
    if (err) {
        rs_fs_names_fini(&read);
        return err;
    }
    err = add_level(t, names ? names : &read, tag);
    if (err) {
        rs_fs_ladder_pop(&t->ladder);
        rs_fs_names_fini(&read);
    }
    return err;
}

int rs_fs_tree_enter(rs_fs_tree *t, bool follow, uint64_t tag)
{
    return enter(t, follow, tag, NULL);
}

int rs_fs_tree_enter_names(rs_fs_tree *t, bool follow, uint64_t tag, rs_fs_names *names)
{
    int err = enter(t, follow, tag, names);
    rs_fs_names_fini(names);
    return err;
}

const rs_fs_names *rs_fs_tree_names(const rs_fs_tree *t)
{
    return &t->levels[t->n - 1].names;
}

int rs_fs_tree_fd(const rs_fs_tree *t)
{
    return rs_fs_ladder_fd(&t->ladder);
}
