#include "sys/proc_spec.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <termios.h>
#include <unistd.h>

#include "base/err.h"
#include "sys/users.h"
#include "sys/users_groups.h"

enum { MAX_STAGES = 1000, MAX_GROUPS = 1024 };

static const char *const steps[] = {"fork", "group", "terminal", "user", "cwd", "fds", "exec", "interpreter"};

/* ---- strings; whatever they need lives in userdata on the Lua stack, so nothing leaks when something raises ---- */

static const char *check_text(lua_State *L, int i, const char *what)
{
    size_t n;
    const char *s = lua_tolstring(L, i, &n);
    if (!s || lua_type(L, i) != LUA_TSTRING)
        luaL_error(L, "%s: a string expected, got %s", what, luaL_typename(L, i));
    if (strlen(s) != n)
        luaL_error(L, "%s: a NUL byte can't be passed to a program", what);
    return s;
}

/* A string field of the table at index i, or NULL; it stays valid while the table holds it. */
static const char *text_field(lua_State *L, int i, const char *key)
{
    const char *s = lua_getfield(L, i, key) == LUA_TNIL ? NULL : check_text(L, -1, key);
    lua_pop(L, 1);
    return s;
}

/* Pushes the block that the result points into. */
static const char **push_argv(lua_State *L, int stage)
{
    if (lua_getfield(L, stage, "argv") != LUA_TTABLE)
        luaL_error(L, "argv: an array expected, got %s", luaL_typename(L, -1));
    int list = lua_gettop(L);
    lua_Unsigned n = lua_rawlen(L, list);
    if (n == 0)
        luaL_error(L, "argv is empty");
    const char **argv = lua_newuserdatauv(L, (n + 1) * sizeof *argv, 0);
    for (lua_Unsigned k = 0; k < n; k++) {
        lua_rawgeti(L, list, (lua_Integer)k + 1);
        argv[k] = check_text(L, -1, "argv"); /* the array keeps the string */
        lua_pop(L, 1);
    }
    argv[n] = NULL;
    lua_remove(L, list);
    return argv;
}

/* True when the table of changes at index i names the variable of this NAME=VALUE. */
static bool overridden(lua_State *L, int i, const char *entry)
{
    lua_pushlstring(L, entry, strcspn(entry, "="));
    bool yes = lua_rawget(L, i) != LUA_TNIL;
    lua_pop(L, 1);
    return yes;
}

static size_t env_size(lua_State *L, int i)
{
    size_t n = 1;
    for (char **e = environ; e && *e; e++)
        n++;
    for (lua_pushnil(L); lua_next(L, i); lua_pop(L, 1))
        n++;
    return n;
}

/* Checks NAME and VALUE on top, and leaves "NAME=VALUE" above them. */
static const char *push_assignment(lua_State *L)
{
    if (lua_type(L, -2) != LUA_TSTRING)
        luaL_error(L, "env: a name must be a string");
    const char *name = check_text(L, -2, "env");
    if (!*name || strchr(name, '='))
        luaL_error(L, "env: not a name of a variable: '%s'", name);
    lua_pushvalue(L, -2);
    lua_pushliteral(L, "=");
    lua_pushvalue(L, -3);
    check_text(L, -1, name);
    lua_concat(L, 3);
    return lua_tostring(L, -1);
}

/* Our environment with the changes of the stage's env: {NAME = VALUE, or false to unset}. Pushes two values that hold it. */
static const char *const *push_env(lua_State *L, int stage)
{
    static const char *const none[] = {NULL};
    if (lua_getfield(L, stage, "env") == LUA_TNIL) {
        lua_pushnil(L);
        return environ ? (const char *const *)environ : none;
    }
    luaL_checktype(L, -1, LUA_TTABLE);
    int changes = lua_gettop(L);
    size_t n = 0;
    const char **env = lua_newuserdatauv(L, env_size(L, changes) * sizeof *env, 1);
    int block = lua_gettop(L);
    lua_newtable(L);
    int texts = lua_gettop(L);
    for (char **e = environ; e && *e; e++)
        if (!overridden(L, changes, *e))
            env[n++] = *e;
    for (lua_pushnil(L); lua_next(L, changes); lua_pop(L, 1)) {
        if (lua_isboolean(L, -1) && !lua_toboolean(L, -1))
            continue;
        env[n++] = push_assignment(L);
        lua_rawseti(L, texts, (lua_Integer)lua_rawlen(L, texts) + 1);
    }
    env[n] = NULL;
    lua_setiuservalue(L, block, 1);
    return env;
}

/* ---- accounts ---- */

typedef struct account {
    rs_spawn_ids ids;
    gid_t groups[MAX_GROUPS];
} account;

