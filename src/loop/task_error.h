/* The error object that Lua code sees: a table with kind, message and more fields, and one shared metatable. */
#ifndef RS_LOOP_TASK_ERROR_H
#define RS_LOOP_TASK_ERROR_H

#include <lua.h>

/* Pushes the metatable; its __tostring and methods are set by rshell.shared.error. */
void rs_error_metatable(lua_State *L);

/* Pushes an error object. */
void rs_error_push(lua_State *L, const char *kind, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Raises an error object of the kind that err has; the message is "what: text of err", or the text alone with NULL. */
int rs_error_raise(lua_State *L, int err, const char *what);

/* Pushes nil, text, NAME and returns 3: how a primitive tells an expected failure. */
int rs_error_edge(lua_State *L, int err);

#endif
