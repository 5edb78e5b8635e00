#include <errno.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "loop/job.h"
#include "loop/task_error.h"
#include "sys/host_lua.h"
#include "sys/users.h"
#include "sys/users_db.h"
#include "sys/users_groups.h"

/* All questions about accounts are one kind of job: it copies the lines that answer (each with a newline), and what is
 * pushed is made of them. getent may block, and the files are locked while they are read. */
struct job {
    int (*ask)(struct job *j);
    int (*push)(lua_State *L, struct job *j);
    const char *what; /* "user" or "group" */
    char *name;       /* NULL: by id */
    uint32_t id;
    int err;
    rs_buf lines;
    gid_t *gids;
    int gid_count;
};

static void run(void *job)
{
    struct job *j = job;
    j->err = j->ask(j);
}

static int finish(lua_State *L, void *job)
{
    struct job *j = job;
    if (!j->err)
        return j->push(L, j);
    int n = rs_error_edge(L, j->err);
    if (j->err != RS_ENOTFOUND)
        return n;
    if (j->name)
        lua_pushfstring(L, "no %s '%s'", j->what, j->name);
    else
        lua_pushfstring(L, "no %s %I", j->what, (LUAI_UACINT)j->id);
    lua_replace(L, -3);
    return n;
}

static void drop(void *job)
{
    struct job *j = job;
    rs_buf_fini(&j->lines);
    free(j->gids);
    free(j->name);
    free(j);
}

static int ask_group(struct job *j);

static int start(lua_State *L, int (*ask)(struct job *), int (*push)(lua_State *, struct job *), const char *name,
                 uint32_t id)
{
    static const rs_job_class class = {run, finish, drop};
    struct job *j = calloc(1, sizeof *j);
    if (!j || (name && !(j->name = strdup(name)))) {
        free(j);
        return luaL_error(L, "not enough memory");
    }
    j->ask = ask;
    j->push = push;
    j->what = ask == ask_group ? "group" : "user";
    j->id = id;
    rs_buf_init(&j->lines, 0);
    return rs_job_run(L, &class, j);
}

/* The account or group at index 1: a name, or a number. */
static const char *name_or_id(lua_State *L, uint32_t *id)
{
    if (lua_type(L, 1) == LUA_TNUMBER) {
        lua_Integer x = luaL_checkinteger(L, 1);
        luaL_argcheck(L, x >= 0 && x < UINT32_MAX, 1, "no such number can exist");
        *id = (uint32_t)x;
        return NULL;
    }
    return luaL_checkstring(L, 1);
}

/* The same, where nothing means ourselves. */
static const char *user_or_self(lua_State *L, uint32_t *id)
{
    *id = (uint32_t)geteuid();
    return lua_isnoneornil(L, 1) ? NULL : name_or_id(L, id);
}

static void set_string(lua_State *L, const char *key, const char *value)
{
    lua_pushstring(L, value);
    lua_setfield(L, -2, key);
}

static void set_integer(lua_State *L, const char *key, uint32_t value)
{
    lua_pushinteger(L, value);
    lua_setfield(L, -2, key);
}

static int add_line(void *user, const rs_users_line *line)
{
    struct job *j = user;
    int err = rs_buf_add(&j->lines, line->text, line->len);
    return err ? err : rs_buf_add_char(&j->lines, '\n');
}

/* The line at *at, which moves on; false at the end. */
static bool next_line(const struct job *j, size_t *at, rs_users_line *line)
{
    ptrdiff_t end = rs_buf_find(&j->lines, '\n', *at);
    if (end < 0)
        return false;
    const char *text = rs_buf_data(&j->lines) + *at;
    size_t len = (size_t)end - *at;
    *at = (size_t)end + 1;
    return rs_users_line_parse(text, len, line);
}

static void push_one_user(lua_State *L, const rs_user *u)
{
    lua_createtable(L, 0, 6);
    set_string(L, "name", u->name);
    set_integer(L, "uid", u->uid);
    set_integer(L, "gid", u->gid);
    set_string(L, "gecos", u->gecos);
    set_string(L, "home", u->home);
    set_string(L, "shell", u->shell);
}

static void push_one_group(lua_State *L, const rs_users_line *line)
{
    const char *member;
    size_t len, pos = 0;
    lua_createtable(L, 0, 3);
    lua_pushlstring(L, line->text, line->name_len);
    lua_setfield(L, -2, "name");
    set_integer(L, "gid", line->id);
    lua_newtable(L);
    for (lua_Integer i = 1; rs_users_line_member(line, &pos, &member, &len); i++) {
        lua_pushlstring(L, member, len);
        lua_rawseti(L, -2, i);
    }
    lua_setfield(L, -2, "members");
}

