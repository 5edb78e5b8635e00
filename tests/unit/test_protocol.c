/* The examples in doc/protocol.md, in both directions. */
#include "unit.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "wire/codec.h"
#include "wire/frame.h"

static const char PRELUDE[] = "local class = {}\n"
                              "local metatable\n"
                              "metatable, null = ...\n"
                              "function object(ext, ...) return setmetatable({ext, ...}, class) end\n"
                              "function mine(...) return object(1, ...) end\n"
                              "function yours(...) return object(2, ...) end\n"
                              "function fn(...) return object(6, ...) end\n"
                              "function array(t) return setmetatable(t, metatable) end\n";

enum { EXPORT = 1, IMPORT = 2, BASE = 2, LINE = 400 };

static int export(lua_State *L)
{
    int n = (int)lua_rawlen(L, 1);
    for (int i = 1; i <= n; i++)
        lua_rawgeti(L, 1, i);
    return n;
}

static int setup(void **state)
{
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    assert_int_equal(luaL_loadstring(L, PRELUDE), LUA_OK);
    luaL_newmetatable(L, RS_CODEC_ARRAY);
    lua_pushlightuserdata(L, NULL);
    lua_call(L, 2, 0);
    lua_pushcfunction(L, export);
    lua_getglobal(L, "object");
    *state = L;
    return 0;
}

static int teardown(void **state)
{
    lua_close(*state);
    return 0;
}

/* Reads pairs of hexadecimal digits with blanks between them, and returns what stands behind them. */
static char *read_hex(char *s, rs_buf *to)
{
    s += strspn(s, " ");
    while (strspn(s, "0123456789abcdef") == 2 && (!s[2] || s[2] == ' ')) {
        rs_buf_add_char(to, (char)strtoul(s, NULL, 16));
        s += 2 + strspn(s + 2, " ");
    }
    return s;
}

/* The values of a list of expressions, or of a chunk that says return. */
static void push(lua_State *L, const char *text)
{
    lua_settop(L, BASE);
    lua_pushfstring(L, strstr(text, "return ") ? "%s" : "return %s", text);
    if (luaL_loadstring(L, lua_tostring(L, -1)) != LUA_OK)
        fail_msg("%s", lua_tostring(L, -1));
    lua_remove(L, -2);
    lua_call(L, 0, LUA_MULTRET);
}

static void encode(lua_State *L, rs_buf *out)
{
    rs_buf_clear(out);
    assert_int_equal(rs_codec_encode(L, BASE + 1, lua_gettop(L), EXPORT, out), 0);
}

static void decode(lua_State *L, const char *text, const char *bytes, size_t n)
{
    int count;
    lua_settop(L, BASE);
    if (rs_codec_decode(L, bytes, n, IMPORT, &count) != 0)
        fail_msg("%s: %s", text, lua_tostring(L, -1));
}

static void assert_equal(const char *text, const rs_buf *got, const char *bytes, size_t n)
{
    if (rs_buf_len(got) == n && memcmp(rs_buf_data(got), bytes, n) == 0)
        return;
    for (size_t i = 0; i < rs_buf_len(got); i++)
        fprintf(stderr, "%02x ", (unsigned char)rs_buf_data(got)[i]);
    fail_msg("%s: other bytes", text);
}

/* What the bytes mean is what the values mean; with `written`, they are also what is written. */
static void check_values(lua_State *L, const char *text, const char *bytes, size_t n, bool written)
{
    rs_buf wanted, got;
    rs_buf_init(&wanted, 0);
    rs_buf_init(&got, 0);
    push(L, text);
    encode(L, &wanted);
    if (written)
        assert_equal(text, &wanted, bytes, n);
    decode(L, text, bytes, n);
    encode(L, &got);
    assert_equal(text, &got, rs_buf_data(&wanted), rs_buf_len(&wanted));
    rs_buf_fini(&got);
    rs_buf_fini(&wanted);
}

static void check_value_line(lua_State *L, char *line, bool written)
{
    rs_buf bytes;
    rs_buf_init(&bytes, 0);
    const char *text = read_hex(line, &bytes);
    assert_true(rs_buf_len(&bytes) > 0 && *text);
    check_values(L, text, rs_buf_data(&bytes), rs_buf_len(&bytes), written);
    rs_buf_fini(&bytes);
}

