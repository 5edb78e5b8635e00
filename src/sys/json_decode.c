#include <lauxlib.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/utf8.h"
#include "sys/fs_opts.h"
#include "sys/json.h"

/* One pass over a Lua string, whose bytes stay where they are, with a NUL behind them: *at may be read at the end. Each
 * read_ function pushes exactly one value and leaves `at` behind it, or returns false with `wrong` set and `at` at the
 * place. */
struct reader {
    lua_State *L;
    const char *text, *at, *end;
    int depth;
    bool replace;
    const char *wrong; /* static */
    bool say_what;     /* the message goes on with what is there instead */
};

static bool fail(struct reader *r, const char *wrong)
{
    r->wrong = wrong;
    return false;
}

static bool expected(struct reader *r, const char *what)
{
    r->say_what = true;
    return fail(r, what);
}

static void skip_blanks(struct reader *r)
{
    while (*r->at == ' ' || *r->at == '\n' || *r->at == '\t' || *r->at == '\r')
        r->at++;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static const char *skip_digits(const char *s)
{
    while (is_digit(*s))
        s++;
    return s;
}

/* Finds the end of a number; whole is false where it has a fraction or an exponent. */
static bool scan_number(struct reader *r, const char **end, bool *whole)
{
    const char *s = r->at + (*r->at == '-');
    *whole = true;
    if (!is_digit(*s)) {
        r->at = s;
        return expected(r, "expected a digit");
    }
    s = *s == '0' ? s + 1 : skip_digits(s);
    if (*s == '.') {
        *whole = false;
        r->at = ++s;
        if (!is_digit(*s))
            return expected(r, "expected a digit");
        s = skip_digits(s);
    }
    if (*s == 'e' || *s == 'E') {
        *whole = false;
        s += s[1] == '-' || s[1] == '+' ? 2 : 1;
        r->at = s;
        if (!is_digit(*s))
            return expected(r, "expected a digit");
        s = skip_digits(s);
    }
    *end = s;
    return true;
}

/* What has a fraction, an exponent or many digits is read by Lua, which doesn't depend on the locale: an integer that
 * needs more than 64 bits becomes a float there. */
static bool push_by_lua(struct reader *r, const char *first, const char *end)
{
    size_t n = (size_t)(end - first);
    char small[64];
    const char *s = small;
    if (n < sizeof small) {
        memcpy(small, first, n);
        small[n] = '\0';
    } else {
        s = lua_pushlstring(r->L, first, n);
    }
    lua_stringtonumber(r->L, s);
    if (s != small)
        lua_remove(r->L, -2);
    return !isinf(lua_tonumber(r->L, -1));
}

static bool read_number(struct reader *r)
{
    const char *first = r->at, *end;
    bool whole;
    if (!scan_number(r, &end, &whole))
        return false;
    r->at = end;
    if (!whole || end - first > 18) {
        if (push_by_lua(r, first, end))
            return true;
        r->at = first;
        return fail(r, "the number is too large");
    }
    lua_Integer x = 0;
    for (const char *s = first + (*first == '-'); s < end; s++)
        x = x * 10 + (*s - '0');
    if (*first == '-' && x == 0)
        lua_pushnumber(r->L, -0.0);
    else
        lua_pushinteger(r->L, *first == '-' ? -x : x);
    return true;
}

/* Four hexadecimal digits behind \u, or -1. */
static int32_t hex4(const char *s)
{
    int32_t x = 0;
    for (int i = 0; i < 4; i++) {
        char c = s[i];
        int digit = is_digit(c)            ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        x = x * 16 + digit;
    }
    return x;
}

/* The second half of a pair, written behind the four digits of the first, or -1. */
static int32_t low_half(const char *s)
{
    int32_t low = s[0] == '\\' && s[1] == 'u' ? hex4(s + 2) : -1;
    return low >= 0xdc00 && low < 0xe000 ? low : -1;
}

/* `at` stands on the u. Half a pair is no character: an error, or U+FFFD. */
static bool read_unicode(struct reader *r, luaL_Buffer *b)
{
    int32_t c = hex4(r->at + 1);
    char bytes[4];
    if (c < 0)
        return fail(r, "expected four hexadecimal digits after \\u");
    int32_t low = c >= 0xd800 && c < 0xdc00 ? low_half(r->at + 5) : -1;
    if (low >= 0) {
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        r->at += 6;
    } else if (c >= 0xd800 && c < 0xe000) {
        if (!r->replace)
            return fail(r, "half a surrogate pair");
        c = 0xfffd;
    }
    r->at += 5;
    luaL_addlstring(b, bytes, rs_utf8_put((uint32_t)c, bytes));
    return true;
}

static bool read_escape(struct reader *r, luaL_Buffer *b)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = *++r->at;
    const char *found = c ? strchr(from, c) : NULL;
    if (c == 'u')
        return read_unicode(r, b);
    if (!found)
        return expected(r, "expected one of \"\\/bfnrtu after a backslash");
    luaL_addchar(b, to[found - from]);
    r->at++;
    return true;
}

/* To the next quote, backslash or control character. */
static const char *plain_end(const char *s)
{
    while ((unsigned char)*s >= 0x20 && *s != '"' && *s != '\\')
        s++;
    return s;
}

