/* The Lua module rshell.text: quoting for sh, and what terminals make of bytes. */
#include <lauxlib.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/quote.h"
#include "loop/task_error.h"
#include "sys/sys.h"

/* quote(word, ...): the words quoted for sh, joined by blanks. */
static int l_quote(lua_State *L)
{
    int n = lua_gettop(L);
    luaL_Buffer out;
    for (int i = 1; i <= n; i++)
        luaL_checkstring(L, i);
    luaL_buffinit(L, &out);
    for (int i = 1; i <= n; i++) {
        size_t len;
        const char *s = lua_tolstring(L, i, &len);
        rs_buf word;
        rs_buf_init(&word, 0);
        int err = rs_quote_word(&word, s, len);
        if (!err && i > 1)
            luaL_addchar(&out, ' ');
        if (!err) /* only running out of memory raises here */
            luaL_addlstring(&out, rs_buf_data(&word), rs_buf_len(&word));
        rs_buf_fini(&word);
        if (err)
            return rs_error_raise(L, err, "a NUL byte can't be passed to a program");
    }
    luaL_pushresult(&out);
    return 1;
}

static int add_word(void *user, const char *word, size_t n)
{
    lua_State *L = user;
    lua_pushlstring(L, word, n);
    lua_rawseti(L, 2, (lua_Integer)lua_rawlen(L, 2) + 1);
    return 0;
}

/* split(text): the words, as sh would split a simple command; nil, text, "EPARSE" for a quote that isn't closed. */
static int l_split(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    lua_settop(L, 1);
    lua_newtable(L);
    int err = rs_quote_split(text, len, add_word, L, NULL);
    if (err)
        return rs_error_edge(L, err);
    return 1;
}

/* How many bytes at s are a control character: U+0000 to U+001F but newline and tab, U+007F to U+009F. */
static size_t control_length(const unsigned char *s, size_t len)
{
    if (*s == '\n' || *s == '\t')
        return 0;
    if (*s < ' ' || *s == 0x7f)
        return 1;
    return *s == 0xc2 && len > 1 && s[1] >= 0x80 && s[1] < 0xa0 ? 2 : 0;
}

/* escape(text): control characters but newline and tab as \xNN, so that a terminal does nothing but show them. */
static int l_escape(lua_State *L)
{
    size_t len;
    const unsigned char *s = (const unsigned char *)luaL_checklstring(L, 1, &len);
    luaL_Buffer out;
    luaL_buffinit(L, &out);
    for (size_t i = 0; i < len;) {
        size_t n = control_length(s + i, len - i);
        if (!n)
            luaL_addchar(&out, (char)s[i++]);
        for (; n > 0; n--, i++) {
            char hex[5];
            snprintf(hex, sizeof hex, "\\x%02x", s[i]);
            luaL_addstring(&out, hex);
        }
    }
    luaL_pushresult(&out);
    return 1;
}

static const luaL_Reg functions[] = {{"quote", l_quote}, {"split", l_split}, {"escape", l_escape}, {NULL, NULL}};

int luaopen_rs_text(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