static int ask_users(struct job *j)
{
    return rs_users_each(add_line, j);
}

static int push_users(lua_State *L, struct job *j)
{
    rs_users_line line;
    rs_user u;
    size_t at = 0;
    lua_Integer n = 0;
    lua_newtable(L);
    while (next_line(j, &at, &line)) {
        if (!rs_users_line_user(&line, &u))
            continue;
        push_one_user(L, &u);
        lua_rawseti(L, -2, ++n);
    }
    return 1;
}

int rs_host_users(lua_State *L)
{
    return start(L, ask_users, push_users, NULL, 0);
}

static int ask_groups(struct job *j)
{
    return rs_groups_each(add_line, j);
}

static int push_groups(lua_State *L, struct job *j)
{
    rs_users_line line;
    size_t at = 0;
    lua_newtable(L);
    for (lua_Integer n = 1; next_line(j, &at, &line); n++) {
        push_one_group(L, &line);
        lua_rawseti(L, -2, n);
    }
    return 1;
}

int rs_host_groups(lua_State *L)
{
    return start(L, ask_groups, push_groups, NULL, 0);
}

static int find_user(const struct job *j, rs_user *u)
{
    return j->name ? rs_users_find(j->name, u) : rs_users_find_id(j->id, u);
}

/* The answer is kept as a line, so that there is one form of it. */
static int ask_user(struct job *j)
{
    rs_user u;
    int err = find_user(j, &u);
    return err ? err
               : rs_buf_addf(&j->lines, "%s:x:%u:%u:%s:%s:%s\n", u.name, (unsigned)u.uid, (unsigned)u.gid, u.gecos,
                             u.home, u.shell);
}

static int push_user(lua_State *L, struct job *j)
{
    rs_users_line line;
    rs_user u;
    size_t at = 0;
    if (!next_line(j, &at, &line) || !rs_users_line_user(&line, &u))
        return rs_error_edge(L, RS_ENOTFOUND);
    push_one_user(L, &u);
    return 1;
}

int rs_host_user(lua_State *L)
{
    uint32_t id;
    const char *name = user_or_self(L, &id);
    return start(L, ask_user, push_user, name, id);
}

static int ask_group(struct job *j)
{
    return rs_groups_line(j->name, j->id, add_line, j);
}

static int push_group(lua_State *L, struct job *j)
{
    rs_users_line line;
    size_t at = 0;
    if (!next_line(j, &at, &line))
        return rs_error_edge(L, RS_ENOTFOUND);
    push_one_group(L, &line);
    return 1;
}

int rs_host_group(lua_State *L)
{
    uint32_t id = (uint32_t)getegid();
    const char *name = lua_isnoneornil(L, 1) ? NULL : name_or_id(L, &id);
    return start(L, ask_group, push_group, name, id);
}

static int ask_user_groups(struct job *j)
{
    rs_user u;
    int err = find_user(j, &u);
    if (err)
        return err;
    for (int room = 64;; room *= 4) {
        gid_t *gids = realloc(j->gids, (size_t)room * sizeof *gids);
        if (!gids)
            return -ENOMEM;
        j->gids = gids;
        j->gid_count = rs_users_groups(u.name, u.gid, gids, room);
        if (j->gid_count < room || room > 65536)
            return 0;
    }
}

static int push_user_groups(lua_State *L, struct job *j)
{
    lua_createtable(L, j->gid_count, 0);
    for (int i = 0; i < j->gid_count; i++) {
        lua_pushinteger(L, j->gids[i]);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

int rs_host_user_groups(lua_State *L)
{
    uint32_t id;
    const char *name = user_or_self(L, &id);
    return start(L, ask_user_groups, push_user_groups, name, id);
}

static int push_home(lua_State *L, struct job *j)
{
    int n = push_user(L, j);
    if (n == 1)
        lua_getfield(L, -1, "home");
    return n;
}

/* Our own is $HOME where it is set, as the shell's ~ is. */
int rs_host_home(lua_State *L)
{
    uint32_t id;
    const char *home = getenv("HOME");
    if (lua_isnoneornil(L, 1) && home && *home) {
        lua_pushstring(L, home);
        return 1;
    }
    const char *name = user_or_self(L, &id);
    return start(L, ask_user, push_home, name, id);
}