/* Pushes the block that holds the account's numbers; NULL where it doesn't exist. */
static const rs_spawn_ids *push_ids(lua_State *L, const char *user)
{
    account *a = lua_newuserdatauv(L, sizeof *a, 0);
    rs_user u;
    if (rs_users_find(user, &u))
        return NULL;
    int n = rs_users_groups(u.name, u.gid, a->groups, MAX_GROUPS);
    a->ids = (rs_spawn_ids){.uid = u.uid, .gid = u.gid, .groups = a->groups, .ngroups = n};
    return &a->ids;
}

/* ---- redirections ---- */

enum target { DEFAULT, PIPE, NOTHING, INHERIT, TO_OUT, TO_FILE };

static enum target target_of(lua_State *L, int stage, const char *key)
{
    static const char *const names[] = {"pipe", "null", "inherit", "out", NULL};
    enum target t = DEFAULT;
    if (lua_getfield(L, stage, key) == LUA_TTABLE)
        t = TO_FILE;
    else if (!lua_isnil(L, -1))
        t = (enum target)(PIPE + luaL_checkoption(L, -1, NULL, names));
    lua_pop(L, 1);
    return t;
}

/* A FIFO with a name: who opens it waits for the other side. What /dev/stdin stands for may be a pipe without one. */
static bool is_fifo(const char *path)
{
    enum { PIPES = 0x50495045 };
    struct stat st;
    struct statfs fs;
    return stat(path, &st) == 0 && S_ISFIFO(st.st_mode) && (statfs(path, &fs) || fs.f_type != PIPES);
}

/* Opens what is there without waiting for anybody: -EAGAIN for a FIFO whose other side may come later or never. A FIFO to
 * read isn't even tried, which would let its writer go on. */
static int open_old(const char *path, int flags)
{
    bool reads = (flags & O_ACCMODE) == O_RDONLY;
    if (reads && is_fifo(path))
        return -EAGAIN;
    int fd = open(path, flags | O_CLOEXEC | (reads ? 0 : O_NONBLOCK));
    if (fd < 0)
        return errno == ENXIO && is_fifo(path) ? -EAGAIN : -errno;
    if (!reads)
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    return fd;
}

/* A new file's mode is exact under the stage's umask, whatever ours is. */
static int open_new(const char *path, int flags, int mask)
{
    int fd = open_old(path, flags);
    if (fd != -ENOENT || (flags & O_ACCMODE) == O_RDONLY)
        return fd;
    fd = open(path, flags | O_CREAT | O_CLOEXEC, 0666);
    if (fd >= 0 && mask >= 0)
        fchmod(fd, (mode_t)(0666 & ~mask));
    return fd < 0 ? -errno : fd;
}

/* {path=, append=}. *all has the flags that the file is opened with. */
static int open_target(lua_State *L, int stage, const char *key, int *all, int mask, rs_proc_failure *f)
{
    int flags = *all;
    lua_getfield(L, stage, key);
    f->file = text_field(L, lua_gettop(L), "path");
    lua_getfield(L, -1, "append");
    if (flags != O_RDONLY)
        flags |= lua_toboolean(L, -1) ? O_APPEND : O_TRUNC;
    lua_pop(L, 2);
    *all = flags;
    int fd = f->file ? open_new(f->file, flags, mask) : -EINVAL;
    if (fd >= 0)
        f->file = NULL;
    return fd;
}

/* ---- starting ---- */

/* While stages start: what the next one reads, and what was opened for the current one. */
typedef struct starter {
    lua_State *L;
    rs_pgroup *g;
    rs_proc_ends *ends;
    rs_proc_failure *f;
    int n;         /* stages */
    bool feed;     /* there is input for the first stage */
    int prev;      /* read end of the pipe from the stage before, or -1 */
    int err_write; /* the one stderr pipe of all stages, or -1 */
    int pty;       /* slave, or -1 */
    int opened[6]; /* for the current stage; -1 where none */
    int nopened;
    rs_spawn_spec *spec; /* of the current stage */
} starter;

static int keep(starter *s, int fd)
{
    if (fd >= 0)
        s->opened[s->nopened++] = fd;
    return fd;
}

static void close_opened(starter *s)
{
    while (s->nopened > 0)
        close(s->opened[--s->nopened]);
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* A new pipe: its end for the child is kept until the start, ours goes to *end. */
static int open_pipe(starter *s, bool child_reads, int *end)
{
    int p[2];
    if (pipe2(p, O_CLOEXEC))
        return -errno;
    *end = p[child_reads];
    return keep(s, p[!child_reads]);
}

/* Where a root has no /dev, nothing to read is a pipe that nobody writes to. */
static int open_null(starter *s, bool child_reads)
{
    int end = -1, fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd >= 0)
        return keep(s, fd);
    if (errno != ENOENT || !child_reads)
        return -errno;
    fd = open_pipe(s, true, &end);
    if (fd >= 0)
        close(end);
    return fd;
}

