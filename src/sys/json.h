/* The two halves of the json module. Both follow the limits below and run no Lua code. */
#ifndef RS_SYS_JSON_H
#define RS_SYS_JSON_H

#include <lua.h>
#include <stdbool.h>

#include "wire/codec.h"

enum { RS_JSON_DEPTH = 200 };

/* The registry's name of the metatable that marks a table as an array, also on the wire. It has no metamethods: a marked
 * table is a plain table in every other way. */
#define RS_JSON_ARRAY RS_CODEC_ARRAY

/* json.encode(value[, options]) and json.decode(text[, options]). Their first upvalue is the metatable of arrays; the
 * second one of encode is what rs_json_encoder_push leaves. */
int rs_json_encode(lua_State *L);
int rs_json_decode(lua_State *L);

void rs_json_encoder_push(lua_State *L);

/* The option invalid = "error" | "replace": true for "replace"; raises for anything else. */
bool rs_json_invalid_option(lua_State *L, int index);

#endif