/* Nothing but the buffer touches the stack meanwhile. */
static bool read_escaped_string(struct reader *r, const char *stop)
{
    luaL_Buffer b;
    luaL_buffinit(r->L, &b);
    for (;;) {
        luaL_addlstring(&b, r->at, (size_t)(stop - r->at));
        r->at = stop;
        if (*stop == '"')
            break;
        if (*stop != '\\')
            return expected(r, "expected \"");
        if (!read_escape(r, &b))
            return false;
        stop = plain_end(r->at);
    }
    r->at++;
    luaL_pushresult(&b);
    return true;
}

static bool read_string(struct reader *r)
{
    const char *first = ++r->at, *stop = plain_end(first);
    if (*stop != '"')
        return read_escaped_string(r, stop);
    lua_pushlstring(r->L, first, (size_t)(stop - first));
    r->at = stop + 1;
    return true;
}

static bool read_word(struct reader *r, const char *word)
{
    size_t n = strlen(word);
    if (strncmp(r->at, word, n) != 0)
        return expected(r, "expected a value");
    r->at += n;
    if (*word == 'n')
        lua_pushlightuserdata(r->L, NULL);
    else
        lua_pushboolean(r->L, *word == 't');
    return true;
}

static bool read_value(struct reader *r);

static bool enter(struct reader *r)
{
    if (++r->depth > RS_JSON_DEPTH)
        return fail(r, "more than 200 levels");
    luaL_checkstack(r->L, 8, "json");
    r->at++;
    skip_blanks(r);
    return true;
}

/* After an element: true when another one follows, at it; done when it was the last. */
static bool more(struct reader *r, char close, bool *done)
{
    skip_blanks(r);
    *done = *r->at == close;
    if (!*done && *r->at != ',')
        return expected(r, close == ']' ? "expected , or ]" : "expected , or }");
    r->at++;
    if (!*done)
        skip_blanks(r);
    return true;
}

static bool read_array(struct reader *r)
{
    bool done;
    if (!enter(r))
        return false;
    lua_newtable(r->L);
    done = *r->at == ']';
    r->at += done;
    for (lua_Integer i = 1; !done; i++) {
        if (!read_value(r))
            return false;
        lua_rawseti(r->L, -2, i);
        if (!more(r, ']', &done))
            return false;
    }
    lua_pushvalue(r->L, lua_upvalueindex(1));
    lua_setmetatable(r->L, -2);
    r->depth--;
    return true;
}

static bool read_pair(struct reader *r)
{
    if (*r->at != '"')
        return expected(r, "expected a name in quotes");
    if (!read_string(r))
        return false;
    skip_blanks(r);
    if (*r->at != ':')
        return expected(r, "expected :");
    r->at++;
    skip_blanks(r);
    return read_value(r);
}

static bool read_object(struct reader *r)
{
    bool done;
    if (!enter(r))
        return false;
    lua_newtable(r->L);
    done = *r->at == '}';
    r->at += done;
    while (!done) {
        if (!read_pair(r))
            return false;
        lua_rawset(r->L, -3);
        if (!more(r, '}', &done))
            return false;
    }
    r->depth--;
    return true;
}

static bool read_value(struct reader *r)
{
    switch (*r->at) {
    case '{': return read_object(r);
    case '[': return read_array(r);
    case '"': return read_string(r);
    case 't': return read_word(r, "true");
    case 'f': return read_word(r, "false");
    case 'n': return read_word(r, "null");
    default:
        if (*r->at == '-' || is_digit(*r->at))
            return read_number(r);
        return expected(r, "expected a value");
    }
}

static bool read_text(struct reader *r)
{
    if (strncmp(r->at, "\xef\xbb\xbf", 3) == 0)
        r->at += 3;
    skip_blanks(r);
    if (!read_value(r))
        return false;
    skip_blanks(r);
    return r->at == r->end || expected(r, "expected the end");
}

static void push_instead(struct reader *r)
{
    unsigned char c = (unsigned char)*r->at;
    if (r->at == r->end)
        lua_pushliteral(r->L, ", not the end");
    else if (c > 0x20 && c < 0x7f)
        lua_pushfstring(r->L, ", not '%c'", c);
    else {
        char hex[16];
        snprintf(hex, sizeof hex, "0x%02x", c);
        lua_pushfstring(r->L, ", not the byte %s", hex);
    }
}

/* Columns count characters. */
static int push_failure(struct reader *r)
{
    int line = 1, column = 1;
    for (const char *s = r->text; s < r->at; s++) {
        if (*s == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)*s & 0xc0) != 0x80) {
            column++;
        }
    }
    lua_settop(r->L, 2);
    lua_pushnil(r->L);
    lua_pushfstring(r->L, "line %d column %d: %s", line, column, r->wrong);
    if (r->say_what) {
        push_instead(r);
        lua_concat(r->L, 2);
    }
    lua_pushstring(r->L, rs_err_name(RS_EPARSE));
    return 3;
}

int rs_json_decode(lua_State *L)
{
    static const char *const known[] = {"invalid", NULL};
    size_t n;
    const char *s = luaL_checklstring(L, 1, &n);
    struct reader r = {.L = L, .text = s, .at = s, .end = s + n};
    lua_settop(L, 2);
    if (!lua_isnil(L, 2)) {
        rs_fs_opts_check(L, 2, known);
        r.replace = rs_json_invalid_option(L, 2);
    }
    return read_text(&r) ? 1 : push_failure(&r);
}