/* A file for descriptor i; a FIFO is opened by the new process. */
static int open_file(starter *s, int stage, int i, const char *key, int flags)
{
    int fd = open_target(s->L, stage, key, &flags, i ? s->spec->umask : -1, s->f);
    if (fd != -EAGAIN)
        return keep(s, fd);
    s->spec->late[i] = s->f->file;
    s->spec->late_flags[i] = flags;
    s->f->file = NULL;
    return open_null(s, i == 0);
}

static int pick_in(starter *s, int stage, int k)
{
    int fd = s->prev;
    s->prev = -1;
    enum target t = target_of(s->L, stage, "stdin");
    if (k == 1 && t == DEFAULT && s->feed)
        t = PIPE;
    if (k > 1 && t == DEFAULT)
        return fd >= 0 ? keep(s, fd) : open_null(s, true);
    if (fd >= 0)
        close(fd);
    switch (t) {
    case PIPE: return s->pty >= 0 ? s->pty : open_pipe(s, true, &s->ends->in);
    case INHERIT: return 0;
    case TO_FILE: return open_file(s, stage, 0, "stdin", O_RDONLY);
    default: return s->pty >= 0 ? s->pty : open_null(s, true);
    }
}

static int pick_out(starter *s, int stage, int k)
{
    enum target t = target_of(s->L, stage, "stdout");
    if (t == DEFAULT && k < s->n)
        return open_pipe(s, false, &s->prev);
    switch (t) {
    case DEFAULT:
    case PIPE: return s->pty >= 0 ? s->pty : open_pipe(s, false, &s->ends->out);
    case INHERIT: fflush(stdout); return 1;
    case TO_FILE: return open_file(s, stage, 1, "stdout", O_WRONLY);
    default: return open_null(s, false);
    }
}

static int pick_err(starter *s, int stage, int out)
{
    switch (target_of(s->L, stage, "stderr")) {
    case DEFAULT:
    case PIPE:
        if (s->pty >= 0)
            return s->pty;
        if (s->err_write < 0) {
            s->err_write = open_pipe(s, false, &s->ends->err);
            if (s->err_write >= 0)
                s->nopened--; /* it serves the later stages too */
        }
        return s->err_write;
    case INHERIT: fflush(stdout); return 2;
    case TO_OUT: s->spec->late_err_is_out = s->spec->late[1]; return out;
    case TO_FILE: return open_file(s, stage, 2, "stderr", O_WRONLY);
    default: return open_null(s, false);
    }
}

static int int_field(lua_State *L, int i, const char *key, int otherwise)
{
    lua_getfield(L, i, key);
    int n = lua_isnil(L, -1) ? otherwise : (int)luaL_checkinteger(L, -1);
    lua_pop(L, 1);
    return n;
}

static bool flag_field(lua_State *L, int i, const char *key)
{
    lua_getfield(L, i, key);
    bool on = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return on;
}

/* Starts stage k, whose table is at index stage; spec is the whole. All that may raise comes before the first open: the
 * tables were checked by rs_proc_spec_check, so what is left is memory. */
static int start_stage(starter *s, int spec, int stage, int k)
{
    lua_State *L = s->L;
    rs_spawned out;
    rs_spawn_spec sp = {.foreground = -1};
    sp.argv = push_argv(L, stage);
    sp.env = push_env(L, stage);
    sp.other = text_field(L, stage, "other");
    sp.cwd = text_field(L, stage, "cwd");
    sp.umask = int_field(L, stage, "umask", -1);
    sp.keep = flag_field(L, spec, "keep");
    sp.terminal = s->pty >= 0;
    if (flag_field(L, spec, "foreground") && isatty(0) && tcgetpgrp(0) == getpgrp())
        sp.foreground = 0;
    const char *user = text_field(L, stage, "user");
    s->f->stage = k;
    if (user) {
        sp.ids = push_ids(L, user);
        s->f->step = RS_SPAWN_USER;
        if (!sp.ids)
            return RS_ENOTFOUND;
    }
    s->f->step = RS_SPAWN_FDS;
    s->spec = &sp;
    sp.fds[0] = pick_in(s, stage, k);
    sp.fds[1] = sp.fds[0] < 0 ? sp.fds[0] : pick_out(s, stage, k);
    sp.fds[2] = sp.fds[1] < 0 ? sp.fds[1] : pick_err(s, stage, sp.fds[1]);
    if (sp.fds[2] < 0)
        return sp.fds[2];
    int err = rs_pgroup_spawn(s->g, &sp, &out);
    s->f->step = out.step;
    return err;
}

/* A line is a line of bytes: no echo, no editing, no signals by keys. */
static int make_raw(int fd)
{
    struct termios t;
    if (tcgetattr(fd, &t))
        return -errno;
    cfmakeraw(&t);
    return tcsetattr(fd, TCSANOW, &t) ? -errno : 0;
}

