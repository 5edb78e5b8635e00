#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/err.h"
#include "loop/task_error.h"
#include "sys/host_lua.h"
#include "sys/host_text.h"

static void set_string(lua_State *L, const char *key, const char *value)
{
    lua_pushstring(L, value);
    lua_setfield(L, -2, key);
}

static void set_integer(lua_State *L, const char *key, uint64_t value)
{
    lua_pushinteger(L, (lua_Integer)value);
    lua_setfield(L, -2, key);
}

int rs_host_uname(lua_State *L)
{
    struct utsname u;
    if (uname(&u) != 0)
        return rs_error_edge(L, -errno);
    lua_createtable(L, 0, 5);
    set_string(L, "sysname", u.sysname);
    set_string(L, "nodename", u.nodename);
    set_string(L, "release", u.release);
    set_string(L, "version", u.version);
    set_string(L, "machine", u.machine);
    return 1;
}

/* Small files are read into the stack: nothing is to be freed when Lua raises. The bytes, or a negative error. */
static int read_small(const char *path, char *out, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t n = 0;
    ssize_t got = 1;
    if (fd < 0)
        return -errno;
    while (n + 1 < room && (got = read(fd, out + n, room - n - 1)) > 0)
        n += (size_t)got;
    int err = got < 0 ? -errno : 0;
    close(fd);
    out[n] = '\0';
    return err ? err : (int)n;
}

/* The key's letters become small ones: os.version_id. */
static void set_os_field(lua_State *L, char *key, const char *value)
{
    for (char *c = key; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    set_string(L, key, value);
}

int rs_host_os_release(lua_State *L)
{
    char text[16 * 1024], key[RS_HOST_KEY], value[RS_HOST_VALUE];
    const char *at = text, *line;
    size_t len;
    int n = read_small("/etc/os-release", text, sizeof text);
    if (n == -ENOENT)
        n = read_small("/usr/lib/os-release", text, sizeof text);
    if (n < 0)
        return rs_error_edge(L, n);
    lua_newtable(L);
    while (rs_host_line(&at, text + n, &line, &len))
        if (rs_host_os_release_line(line, len, key, value))
            set_os_field(L, key, value);
    return 1;
}

int rs_host_memory(lua_State *L)
{
    static const char *const fields[][2] = {
        {"MemTotal", "total"}, {"MemFree", "free"},         {"MemAvailable", "available"}, {"Buffers", "buffers"},
        {"Cached", "cached"},  {"SwapTotal", "swap_total"}, {"SwapFree", "swap_free"},
    };
    char text[16 * 1024];
    int n = read_small("/proc/meminfo", text, sizeof text);
    if (n < 0)
        return rs_error_edge(L, n);
    lua_createtable(L, 0, 7);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        uint64_t bytes;
        if (rs_host_number(text, (size_t)n, fields[i][0], &bytes))
            set_integer(L, fields[i][1], bytes);
    }
    return 1;
}

/* The first of these names that /proc/cpuinfo has; what it is called depends on the architecture. */
static void set_model(lua_State *L, const char *text, size_t n)
{
    static const char *const names[] = {"model name", "Model", "cpu model", "Hardware", "uarch", "cpu", "isa"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *at = text, *line;
        size_t len, name_len = strlen(names[i]);
        while (rs_host_line(&at, text + n, &line, &len)) {
            const char *colon = memchr(line, ':', len);
            if (!colon || strncmp(line, names[i], name_len) != 0 || !strchr(" \t:", line[name_len]))
                continue;
            size_t skip = (size_t)(colon - line) + 1;
            skip += skip < len && line[skip] == ' ';
            lua_pushlstring(L, line + skip, len - skip);
            lua_setfield(L, -2, "model");
            return;
        }
    }
}

static int topology(int cpu, const char *what)
{
    char path[100], text[32];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/%s", cpu, what);
    return read_small(path, text, sizeof text) > 0 ? (int)strtol(text, NULL, 10) : -1;
}

/* Pairs of socket and core, each counted once. CPUs that are off have no topology. */
static void set_topology(lua_State *L, int configured)
{
    enum { MOST = 1024 };
    struct {
        int socket, core;
    } seen[MOST];
    int cores = 0, sockets = 0;
    for (int cpu = 0; cpu < configured && cores < MOST; cpu++) {
        int socket = topology(cpu, "physical_package_id"), core = topology(cpu, "core_id");
        bool new_core = core >= 0, new_socket = core >= 0;
        for (int i = 0; i < cores; i++) {
            new_core = new_core && (seen[i].socket != socket || seen[i].core != core);
            new_socket = new_socket && seen[i].socket != socket;
        }
        if (!new_core)
            continue;
        seen[cores].socket = socket;
        seen[cores++].core = core;
        sockets += new_socket;
    }
    if (cores == 0)
        return;
    set_integer(L, "cores", (uint64_t)cores);
    set_integer(L, "sockets", (uint64_t)sockets);
}

/* "0-3,8": how many CPUs that is, and one more than the last. 0 where the kernel doesn't tell. */
static int cpu_list(const char *name, int *end)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/%s", name);
    int count = 0;
    if (read_small(path, text, sizeof text) <= 0)
        return 0;
    for (char *at = text; *at >= '0' && *at <= '9'; at += *at == ',') {
        long first = strtol(at, &at, 10), last = *at == '-' ? strtol(at + 1, &at, 10) : first;
        count += (int)(last - first) + 1;
        *end = (int)last + 1;
    }
    return count;
}

int rs_host_cpus(lua_State *L)
{
    char text[8 * 1024]; /* the first CPU is enough */
    cpu_set_t set;
    /* What musl's sysconf counts is what this process may use. */
    int end = (int)sysconf(_SC_NPROCESSORS_CONF), online = cpu_list("online", &end);
    if (online <= 0)
        online = (int)sysconf(_SC_NPROCESSORS_ONLN);
    int n = read_small("/proc/cpuinfo", text, sizeof text);
    lua_createtable(L, 0, 5);
    set_integer(L, "count", online > 0 ? (uint64_t)online : 1);
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        set_integer(L, "usable", (uint64_t)CPU_COUNT(&set));
    if (n > 0)
        set_model(L, text, (size_t)n);
    set_topology(L, end > 0 ? end : 1);
    return 1;
}

/* What /proc writes has a point whatever the locale is, which strtod might not read; Lua does. */
static bool push_number(lua_State *L, const char *s)
{
    char word[32];
    size_t n = strcspn(s, " \n");
    if (n == 0 || n >= sizeof word)
        return false;
    memcpy(word, s, n);
    word[n] = '\0';
    return lua_stringtonumber(L, word) != 0;
}

int rs_host_loadavg(lua_State *L)
{
    char text[128];
    const char *s = text;
    int n = read_small("/proc/loadavg", text, sizeof text);
    if (n < 0)
        return rs_error_edge(L, n);
    lua_createtable(L, 3, 0);
    for (int i = 1; i <= 3; i++) {
        if (!push_number(L, s))
            return rs_error_edge(L, RS_EPARSE);
        lua_rawseti(L, -2, i);
        s += strcspn(s, " ");
        s += *s == ' ';
    }
    return 1;
}

int rs_host_uptime(lua_State *L)
{
    char text[128];
    int n = read_small("/proc/uptime", text, sizeof text);
    if (n < 0)
        return rs_error_edge(L, n);
    return push_number(L, text) ? 1 : rs_error_edge(L, RS_EPARSE);
}
