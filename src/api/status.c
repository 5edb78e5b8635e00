#include "api/status.h"

#include <errno.h>
#include <lauxlib.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fds.h"
#include "base/log.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* worker threads log */
static size_t shown;                                     /* columns of what is there now; 0: nothing is */
static int users;       /* who draws; while there are any, standard output isn't kept back */
static bool open_lines; /* what was written last has not ended its line */

static unsigned columns(void)
{
    struct winsize w;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) || !w.ws_col ? 0 : w.ws_col;
}

/* When a window becomes narrower, most terminals break the lines that were there; these cut them off. */
static bool breaks_lines(void)
{
    const char *term = getenv("TERM");
    return !getenv("XTERM_VERSION") && !getenv("STY") && term && strncmp(term, "rxvt", 4) && strncmp(term, "linux", 5);
}

/* Adds what erases the line that is shown, and the rows that it became part of in a narrower window. */
static void add_erase(rs_buf *out)
{
    unsigned now = columns();
    size_t rows = shown && now && breaks_lines() ? (shown - 1) / now : 0;
    rs_buf_addf(out, "\r");
    if (rows)
        rs_buf_addf(out, "\x1b[%zuA", rows);
    rs_buf_addf(out, rows ? "\x1b[J" : "\x1b[K");
}

void rs_status_clear(void)
{
    pthread_mutex_lock(&lock);
    if (shown) {
        rs_buf out;
        rs_buf_init(&out, 0);
        add_erase(&out);
        rs_fds_write(STDERR_FILENO, rs_buf_data(&out), rs_buf_len(&out));
        rs_buf_fini(&out);
        shown = 0;
    }
    pthread_mutex_unlock(&lock);
}

void rs_status_wrote(int fd, bool ended)
{
    if (!users)
        return;
    if (fd == STDOUT_FILENO)
        fflush(stdout);
    if (isatty(fd))
        open_lines = !ended;
}

/* possible(): standard error is a terminal that can erase a line, and nobody else, behind a pipe, writes to it what we
 * print */
static int l_possible(lua_State *L)
{
    struct stat s;
    const char *term = getenv("TERM");
    bool piped = !fstat(STDOUT_FILENO, &s) && S_ISFIFO(s.st_mode);
    lua_pushboolean(L, !piped && isatty(STDERR_FILENO) && !(term && strcmp(term, "dumb") == 0));
    return 1;
}

/* start(): from now on somebody draws, until stop() */
static int l_start(lua_State *L)
{
    (void)L;
    fflush(stdout);
    users++;
    rs_log_set_before(rs_status_clear);
    return 0;
}

static int l_stop(lua_State *L)
{
    (void)L;
    rs_status_clear();
    if (users > 0 && --users == 0)
        rs_log_set_before(NULL);
    return 0;
}

/* draw(text, width): shows text in the line's place; false while somebody's line has not ended */
static int l_draw(lua_State *L)
{
    size_t n;
    const char *text = luaL_checklstring(L, 1, &n);
    lua_Integer width = luaL_checkinteger(L, 2);
    bool can = users > 0 && !open_lines && width > 0;
    if (can) {
        rs_buf out;
        rs_buf_init(&out, 0);
        pthread_mutex_lock(&lock);
        add_erase(&out);
        rs_buf_add(&out, text, n);
        rs_fds_write(STDERR_FILENO, rs_buf_data(&out), rs_buf_len(&out));
        shown = (size_t)width;
        pthread_mutex_unlock(&lock);
        rs_buf_fini(&out);
    }
    lua_pushboolean(L, can);
    return 1;
}

static int l_clear(lua_State *L)
{
    (void)L;
    rs_status_clear();
    return 0;
}

static const luaL_Reg functions[] = {
    {"possible", l_possible}, {"start", l_start}, {"stop", l_stop}, {"draw", l_draw}, {"clear", l_clear}, {NULL, NULL},
};

int luaopen_rs_status(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
