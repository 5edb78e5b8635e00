#include "sys/fs_move.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/fs_at.h"
#include "sys/fs_change.h"
#include "sys/fs_copy.h"
#include "sys/fs_names.h"
#include "sys/fs_remove.h"
#include "sys/fs_temp.h"

/* What rename(2) would refuse is refused before anything is copied. */
static int check_move(const char *from, const rs_fs_place *to)
{
    struct stat st, old;
    rs_fs_at at;
    int err = rs_fs_at_open(&at, from);
    if (err)
        return err;
    err = fstatat(at.dir, at.name, &st, AT_SYMLINK_NOFOLLOW) ? -errno : 0;
    rs_fs_at_close(&at);
    if (err || fstatat(to->dir, to->name, &old, AT_SYMLINK_NOFOLLOW))
        return err;
    if (S_ISDIR(st.st_mode) != S_ISDIR(old.st_mode))
        return S_ISDIR(old.st_mode) ? -EISDIR : -ENOTDIR;
    if (!S_ISDIR(old.st_mode))
        return 0;
    rs_fs_names names = {0};
    int fd = openat(to->dir, to->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    err = fd < 0 ? -errno : rs_fs_names_read(&names, fd);
    if (fd >= 0)
        close(fd);
    if (err)
        return err;
    bool empty = names.n == 0;
    rs_fs_names_fini(&names);
    return empty ? 0 : -ENOTEMPTY;
}

/* The path of another name in the folder of `to`. */
static char *sibling(const char *to, const char *name)
{
    char *path;
    size_t n = rs_fs_path_len(to);
    while (n > 0 && to[n - 1] != '/')
        n--;
    return asprintf(&path, "%.*s%s", (int)n, to, name) < 0 ? NULL : path;
}

static int move_copied(const char *from, const char *to, const rs_fs_place *place, rs_fs_fail *fail)
{
    char temp[32];
    rs_fs_copied n;
    int err = check_move(from, place);
    if (!err)
        err = rs_fs_temp_name(temp);
    if (err)
        return rs_fs_fail_note(fail, err, NULL);
    char *path = sibling(to, temp);
    if (!path)
        return rs_fs_fail_note(fail, -ENOMEM, NULL);
    err = rs_fs_copy(from, path, false, &n, fail);
    if (!err && renameat(place->dir, temp, place->dir, place->name))
        err = rs_fs_fail_note(fail, -errno, to);
    if (err) {
        rs_fs_fail ignored = {0};
        rs_fs_remove_at(place->dir, temp, path, true, &ignored);
        rs_fs_fail_fini(&ignored);
    }
    free(path);
    return err ? err : rs_fs_remove(from, true, fail);
}

int rs_fs_move(const char *from, const char *to, rs_fs_fail *fail)
{
    rs_fs_place place;
    int err = rs_fs_rename(from, to);
    if (err != -EXDEV)
        return rs_fs_fail_note(fail, err, NULL);
    err = rs_fs_place_open(&place, to);
    if (err)
        return rs_fs_fail_note(fail, err, to);
    err = move_copied(from, to, &place, fail);
    rs_fs_place_close(&place);
    return err;
}
