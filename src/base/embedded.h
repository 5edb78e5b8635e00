/* The Lua modules that scripts/embed.c compiled into the program. */
#ifndef RS_BASE_EMBEDDED_H
#define RS_BASE_EMBEDDED_H

#include <stddef.h>

typedef struct rs_embedded {
    const char *name;          /* as require takes it */
    const char *chunk;         /* what tracebacks call it */
    const unsigned char *data; /* bytecode, in the agent source */
    size_t len;
} rs_embedded;

/* Ends with a NULL name. Only in builds that embed; the others define RS_LUA_DIR, the absolute path of lua/. */
extern const rs_embedded rs_embedded_modules[];

#endif