/* A pseudo terminal: our side twice, for reading and for writing. */
static int open_pty(starter *s, int spec)
{
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    lua_State *L = s->L;
    bool raw = false;
    if (lua_getfield(L, spec, "pty") == LUA_TTABLE) {
        raw = flag_field(L, lua_gettop(L), "raw");
        size.ws_row = (unsigned short)int_field(L, -1, "rows", 24);
        size.ws_col = (unsigned short)int_field(L, -1, "cols", 80);
    }
    bool wanted = lua_toboolean(L, -1);
    lua_pop(L, 1);
    if (!wanted)
        return 0;
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0)
        return -errno;
    const char *name = grantpt(master) || unlockpt(master) ? NULL : ptsname(master);
    s->pty = name ? open(name, O_RDWR | O_NOCTTY | O_CLOEXEC) : -1;
    s->ends->out = master;
    s->ends->in = fcntl(master, F_DUPFD_CLOEXEC, 3);
    if (s->pty < 0 || s->ends->in < 0)
        return -errno;
    ioctl(master, TIOCSWINSZ, &size);
    return raw ? make_raw(s->pty) : 0;
}

static int start_all(starter *s, int spec, int stages)
{
    int err = open_pty(s, spec);
    if (err) {
        s->f->stage = 1;
        s->f->step = RS_SPAWN_TERMINAL;
    }
    for (int k = 1; !err && k <= s->n; k++) {
        int top = lua_gettop(s->L);
        if (stages)
            lua_rawgeti(s->L, stages, k);
        else
            lua_pushvalue(s->L, spec);
        err = start_stage(s, spec, lua_gettop(s->L), k);
        close_opened(s);
        lua_settop(s->L, top);
    }
    close_fd(&s->prev);
    close_fd(&s->err_write);
    close_fd(&s->pty);
    return err;
}

int rs_proc_spec_start(lua_State *L, int i, rs_pgroup *g, rs_proc_ends *ends, rs_proc_failure *f)
{
    starter s = {.L = L, .g = g, .ends = ends, .f = f, .prev = -1, .err_write = -1, .pty = -1};
    i = lua_absindex(L, i);
    *ends = (rs_proc_ends){-1, -1, -1};
    *f = (rs_proc_failure){0};
    luaL_checkstack(L, 20, "process");
    s.n = rs_proc_spec_check(L, i);
    s.feed = lua_getfield(L, i, "input") != LUA_TNIL;
    lua_pop(L, 1);
    int stages = lua_getfield(L, i, "stages") == LUA_TTABLE ? lua_gettop(L) : 0;
    f->err = start_all(&s, i, stages);
    lua_pop(L, 1);
    if (f->err) {
        rs_pgroup_signal(g, SIGKILL);
        close_fd(&ends->in);
        close_fd(&ends->out);
        close_fd(&ends->err);
    }
    return f->err;
}

/* ---- checking ---- */

static void check_stage(lua_State *L, int stage)
{
    luaL_checktype(L, stage, LUA_TTABLE);
    int top = lua_gettop(L);
    push_argv(L, stage);
    push_env(L, stage);
    text_field(L, stage, "other");
    text_field(L, stage, "cwd");
    text_field(L, stage, "user");
    int_field(L, stage, "umask", 0);
    target_of(L, stage, "stdin");
    target_of(L, stage, "stdout");
    target_of(L, stage, "stderr");
    lua_settop(L, top);
}

int rs_proc_spec_check(lua_State *L, int i)
{
    luaL_checktype(L, i, LUA_TTABLE);
    i = lua_absindex(L, i);
    luaL_checkstack(L, 20, "process");
    if (lua_getfield(L, i, "stages") != LUA_TTABLE) {
        lua_pop(L, 1);
        check_stage(L, i);
        return 1;
    }
    lua_Unsigned n = lua_rawlen(L, -1);
    if (n == 0 || n > MAX_STAGES)
        luaL_error(L, "1 to %d stages expected, got %d", MAX_STAGES, (int)n);
    for (lua_Unsigned k = 1; k <= n; k++) {
        lua_rawgeti(L, -1, (lua_Integer)k);
        check_stage(L, lua_gettop(L));
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return (int)n;
}

int rs_proc_failure_push(lua_State *L, const rs_proc_failure *f)
{
    lua_pushnil(L);
    lua_pushstring(L, rs_err_text(f->err));
    lua_pushstring(L, rs_err_name(f->err));
    lua_createtable(L, 0, 3);
    lua_pushinteger(L, f->stage);
    lua_setfield(L, -2, "stage");
    lua_pushstring(L, steps[f->step]);
    lua_setfield(L, -2, "step");
    if (f->file) {
        lua_pushstring(L, f->file);
        lua_setfield(L, -2, "file");
    }
    return 4;
}
