/* The functions of the host module that have files of their own. Private to host*.c. */
#ifndef RS_SYS_HOST_LUA_H
#define RS_SYS_HOST_LUA_H

#include <lua.h>

/* host_os.c */
int rs_host_os_release(lua_State *L);
int rs_host_memory(lua_State *L);
int rs_host_cpus(lua_State *L);
int rs_host_loadavg(lua_State *L);
int rs_host_uptime(lua_State *L);
int rs_host_uname(lua_State *L);

/* host_net.c, host_mounts.c, host_proc.c */
int rs_host_interfaces(lua_State *L);
int rs_host_mounts(lua_State *L);
int rs_host_processes(lua_State *L);

/* host_users.c */
int rs_host_users(lua_State *L);
int rs_host_user(lua_State *L);
int rs_host_groups(lua_State *L);
int rs_host_group(lua_State *L);
int rs_host_user_groups(lua_State *L);
int rs_host_home(lua_State *L);

#endif
