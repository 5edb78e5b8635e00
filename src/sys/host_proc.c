#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "loop/job.h"
#include "loop/task_error.h"
#include "sys/host_lua.h"
#include "sys/host_text.h"
#include "sys/users.h"

/* A process that ends while it is read is left out. Names, arguments and user names lie in job->text: offsets, since it
 * moves as it grows. */
struct process {
    rs_host_stat stat; /* its name pointer isn't used */
    uint32_t uid;
    size_t name, name_len;
    size_t args, args_len;
    size_t user;
};

struct known_user {
    uint32_t uid;
    size_t name;
};

struct job {
    int err;
    double boot; /* seconds since the epoch */
    rs_buf text;
    struct process *all;
    size_t count, room;
    struct known_user *users;
    size_t user_count;
};

/* Adds a file of one process to the text, from *at on. */
static int add_file(struct job *j, int dir, const char *name, size_t *at, size_t *len)
{
    *at = rs_buf_len(&j->text);
    int err = rs_host_read(dir, name, &j->text);
    *len = rs_buf_len(&j->text) - *at;
    return err;
}

static void take_back(struct job *j, size_t at)
{
    j->text.len = at;
}

static bool user_known(const struct job *j, uint32_t uid, size_t *name)
{
    for (size_t i = 0; i < j->user_count; i++) {
        if (j->users[i].uid == uid) {
            *name = j->users[i].name;
            return true;
        }
    }
    return false;
}

/* Few users own many processes: each is looked up once. */
static int find_user(struct job *j, uint32_t uid, size_t *name)
{
    char buf[RS_NAME_MAX];
    if (user_known(j, uid, name))
        return 0;
    struct known_user *more = realloc(j->users, (j->user_count + 1) * sizeof *more);
    if (!more)
        return -ENOMEM;
    j->users = more;
    rs_users_name(uid, buf, sizeof buf);
    *name = rs_buf_len(&j->text);
    j->users[j->user_count++] = (struct known_user){uid, *name};
    return rs_buf_add(&j->text, buf, strlen(buf) + 1);
}

static int read_stat(struct job *j, int dir, struct process *p)
{
    size_t at, len;
    int err = add_file(j, dir, "stat", &at, &len);
    if (err)
        return err;
    if (!rs_host_stat_parse(rs_buf_data(&j->text) + at, len, &p->stat))
        return RS_EPARSE;
    p->name = at + (size_t)(p->stat.name - (rs_buf_data(&j->text) + at));
    p->name_len = p->stat.name_len;
    return 0;
}

/* The folder's owner would be quicker, but is root for programs that changed their user. */
static int read_uid(struct job *j, int dir, struct process *p)
{
    size_t at, len;
    int err = add_file(j, dir, "status", &at, &len);
    if (!err && !rs_host_status_uid(rs_buf_data(&j->text) + at, len, &p->uid))
        err = RS_EPARSE;
    take_back(j, at);
    return err;
}

static int read_process(struct job *j, int dir, struct process *p)
{
    int err = read_stat(j, dir, p);
    if (!err)
        err = read_uid(j, dir, p);
    if (!err)
        err = add_file(j, dir, "cmdline", &p->args, &p->args_len);
    if (!err)
        err = find_user(j, p->uid, &p->user);
    return err;
}

static struct process *next_process(struct job *j)
{
    if (j->count == j->room) {
        size_t room = j->room > 0 ? 2 * j->room : 256;
        struct process *all = realloc(j->all, room * sizeof *all);
        if (!all)
            return NULL;
        j->all = all;
        j->room = room;
    }
    return &j->all[j->count];
}

