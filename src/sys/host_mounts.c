#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/err.h"
#include "loop/job.h"
#include "loop/task_error.h"
#include "sys/fs_opts.h"
#include "sys/host_lua.h"
#include "sys/host_text.h"

/* statvfs asks the server of a network file system, and hangs when it doesn't answer: a job. */
struct mount {
    rs_host_mount text; /* in job->text */
    int err;
    struct statvfs size;
};

struct job {
    bool sizes;
    int err;
    char *text;
    struct mount *mounts;
    size_t count;
};

static int read_lines(struct job *j, size_t *n)
{
    rs_buf b;
    rs_buf_init(&b, 64 * 1024 * 1024);
    int err = rs_host_read(AT_FDCWD, "/proc/self/mounts", &b);
    if (!err && !(j->text = rs_buf_take(&b, n)))
        err = -ENOMEM;
    rs_buf_fini(&b);
    return err;
}

static void add(struct job *j, const rs_host_mount *text)
{
    struct mount *m = &j->mounts[j->count++];
    m->text = *text;
    if (j->sizes)
        m->err = statvfs(text->path, &m->size) == 0 ? 0 : -errno;
}

static int parse(struct job *j, size_t n)
{
    size_t lines = 1;
    for (size_t i = 0; i < n; i++)
        lines += j->text[i] == '\n';
    j->mounts = calloc(lines, sizeof *j->mounts);
    if (!j->mounts)
        return -ENOMEM;
    for (char *s = j->text, *end = s + n; s < end;) {
        size_t len = strcspn(s, "\n");
        rs_host_mount text;
        if (rs_host_mount_line(s, len, &text))
            add(j, &text);
        s += len + 1;
    }
    return 0;
}

static void run(void *job)
{
    struct job *j = job;
    size_t n = 0;
    j->err = read_lines(j, &n);
    if (!j->err)
        j->err = parse(j, n);
}

static void set(lua_State *L, const char *key, const char *value)
{
    lua_pushstring(L, value);
    lua_setfield(L, -2, key);
}

static void set_bytes(lua_State *L, const char *key, uint64_t blocks, uint64_t size)
{
    lua_pushinteger(L, (lua_Integer)blocks * (lua_Integer)size);
    lua_setfield(L, -2, key);
}

static void set_sizes(lua_State *L, const struct mount *m)
{
    if (m->err) {
        set(L, "error", rs_err_name(m->err));
        return;
    }
    set_bytes(L, "total", m->size.f_blocks, m->size.f_frsize);
    set_bytes(L, "free", m->size.f_bfree, m->size.f_frsize);
    set_bytes(L, "available", m->size.f_bavail, m->size.f_frsize);
    set_bytes(L, "files", m->size.f_files, 1);
    set_bytes(L, "files_free", m->size.f_ffree, 1);
}

static int finish(lua_State *L, void *job)
{
    struct job *j = job;
    if (j->err)
        return rs_error_edge(L, j->err);
    lua_createtable(L, (int)j->count, 0);
    for (size_t i = 0; i < j->count; i++) {
        const struct mount *m = &j->mounts[i];
        lua_createtable(L, 0, 9);
        set(L, "device", m->text.device);
        set(L, "path", m->text.path);
        set(L, "type", m->text.type);
        set(L, "options", m->text.options);
        if (j->sizes)
            set_sizes(L, m);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static void drop(void *job)
{
    struct job *j = job;
    free(j->mounts);
    free(j->text);
    free(j);
}

int rs_host_mounts(lua_State *L)
{
    static const rs_job_class class = {run, finish, drop};
    static const char *const options[] = {"sizes", NULL};
    rs_fs_opts_check(L, 1, options);
    bool sizes = rs_fs_opt_flag(L, 1, "sizes", false);
    struct job *j = calloc(1, sizeof *j);
    if (!j)
        return luaL_error(L, "not enough memory");
    j->sizes = sizes;
    return rs_job_run(L, &class, j);
}
