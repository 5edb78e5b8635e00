#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <lauxlib.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "loop/task_error.h"
#include "sys/host_lua.h"

/* The list of getifaddrs is owned by a userdata: everything here may raise. */
struct list {
    struct ifaddrs *first;
};

static int list_gc(lua_State *L)
{
    struct list *l = lua_touserdata(L, 1);
    if (l->first)
        freeifaddrs(l->first);
    l->first = NULL;
    return 0;
}

static struct list *push_list(lua_State *L)
{
    struct list *l = lua_newuserdatauv(L, sizeof *l, 0);
    l->first = NULL;
    if (luaL_newmetatable(L, "rshell.host.ifaddrs")) {
        lua_pushcfunction(L, list_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return l;
}

static const struct {
    unsigned bit;
    const char *name;
} flags[] = {
    {IFF_UP, "up"},
    {IFF_BROADCAST, "broadcast"},
    {IFF_LOOPBACK, "loopback"},
    {IFF_POINTOPOINT, "pointopoint"},
    {IFF_RUNNING, "running"},
    {IFF_NOARP, "noarp"},
    {IFF_PROMISC, "promisc"},
    {IFF_ALLMULTI, "allmulti"},
    {IFF_MASTER, "master"},
    {IFF_SLAVE, "slave"},
    {IFF_MULTICAST, "multicast"},
    {IFF_DYNAMIC, "dynamic"},
};

static void set_flags(lua_State *L, unsigned bits)
{
    lua_Integer n = 0;
    lua_newtable(L);
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        if (!(bits & flags[i].bit))
            continue;
        lua_pushstring(L, flags[i].name);
        lua_rawseti(L, -2, ++n);
    }
    lua_setfield(L, -2, "flags");
}

/* The kernel's word: up, down, unknown, dormant, lowerlayerdown ... Without /sys, what the flags say. */
static void set_state(lua_State *L, const char *name, unsigned bits)
{
    char path[64], state[32];
    snprintf(path, sizeof path, "/sys/class/net/%s/operstate", name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, state, sizeof state) : -1;
    if (fd >= 0)
        close(fd);
    if (n > 1)
        lua_pushlstring(L, state, (size_t)n - (state[n - 1] == '\n'));
    else
        lua_pushstring(L, bits & IFF_RUNNING ? "up" : "down");
    lua_setfield(L, -2, "state");
}

static void set_mtu(lua_State *L, const char *name)
{
    struct ifreq r = {0};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    memcpy(r.ifr_name, name, strnlen(name, IFNAMSIZ - 1));
    bool ok = ioctl(fd, SIOCGIFMTU, &r) == 0;
    close(fd);
    if (!ok)
        return;
    lua_pushinteger(L, r.ifr_mtu);
    lua_setfield(L, -2, "mtu");
}

/* Pushes the table of an interface; a new one is added to the list below it, which also maps names to tables. */
static void push_interface(lua_State *L, int all, int by_name, const struct ifaddrs *a)
{
    if (lua_getfield(L, by_name, a->ifa_name) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushstring(L, a->ifa_name);
    lua_setfield(L, -2, "name");
    lua_pushinteger(L, if_nametoindex(a->ifa_name));
    lua_setfield(L, -2, "index");
    lua_newtable(L);
    lua_setfield(L, -2, "addresses");
    set_flags(L, a->ifa_flags);
    set_state(L, a->ifa_name, a->ifa_flags);
    set_mtu(L, a->ifa_name);
    lua_pushvalue(L, -1);
    lua_setfield(L, by_name, a->ifa_name);
    lua_pushvalue(L, -1);
    lua_rawseti(L, all, (lua_Integer)lua_rawlen(L, all) + 1);
}

/* Tunnels have a hardware address that is an IP address, or none. */
static void set_mac(lua_State *L, const struct sockaddr *address)
{
    struct sockaddr_ll ll;
    char text[24];
    memcpy(&ll, address, sizeof ll);
    if (ll.sll_halen != 6)
        return;
    const unsigned char *m = ll.sll_addr;
    snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
    lua_pushstring(L, text);
    lua_setfield(L, -2, "mac");
}

static const void *bytes_of(const struct sockaddr *a, struct sockaddr_in6 *copy, size_t *n)
{
    if (a->sa_family == AF_INET6) {
        memcpy(copy, a, sizeof(struct sockaddr_in6));
        *n = 16;
        return &copy->sin6_addr;
    }
    memcpy(copy, a, sizeof(struct sockaddr_in));
    *n = 4;
    return (const char *)copy + offsetof(struct sockaddr_in, sin_addr);
}

static void set_address(lua_State *L, const char *key, int family, const struct sockaddr *a)
{
    struct sockaddr_in6 copy;
    char text[INET6_ADDRSTRLEN];
    size_t n;
    if (!a || a->sa_family != family || !inet_ntop(family, bytes_of(a, &copy, &n), text, sizeof text))
        return;
    lua_pushstring(L, text);
    lua_setfield(L, -2, key);
}

static void set_prefix(lua_State *L, int family, const struct sockaddr *mask)
{
    struct sockaddr_in6 copy;
    size_t n;
    int bits = 0;
    if (!mask || mask->sa_family != family)
        return;
    const unsigned char *p = bytes_of(mask, &copy, &n);
    for (size_t i = 0; i < n; i++)
        bits += __builtin_popcount(p[i]);
    lua_pushinteger(L, bits);
    lua_setfield(L, -2, "prefix");
}

static void set_scope(lua_State *L, const struct sockaddr *a)
{
    struct sockaddr_in6 in6;
    memcpy(&in6, a, sizeof in6);
    bool link = IN6_IS_ADDR_LINKLOCAL(&in6.sin6_addr), host = IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
    lua_pushstring(L, link ? "link" : host ? "host" : "global");
    lua_setfield(L, -2, "scope");
}

/* The interface is on top. */
static void add_address(lua_State *L, const struct ifaddrs *a)
{
    int family = a->ifa_addr->sa_family;
    lua_getfield(L, -1, "addresses");
    lua_newtable(L);
    lua_pushstring(L, family == AF_INET ? "ipv4" : "ipv6");
    lua_setfield(L, -2, "family");
    set_address(L, "address", family, a->ifa_addr);
    set_prefix(L, family, a->ifa_netmask);
    if (a->ifa_flags & IFF_BROADCAST)
        set_address(L, "broadcast", family, a->ifa_broadaddr);
    else if (a->ifa_flags & IFF_POINTOPOINT)
        set_address(L, "peer", family, a->ifa_dstaddr);
    if (family == AF_INET6)
        set_scope(L, a->ifa_addr);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    lua_pop(L, 1);
}

int rs_host_interfaces(lua_State *L)
{
    lua_settop(L, 0);
    struct list *l = push_list(L);
    if (getifaddrs(&l->first) != 0)
        return rs_error_edge(L, -errno);
    lua_newtable(L);
    lua_newtable(L);
    for (const struct ifaddrs *a = l->first; a; a = a->ifa_next) {
        push_interface(L, 2, 3, a);
        int family = a->ifa_addr ? a->ifa_addr->sa_family : AF_UNSPEC;
        if (family == AF_PACKET)
            set_mac(L, a->ifa_addr);
        else if (family == AF_INET || family == AF_INET6)
            add_address(L, a);
        lua_pop(L, 1);
    }
    lua_settop(L, 2);
    return 1;
}
