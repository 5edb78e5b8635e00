#include <lauxlib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sys/proc_spec.h"

static const struct {
    const char *name;
    int number;
} signals[] = {
    {"HUP", SIGHUP},       {"INT", SIGINT},   {"QUIT", SIGQUIT},   {"ILL", SIGILL},   {"TRAP", SIGTRAP},
    {"ABRT", SIGABRT},     {"BUS", SIGBUS},   {"FPE", SIGFPE},     {"KILL", SIGKILL}, {"USR1", SIGUSR1},
    {"SEGV", SIGSEGV},     {"USR2", SIGUSR2}, {"PIPE", SIGPIPE},   {"ALRM", SIGALRM}, {"TERM", SIGTERM},
    {"CHLD", SIGCHLD},     {"CONT", SIGCONT}, {"STOP", SIGSTOP},   {"TSTP", SIGTSTP}, {"TTIN", SIGTTIN},
    {"TTOU", SIGTTOU},     {"URG", SIGURG},   {"XCPU", SIGXCPU},   {"XFSZ", SIGXFSZ}, {"VTALRM", SIGVTALRM},
    {"PROF", SIGPROF},     {"IO", SIGIO},     {"WINCH", SIGWINCH}, {"SYS", SIGSYS},
#ifdef SIGPWR
    {"PWR", SIGPWR},
#endif
#ifdef SIGSTKFLT
    {"STKFLT", SIGSTKFLT},
#endif
};
enum { SIGNALS = sizeof signals / sizeof signals[0] };

/* What has no name has a number where rs_proc_signal_name tells it, which comes back here. */
static int numbered(const char *name)
{
    char *end;
    long n = strtol(name, &end, 10);
    return *name && !*end && n >= 0 && n < NSIG ? (int)n : -1;
}

int rs_proc_check_signal(lua_State *L, int i)
{
    if (lua_isinteger(L, i)) {
        lua_Integer n = lua_tointeger(L, i);
        luaL_argcheck(L, n >= 0 && n < NSIG, i, "no such signal");
        return (int)n;
    }
    const char *name = luaL_checkstring(L, i);
    const char *bare = strncasecmp(name, "SIG", 3) == 0 ? name + 3 : name;
    for (int s = 0; s < SIGNALS; s++)
        if (strcasecmp(bare, signals[s].name) == 0)
            return signals[s].number;
    int n = numbered(bare);
    if (n >= 0)
        return n;
    return luaL_argerror(L, i, lua_pushfstring(L, "no such signal: %s", name));
}

const char *rs_proc_signal_name(int sig)
{
    static char number[16];
    for (int s = 0; s < SIGNALS; s++)
        if (signals[s].number == sig)
            return signals[s].name;
    snprintf(number, sizeof number, "%d", sig);
    return number;
}
