/* The Lua module rshell.term: questions at the terminal, its keys and its size, and Ctrl-C. */
#include "api/term.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "loop/signal.h"
#include "loop/task.h"
#include "loop/task_error.h"
#include "sys/stream.h"

static int open_tty(void)
{
    int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* open(): the terminal as a stream, or nil, text, NAME */
static int l_open(lua_State *L)
{
    int fd = open_tty();
    if (fd < 0)
        return rs_error_edge(L, fd);
    rs_lstream_register(L);
    rs_lstream_push_fd(L, fd, true);
    return 1;
}

/* echo(on): whether the terminal shows what is typed */
static int l_echo(lua_State *L)
{
    struct termios t;
    int fd = open_tty();
    if (fd < 0)
        return rs_error_edge(L, fd);
    int err = tcgetattr(fd, &t) ? -errno : 0;
    t.c_lflag = lua_toboolean(L, 1) ? t.c_lflag | ECHO : t.c_lflag & ~(tcflag_t)ECHO;
    if (!err && tcsetattr(fd, TCSAFLUSH, &t))
        err = -errno;
    close(fd);
    if (err)
        return rs_error_edge(L, err);
    lua_pushboolean(L, 1);
    return 1;
}

/* is_terminal(fd) */
static int l_is_terminal(lua_State *L)
{
    lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
    return 1;
}

/* ---- a terminal that passes every key on ---- */

static struct termios cooked;
static bool is_raw;

void rs_term_restore(void)
{
    if (is_raw)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &cooked);
    is_raw = false;
}

/* raw(on): standard input's terminal gives each key as it is, Ctrl-C too, and shows none; off: as it was before */
static int l_raw(lua_State *L)
{
    rs_term_restore();
    if (!lua_toboolean(L, 1))
        return 0;
    struct termios t;
    if (tcgetattr(STDIN_FILENO, &cooked))
        return rs_error_edge(L, -errno);
    t = cooked;
    cfmakeraw(&t);
    if (tcsetattr(STDIN_FILENO, TCSADRAIN, &t))
        return rs_error_edge(L, -errno);
    is_raw = true;
    lua_pushboolean(L, 1);
    return 1;
}

/* size(fd): rows and columns of a terminal, standard input's without fd; nothing where it tells none */
static int l_size(lua_State *L)
{
    struct winsize w;
    if (ioctl((int)luaL_optinteger(L, 1, STDIN_FILENO), TIOCGWINSZ, &w) || !w.ws_row || !w.ws_col)
        return 0;
    lua_pushinteger(L, w.ws_row);
    lua_pushinteger(L, w.ws_col);
    return 2;
}

/* ---- Ctrl-C ---- */

static int interrupt_over(lua_State *L, int status, lua_KContext ctx)
{
    (void)status, (void)ctx;
    lua_pushboolean(L, 1);
    return 1;
}

/* await_interrupt(): the next Ctrl-C ends this wait, and not the program. */
static int l_await_interrupt(lua_State *L)
{
    rs_task_check(L);
    rs_wait *w = lua_newuserdatauv(L, sizeof *w, 0);
    int err = rs_signal_await(w);
    if (err)
        return rs_error_raise(L, err, "another task waits for an interrupt");
    return rs_task_wait(L, w, 0, interrupt_over);
}

static const luaL_Reg functions[] = {
    {"open", l_open},
    {"echo", l_echo},
    {"is_terminal", l_is_terminal},
    {"await_interrupt", l_await_interrupt},
    {"raw", l_raw},
    {"size", l_size},
    {NULL, NULL},
};

int luaopen_rs_term(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
