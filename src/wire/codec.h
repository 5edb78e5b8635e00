/* Values between the Lua stack and MessagePack. doc/protocol.md has the bytes.
 *
 * nil, booleans, numbers, strings, plain tables (also shared ones, and those inside themselves), JSON's null and JSON's
 * arrays go by value. All else goes through two hooks, Lua functions at a stack index or a pseudo-index:
 *
 *     export(value) -> ext, values...     a number of rs_value_ext and what is sent with it, by the same rules; or raises
 *     import(ext, values...) -> value     what it becomes at the other end; nil, text where that is none
 *
 * Where the index is 0, such values are refused. A hook may run any code that doesn't yield, but it must not change what
 * is being encoded or decoded. */
#ifndef RS_WIRE_CODEC_H
#define RS_WIRE_CODEC_H

#include <lua.h>
#include <stddef.h>

#include "base/buf.h"

/* The registry's name of the metatable that marks a table as an array of JSON. */
#define RS_CODEC_ARRAY "rshell.json.array"

/* Appends the values at first to last. Returns 0, or RS_EUSAGE, RS_ELIMIT or -ENOMEM with a message pushed and `out`
 * as it was. It may raise too: what a hook raised, or Lua without memory; `out` is as it was then as well. Nobody else may
 * touch it meanwhile, hooks included, and its owner must outlive an error. */
int rs_codec_encode(lua_State *L, int first, int last, int export, rs_buf *out);

/* A long string that is one of the values itself needs no place in `out`: a message is these bytes, and the string's in their
 * midst. They are Lua's, and there as long as the values are. */
typedef struct rs_codec_aside {
    size_t at; /* behind so many bytes of `out` */
    const char *bytes;
    size_t n;
} rs_codec_aside;

enum { RS_CODEC_ASIDES = 4 };

/* The same, with up to RS_CODEC_ASIDES long strings left aside, in their order: *n of them. */
int rs_codec_encode_aside(lua_State *L, int first, int last, int export, rs_buf *out, rs_codec_aside *list, int *n);

/* Pushes the values of a message, whose bytes must stay where they are meanwhile, and returns 0 with *count set; or
 * RS_EPROTO with a message pushed. Hooks see only what is wholly well-formed. It may raise as encoding may. */
int rs_codec_decode(lua_State *L, const char *bytes, size_t n, int import, int *count);

/* The same where no hook is needed; RS_EUSAGE, with nothing pushed, where one is. */
int rs_codec_decode_plain(lua_State *L, const char *bytes, size_t n, int *count);

#endif
