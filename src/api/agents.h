/* The agents that are embedded in the program: one for each kind of CPU. */
#ifndef RS_API_AGENTS_H
#define RS_API_AGENTS_H

#include <lua.h>
#include <stddef.h>

typedef struct rs_agent_image {
    const char *arch;                /* as uname -m tells it */
    const char *libc;                /* what it is linked with: musl or glibc */
    const char *sha256;              /* of the program, in hex */
    size_t size;                     /* bytes of the program */
    const unsigned char *wire, *end; /* the program, gzipped */
} rs_agent_image;

/* Ends with a NULL arch. Written by scripts/embed-agents. */
extern const rs_agent_image rs_agent_images[];

/* Leaves the module rshell.agents: list(), image(arch) and program(arch). */
int luaopen_rs_agents(lua_State *L);

#endif
