#include "agent/own.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/heap.h"
#include "sys/stream.h"

static int link_in = -1, link_out = -1;
static char *room; /* argv[0] and what follows it in memory */
static size_t room_size;

/* ---- before anything else runs ---- */

static void close_on_exec(void)
{
#ifdef SYS_close_range
    if (syscall(SYS_close_range, 3U, ~0U, 1U << 2 /* CLOSE_RANGE_CLOEXEC */) == 0)
        return;
#endif
    for (int fd = 3; fd < 256; fd++)
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* What is printed goes nowhere, so that it can't be taken for frames; where there is no /dev, into a pipe without a reader. */
static void replace(int fd)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC), ends[2];
    if (null < 0 && pipe2(ends, O_CLOEXEC) == 0) {
        null = ends[fd == 0 ? 0 : 1];
        close(ends[fd == 0 ? 1 : 0]);
    }
    if (null < 0)
        return;
    (void)dup2(null, fd);
    close(null);
}

/* What passes through the link is read and written in large pieces, which saves turns of both ends: a pipe has 64 KiB. */
static void widen(int fd)
{
    enum { WIDE = 512 * 1024 };
    (void)fcntl(fd, F_SETPIPE_SZ, WIDE);
}

/* argv and the environment lie one after the other; the environment moves away so that a name can be long. */
static void keep_room(int argc, char **argv)
{
    char *end = argv[0] + strlen(argv[0]) + 1;
    for (int i = 1; i < argc; i++)
        if (argv[i] == end)
            end += strlen(end) + 1;
    for (char **e = environ; *e; e++) {
        bool next = *e == end;
        size_t len = strlen(*e) + 1;
        char *copy = next ? strdup(*e) : NULL;
        if (!copy)
            break;
        end += len;
        *e = copy;
    }
    room = argv[0];
    room_size = (size_t)(end - argv[0]);
}

void rs_own_init(int argc, char **argv)
{
    close_on_exec();
    link_in = fcntl(0, F_DUPFD_CLOEXEC, 3);
    link_out = fcntl(1, F_DUPFD_CLOEXEC, 3);
    widen(link_in);
    widen(link_out);
    replace(0);
    replace(1);
    if (argc > 0)
        keep_room(argc, argv);
}

void rs_own_title(const char *text)
{
    char name[16]; /* the kernel's limit; its first word */
    if (room) {
        memset(room, 0, room_size);
        snprintf(room, room_size, "%s", text);
    }
    snprintf(name, sizeof name, "%.*s", (int)strcspn(text, " "), text);
    prctl(PR_SET_NAME, name);
}

/* ---- for Lua ---- */

/* streams(): what the controller writes to us, and what it reads; once */
static int l_streams(lua_State *L)
{
    int in = link_in, out = link_out;
    link_in = link_out = -1;
    if (in < 0 || out < 0)
        return luaL_error(L, "the streams were taken before");
    rs_lstream_push_fd(L, in, false);
    rs_lstream_push_fd(L, out, false);
    return 2;
}

/* title(text): our name in a list of processes */
static int l_title(lua_State *L)
{
    rs_own_title(luaL_checkstring(L, 1));
    return 0;
}

static int l_pid(lua_State *L)
{
    lua_pushinteger(L, getpid());
    return 1;
}

/* limit(bytes): what Lua's heap may hold; 0 for no limit */
static int l_limit(lua_State *L)
{
    rs_heap_limit((size_t)luaL_checkinteger(L, 1));
    return 0;
}

/* image(): a path of the program that we run; its own file is gone */
static int l_image(lua_State *L)
{
    lua_pushliteral(L, "/proc/self/exe");
    return 1;
}

static const luaL_Reg functions[] = {
    {"image", l_image}, {"limit", l_limit}, {"streams", l_streams}, {"title", l_title}, {"pid", l_pid}, {NULL, NULL},
};

int luaopen_rs_own(lua_State *L)
{
    rs_lstream_register(L);
    luaL_newlib(L, functions);
    return 1;
}