static int add_process(struct job *j, int proc, const char *pid)
{
    struct process *p = next_process(j);
    size_t before = rs_buf_len(&j->text);
    if (!p)
        return -ENOMEM;
    int dir = openat(proc, pid, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int err = dir >= 0 ? read_process(j, dir, p) : -errno;
    if (dir >= 0)
        close(dir);
    if (!err)
        j->count++;
    else if (err != -ENOMEM && err != RS_ELIMIT)
        take_back(j, before);
    return err == -ENOMEM || err == RS_ELIMIT ? err : 0;
}

static double boot_time(struct job *j, int proc)
{
    size_t at, len;
    double boot = 0;
    if (add_file(j, proc, "stat", &at, &len) == 0 && len > 0) {
        const char *line = strstr(rs_buf_data(&j->text) + at, "\nbtime ");
        boot = line ? (double)strtoll(line + 7, NULL, 10) : 0;
    }
    take_back(j, at);
    return boot;
}

static void run(void *job)
{
    struct job *j = job;
    DIR *d = opendir("/proc");
    if (!d) {
        j->err = -errno;
        return;
    }
    j->boot = boot_time(j, dirfd(d));
    for (struct dirent *e; !j->err && (e = readdir(d));)
        if (isdigit((unsigned char)e->d_name[0]))
            j->err = add_process(j, dirfd(d), e->d_name);
    closedir(d);
    if (!j->err && j->count == 0)
        j->err = RS_ENOSYS;
}

static void set_integer(lua_State *L, const char *key, uint64_t value)
{
    lua_pushinteger(L, (lua_Integer)value);
    lua_setfield(L, -2, key);
}

/* A program that writes a title over its arguments leaves one with blanks, and zeros behind it. */
static bool is_title(const char *s, size_t n)
{
    size_t first = strnlen(s, n);
    for (size_t i = first; i < n; i++)
        if (s[i])
            return false;
    return memchr(s, ' ', first) != NULL;
}

/* Each argument ends with a NUL; a title may lack the last one. */
static void set_argv(lua_State *L, const char *s, size_t n)
{
    lua_Integer i = 0;
    size_t len;
    lua_newtable(L);
    if (n > 0 && is_title(s, n))
        n = strnlen(s, n);
    for (size_t at = 0; at < n; at += len + 1) {
        len = strnlen(s + at, n - at);
        lua_pushlstring(L, s + at, len);
        lua_rawseti(L, -2, ++i);
    }
    lua_setfield(L, -2, "argv");
}

/* argv joined by blanks. Kernel threads and zombies have none: their name in brackets. */
static void set_args(lua_State *L, const struct job *j, const struct process *p)
{
    const char *text = rs_buf_data(&j->text), *s = text + p->args;
    size_t n = p->args_len;
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    while (n > 0 && !s[n - 1])
        n--;
    for (size_t i = 0; i < n; i++)
        luaL_addchar(&b, s[i] ? s[i] : ' ');
    if (n == 0) {
        luaL_addchar(&b, '[');
        luaL_addlstring(&b, text + p->name, p->name_len);
        luaL_addchar(&b, ']');
    }
    luaL_pushresult(&b);
    lua_setfield(L, -2, "args");
}

static void push_process(lua_State *L, const struct job *j, const struct process *p)
{
    static long page, tick;
    const char *text = rs_buf_data(&j->text);
    if (page == 0) {
        page = sysconf(_SC_PAGESIZE);
        tick = sysconf(_SC_CLK_TCK);
    }
    lua_createtable(L, 0, 11);
    set_integer(L, "pid", (uint64_t)p->stat.pid);
    set_integer(L, "ppid", (uint64_t)p->stat.ppid);
    set_integer(L, "pgid", (uint64_t)p->stat.pgid);
    set_integer(L, "uid", p->uid);
    set_integer(L, "rss", p->stat.rss * (uint64_t)page);
    lua_pushnumber(L, j->boot + (double)p->stat.start / (double)tick);
    lua_setfield(L, -2, "start");
    lua_pushstring(L, text + p->user);
    lua_setfield(L, -2, "user");
    lua_pushlstring(L, text + p->name, p->name_len);
    lua_setfield(L, -2, "name");
    lua_pushlstring(L, &p->stat.state, 1);
    lua_setfield(L, -2, "stat");
    set_argv(L, text + p->args, p->args_len);
    set_args(L, j, p);
}

static int finish(lua_State *L, void *job)
{
    struct job *j = job;
    if (j->err)
        return rs_error_edge(L, j->err);
    lua_createtable(L, (int)j->count, 0);
    for (size_t i = 0; i < j->count; i++) {
        push_process(L, j, &j->all[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static void drop(void *job)
{
    struct job *j = job;
    rs_buf_fini(&j->text);
    free(j->all);
    free(j->users);
    free(j);
}

int rs_host_processes(lua_State *L)
{
    static const rs_job_class class = {run, finish, drop};
    struct job *j = calloc(1, sizeof *j);
    if (!j)
        return luaL_error(L, "not enough memory");
    rs_buf_init(&j->text, 0);
    return rs_job_run(L, &class, j);
}