static unsigned type_of(const char *name, size_t n)
{
    for (unsigned type = 0; type < 256; type++)
        if (strlen(rs_frame_name(type)) == n && memcmp(rs_frame_name(type), name, n) == 0)
            return type;
    return 0;
}

/* "TYPE [more] context=N id=N [raw]: values"; returns what stands behind the colon. */
static const char *read_meaning(const char *line, rs_frame *f, bool *raw)
{
    const char *colon = strchr(line, ':'), *at = strstr(line, " context=");
    char head[LINE] = "";
    assert_true(colon && at && at < colon);
    memcpy(head, line, (size_t)(colon - line));
    *f = (rs_frame){.type = (uint8_t)type_of(head, strcspn(head, " "))};
    f->flags = strstr(head, " more ") ? RS_FRAME_MORE : 0;
    f->context = (uint16_t)strtoul(at + strlen(" context="), NULL, 10);
    at = strstr(head, " id=");
    assert_non_null(at);
    f->id = (uint32_t)strtoul(at + strlen(" id="), NULL, 10);
    *raw = strstr(head, " raw");
    return colon + 1;
}

/* The header as it is written, and as it is read. */
static void check_header(const char *line, const rs_buf *bytes, rs_frame *wanted)
{
    rs_frame got;
    char header[RS_FRAME_HEADER];
    wanted->length = (uint32_t)(rs_buf_len(bytes) - RS_FRAME_HEADER);
    rs_frame_put(header, wanted);
    if (memcmp(header, rs_buf_data(bytes), sizeof header) != 0)
        fail_msg("%s: another header", line);
    if (rs_frame_peek(bytes, &got) != 1)
        fail_msg("%s: no frame", line);
    assert_int_equal(got.length, wanted->length);
    assert_int_equal(got.type, wanted->type);
    assert_int_equal(got.flags, wanted->flags);
    assert_int_equal(got.context, wanted->context);
    assert_int_equal(got.id, wanted->id);
}

static void check_frame(lua_State *L, char *hex, const char *line)
{
    rs_buf bytes;
    rs_frame f;
    bool raw;
    rs_buf_init(&bytes, 0);
    if (*read_hex(hex, &bytes) || rs_buf_len(&bytes) < RS_FRAME_HEADER)
        fail_msg("%s: no bytes of a frame", line);
    const char *text = read_meaning(line, &f, &raw), *payload = rs_buf_data(&bytes) + RS_FRAME_HEADER;
    check_header(line, &bytes, &f);
    if (raw) {
        size_t n;
        push(L, text);
        const char *s = lua_tolstring(L, -1, &n);
        assert_int_equal(n, f.length);
        assert_memory_equal(s, payload, n);
    } else {
        check_values(L, text, payload, f.length, true);
    }
    rs_buf_fini(&bytes);
}

/* Reads the next line without its newline; false at the end. */
static bool next_line(FILE *file, char line[LINE])
{
    if (!fgets(line, LINE, file))
        return false;
    line[strcspn(line, "\n")] = '\0';
    return true;
}

static void test_examples(void **state)
{
    lua_State *L = *state;
    char line[LINE], meaning[LINE];
    int values = 0, frames = 0;
    FILE *file = fopen(RS_SOURCE_DIR "/doc/protocol.md", "r");
    assert_non_null(file);
    while (next_line(file, line)) {
        bool written = strcmp(line, "```values") == 0;
        if (strcmp(line, "```frame") == 0) {
            assert_true(next_line(file, line) && next_line(file, meaning));
            check_frame(L, line, meaning);
            assert_true(next_line(file, line) && strcmp(line, "```") == 0);
            frames++;
        } else if (written || strcmp(line, "```read") == 0) {
            for (; next_line(file, line) && strcmp(line, "```") != 0; values++)
                check_value_line(L, line, written);
        }
    }
    fclose(file);
    assert_true(values >= 45);
    assert_true(frames >= 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_examples, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
