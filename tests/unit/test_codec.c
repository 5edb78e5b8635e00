#include "unit.h"

#include <ctype.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/err.h"
#include "wire/bytes.h"
#include "wire/codec.h"
#include "wire/value.h"

/* What both hooks and values are made with. An object is what `object(ext, ...)` returns; so is what comes back. */
static const char PRELUDE[] =
    "class = {}\n"
    "array, null = ...\n"
    "function object(ext, ...) return setmetatable({ext, n = select('#', ...) + 1, ...}, class) end\n"
    "function export(o) return table.unpack(o, 1, o.n) end\n"
    "function marked(t) return setmetatable(t, array) end\n"
    "function shared() local t = {} return {t, t} end\n"
    "function cycle() local t = {} t[1] = t return t end\n"
    "function deep(n) local t = 7 for _ = 1, n do t = {t} end return t end\n"
    "function many(n) local t = {} for i = 1, n do t[i] = {} end t[n + 1] = t[n] t[n + 2] = t[1] return t end\n";

/* Every allocation from this one on fails; 0: none. */
static size_t fail_at, allocations;

static void *failing(void *user, void *old, size_t had, size_t wanted)
{
    (void)user, (void)had;
    if (wanted == 0) {
        free(old);
        return NULL;
    }
    /* Lua relies on that what shrinks can't fail. */
    if ((!old || wanted > had) && ++allocations >= fail_at && fail_at > 0)
        return NULL;
    return realloc(old, wanted);
}

/* Stack: export at 1, import at 2. */
enum { EXPORT = 1, IMPORT = 2, BASE = 2 };

static lua_State *new_state(void)
{
    lua_State *L = lua_newstate(failing, NULL);
    luaL_openlibs(L);
    assert_int_equal(luaL_loadstring(L, PRELUDE), LUA_OK);
    luaL_newmetatable(L, RS_CODEC_ARRAY);
    lua_pushlightuserdata(L, NULL);
    lua_call(L, 2, 0);
    lua_getglobal(L, "export");
    lua_getglobal(L, "object");
    return L;
}

static int setup(void **state)
{
    fail_at = 0;
    *state = new_state();
    return 0;
}

static int teardown(void **state)
{
    assert_int_equal(lua_gettop(*state), BASE);
    lua_close(*state);
    return 0;
}

/* The values of a list of Lua expressions; says how many. */
static int push(lua_State *L, const char *expressions)
{
    int top = lua_gettop(L);
    lua_pushfstring(L, "return %s", expressions);
    if (luaL_loadstring(L, lua_tostring(L, -1)) != LUA_OK)
        fail_msg("%s", lua_tostring(L, -1));
    lua_remove(L, -2);
    lua_call(L, 0, LUA_MULTRET);
    return lua_gettop(L) - top;
}

/* Bytes from "92 01 02"; "xx*N" repeats one. */
static void add_hex(rs_buf *to, const char *hex)
{
    while (*hex) {
        char *end;
        char c = (char)strtoul(hex, &end, 16);
        unsigned long times = *end == '*' ? strtoul(end + 1, &end, 10) : 1;
        for (; times > 0; times--)
            rs_buf_add_char(to, c);
        hex = end + strspn(end, " ");
    }
}

static void assert_bytes(const char *name, const rs_buf *got, const rs_buf *wanted)
{
    if (rs_buf_len(got) == rs_buf_len(wanted) && memcmp(rs_buf_data(got), rs_buf_data(wanted), rs_buf_len(got)) == 0)
        return;
    for (size_t i = 0; i < rs_buf_len(got) && i < 64; i++)
        fprintf(stderr, "%02x ", (unsigned char)rs_buf_data(got)[i]);
    fail_msg("%s: other bytes", name);
}

static const struct {
    const char *values, *hex;
} both_ways[] = {
    {"", ""},
    {"nil", "c0"},
    {"nil, 1, nil", "c0 01 c0"},
    {"false, true", "c2 c3"},
    {"0, 1, 127", "00 01 7f"},
    {"128, 255", "cc 80 cc ff"},
    {"256, 65535", "cd 01 00 cd ff ff"},
    {"65536, 0xffffffff", "ce 00 01 00 00 ce ff ff ff ff"},
    {"0x100000000", "cf 00 00 00 01 00 00 00 00"},
    {"math.maxinteger", "cf 7f ff ff ff ff ff ff ff"},
    {"-1, -32", "ff e0"},
    {"-33, -128", "d0 df d0 80"},
    {"-129, -32768", "d1 ff 7f d1 80 00"},
    {"-32769, -0x80000000", "d2 ff ff 7f ff d2 80 00 00 00"},
    {"-0x80000001", "d3 ff ff ff ff 7f ff ff ff"},
    {"math.mininteger", "d3 80 00 00 00 00 00 00 00"},
    {"0.0", "cb 00 00 00 00 00 00 00 00"},
    {"-0.0", "cb 80 00 00 00 00 00 00 00"},
    {"1.0", "cb 3f f0 00 00 00 00 00 00"},
    {"-1/0", "cb ff f0 00 00 00 00 00 00"},
    {"0.1", "cb 3f b9 99 99 99 99 99 9a"},
    {"''", "a0"},
    {"'a', '\\0\\255'", "a1 61 a2 00 ff"},
    {"('a'):rep(31)", "bf 61*31"},
    {"('a'):rep(32)", "d9 20 61*32"},
    {"('a'):rep(255)", "d9 ff 61*255"},
    {"('a'):rep(256)", "da 01 00 61*256"},
    {"('a'):rep(65535)", "da ff ff 61*65535"},
    {"('a'):rep(65536)", "db 00 01 00 00 61*65536"},
    {"{}", "80"},
    {"{1}", "91 01"},
    {"{1, {2, {}}}", "92 01 92 02 80"},
    {"table.pack(('1'):rep(15):byte(1, -1)).n", "0f"},
    {"{('1'):rep(15):byte(1, -1)}", "9f 31*15"},
    {"{('1'):rep(16):byte(1, -1)}", "dc 00 10 31*16"},
    {"{a = 1}", "81 a1 61 01"},
    {"{[2] = 'b'}", "81 02 a1 62"},
    {"{[1.5] = true}", "81 cb 3f f8 00 00 00 00 00 00 c3"},
    {"{[false] = {}}", "81 c2 80"},
    {"{[{}] = {1}}", "81 80 91 01"},
    {"{[null] = null}", "81 c7 00 04 c7 00 04"},
    {"null", "c7 00 04"},
    {"marked {}", "d4 05 90"},
    {"marked {1}", "d5 05 91 01"},
    {"marked {1, 2}", "c7 03 05 92 01 02"},
    {"marked {marked {marked {}}}", "c7 07 05 91 d6 05 91 d4 05 90"},
    {"marked {x = 1}", "d6 05 81 a1 78 01"},
    {"marked {('a'):rep(300)}", "c8 01 30 05 91 da 01 2c 61*300"},
    {"marked {('a'):rep(65536)}", "c9 00 01 00 06 05 91 db 00 01 00 00 61*65536"},
    {"shared()", "92 80 d4 03 01"},
    {"cycle()", "91 d4 03 00"},
    {"many(14)", "dc 00 10 80*14 d4 03 0e d4 03 01"},
    {"many(15)", "dc 00 11 80*15 d4 03 0f d4 03 01"},
    {"many(16)", "dc 00 12 80*16 d4 03 10 d4 03 01"},
    {"many(126)", "dc 00 80 80*126 d4 03 7e d4 03 01"},
    {"many(128)", "dc 00 82 80*128 d5 03 cc 80 d4 03 01"},
    {"many(256)", "dc 01 02 80*256 c7 03 03 cd 01 00 d4 03 01"},
    {"object(1, 7)", "d4 01 07"},
    {"object(1, 7, 'io', nil)", "c7 05 01 07 a2 69 6f c0"},
    {"object(2, 300)", "c7 03 02 cd 01 2c"},
    {"object(6)", "c7 00 06"},
    {"object(7, 3, 'x')", "c7 03 07 03 a1 78"},
    {"object(8, {kind = 'io'})", "c7 09 08 81 a4 6b 69 6e 64 a2 69 6f"},
    {"object(1, 7, object(1, 8, {{}}))", "c7 07 01 07 c7 03 01 08 91 80"},
    {"{[object(1, 7)] = object(2, 7)}", "81 d4 01 07 d4 02 07"},
    {"deep(200)", "91*200 07"},
    {"deep(199), {}", "91*199 07 80"},
};

static void test_both_ways(void **state)
{
    lua_State *L = *state;
    for (size_t i = 0; i < COUNT(both_ways); i++) {
        rs_buf wanted, got;
        int n = push(L, both_ways[i].values), count = -1;
        rs_buf_init(&wanted, 0);
        rs_buf_init(&got, 0);
        add_hex(&wanted, both_ways[i].hex);
        assert_int_equal(rs_codec_encode(L, BASE + 1, BASE + n, EXPORT, &got), 0);
        assert_int_equal(lua_gettop(L), BASE + n);
        assert_bytes(both_ways[i].values, &got, &wanted);
        lua_settop(L, BASE);
        /* There is one way only to write these values. */
        assert_int_equal(rs_codec_decode(L, rs_buf_data(&wanted), rs_buf_len(&wanted), IMPORT, &count), 0);
        assert_int_equal(count, n);
        assert_int_equal(lua_gettop(L), BASE + n);
        rs_buf_clear(&got);
        assert_int_equal(rs_codec_encode(L, BASE + 1, BASE + n, EXPORT, &got), 0);
        assert_bytes(both_ways[i].values, &got, &wanted);
        lua_settop(L, BASE);
        rs_buf_fini(&got);
        rs_buf_fini(&wanted);
    }
}

/* Values, and how many strings of them are left aside. */
static const struct {
    const char *values;
    int n;
} aside[] = {
    {"('x'):rep(65536)", 1},
    {"('x'):rep(65535)", 0},
    {"1, ('x'):rep(65536), ('y'):rep(100000), 'z', {7}", 2},
    {"('a'):rep(65536), ('b'):rep(65536), ('c'):rep(65536), ('d'):rep(65536), ('e'):rep(65536)", 4},
    {"{('x'):rep(65536)}, ('y'):rep(65536)", 1},
    {"{[('x'):rep(65536)] = ('y'):rep(65536)}", 0},
    {"object(1, 7, ('x'):rep(65536)), 'x'", 0},
    {"object(7, 3, ('x'):rep(65536)), ('y'):rep(65536), object(7, 3, ('x'):rep(65536))", 1},
};

static void put_together(rs_buf *whole, const rs_buf *rest, const rs_codec_aside *list, int n)
{
    size_t at = 0;
    for (int i = 0; i < n; i++) {
        assert_int_equal(rs_buf_add(whole, rs_buf_data(rest) + at, list[i].at - at), 0);
        assert_int_equal(rs_buf_add(whole, list[i].bytes, list[i].n), 0);
        at = list[i].at;
    }
    assert_int_equal(rs_buf_add(whole, rs_buf_data(rest) + at, rs_buf_len(rest) - at), 0);
}

static void test_aside(void **state)
{
    lua_State *L = *state;
    for (size_t i = 0; i < COUNT(aside); i++) {
        rs_buf wanted, got, rest;
        rs_codec_aside list[RS_CODEC_ASIDES];
        int last = BASE + push(L, aside[i].values), n = -1;
        rs_buf_init(&wanted, 0);
        rs_buf_init(&got, 0);
        rs_buf_init(&rest, 0);
        assert_int_equal(rs_codec_encode(L, BASE + 1, last, EXPORT, &wanted), 0);
        assert_int_equal(rs_codec_encode_aside(L, BASE + 1, last, EXPORT, &rest, list, &n), 0);
        assert_int_equal(lua_gettop(L), last);
        assert_int_equal(n, aside[i].n);
        lua_gc(L, LUA_GCCOLLECT);
        put_together(&got, &rest, list, n);
        assert_true(rs_buf_len(&got) == rs_buf_len(&wanted) &&
                    memcmp(rs_buf_data(&got), rs_buf_data(&wanted), rs_buf_len(&got)) == 0);
        lua_settop(L, BASE);
        rs_buf_fini(&wanted);
        rs_buf_fini(&got);
        rs_buf_fini(&rest);
    }
}

/* What others may write, and what it means: longer than it need be, or a type that we don't use. */
static const struct {
    const char *hex, *means;
} only_read[] = {
    {"cc 05", "05"},
    {"cd 00 05", "05"},
    {"ce 00 00 00 05", "05"},
    {"cf 00 00 00 00 00 00 00 05", "05"},
    {"d0 05", "05"},
    {"d0 ff", "ff"},
    {"d1 ff ff", "ff"},
    {"d2 ff ff ff ff", "ff"},
    {"d3 ff ff ff ff ff ff ff ff", "ff"},
    {"ca 3f 80 00 00", "cb 3f f0 00 00 00 00 00 00"},
    {"ca 7f 80 00 00", "cb 7f f0 00 00 00 00 00 00"},
    {"ca 80 00 00 00", "cb 80 00 00 00 00 00 00 00"},
    {"d9 01 61", "a1 61"},
    {"da 00 01 61", "a1 61"},
    {"db 00 00 00 01 61", "a1 61"},
    {"c4 01 61", "a1 61"},
    {"c5 00 01 61", "a1 61"},
    {"c6 00 00 00 01 61", "a1 61"},
    {"c4 00", "a0"},
    {"90", "80"},
    {"dc 00 01 05", "91 05"},
    {"dd 00 00 00 01 05", "91 05"},
    {"de 00 01 05 06", "81 05 06"},
    {"df 00 00 00 01 05 06", "81 05 06"},
    {"82 01 05 02 06", "92 05 06"},
    {"81 cb 3f f0 00 00 00 00 00 00 06", "91 06"},
    {"82 05 06 05 07", "81 05 07"},
    {"81 05 c0", "80"},
    {"92 c0 05", "81 02 05"},
    {"92 05 c0", "91 05"},
    {"80 c7 01 03 00", "80 d4 03 00"},
    {"80 d5 03 cc 00", "80 d4 03 00"},
    {"c9 00 00 00 01 05 90", "d4 05 90"},
    {"d4 05 80", "d4 05 90"},
    {"c8 00 01 01 07", "d4 01 07"},
};

static void test_only_read(void **state)
{
    lua_State *L = *state;
    for (size_t i = 0; i < COUNT(only_read); i++) {
        rs_buf bytes, wanted, got;
        int count;
        rs_buf_init(&bytes, 0);
        rs_buf_init(&wanted, 0);
        rs_buf_init(&got, 0);
        add_hex(&bytes, only_read[i].hex);
        add_hex(&wanted, only_read[i].means);
        assert_int_equal(rs_codec_decode(L, rs_buf_data(&bytes), rs_buf_len(&bytes), IMPORT, &count), 0);
        assert_int_equal(rs_codec_encode(L, BASE + 1, BASE + count, EXPORT, &got), 0);
        assert_bytes(only_read[i].hex, &got, &wanted);
        lua_settop(L, BASE);
        rs_buf_fini(&got);
        rs_buf_fini(&wanted);
        rs_buf_fini(&bytes);
    }
}

static const struct {
    const char *hex, *text;
} refused[] = {
    {"c1", "the byte c1, which MessagePack doesn't use (at byte 0)"},
    {"01 c1", "the byte c1, which MessagePack doesn't use (at byte 1)"},
    {"cf 80 00 00 00 00 00 00 00", "an integer above 2^63-1 (at byte 0)"},
    {"91 cf ff ff ff ff ff ff ff ff", "an integer above 2^63-1 (at byte 1)"},
    {"a5 61 61", "a string or an extension is longer than what follows (at byte 0)"},
    {"db ff ff ff ff 61", "a string or an extension is longer than what follows (at byte 0)"},
    {"c6 40 00 00 01 61", "a string or an extension is longer than what follows (at byte 0)"},
    {"c9 ff ff ff ff 01 61", "a string or an extension is longer than what follows (at byte 0)"},
    {"92 01", "a table has more elements than bytes follow (at byte 0)"},
    {"dd ff ff ff ff 01", "a table has more elements than bytes follow (at byte 0)"},
    {"df ff ff ff ff 01", "a table has more elements than bytes follow (at byte 0)"},
    {"df 00 00 00 02 01 01 01", "a table has more elements than bytes follow (at byte 0)"},
    {"92 cd 01 00", "the bytes end in the middle of a value (at byte 4)"},
    {"81 c0 01", "nil or NaN as a key (at byte 1)"},
    {"81 cb 7f f8 00 00 00 00 00 00 01", "nil or NaN as a key (at byte 1)"},
    {"81 ca 7f c0 00 00 01", "nil or NaN as a key (at byte 1)"},
    {"91*201 01", "more than 200 levels (at byte 201)"},
    {"81*1 01 81*1 01 91*199 01", "more than 200 levels (at byte 203)"},
    {"d4 03 00", "a table that was not there before (at byte 0)"},
    {"80 d4 03 01", "a table that was not there before (at byte 1)"},
    {"80 d4 03 ff", "a table that was not there before (at byte 1)"},
    {"80 d4 03 c0", "a table that was not there before (at byte 1)"},
    {"80 d5 03 a1 61", "a table that was not there before (at byte 1)"},
    {"80 c7 00 03", "the bytes end in the middle of a value (at byte 1)"},
    {"80 d5 03 00 00", "an extension that is too long (at byte 1)"},
    {"80 c7 09 03 cf 00 00 00 01 00 00 00 00", "a table that was not there before (at byte 1)"},
    {"d4 04 00", "an extension that is too long (at byte 0)"},
    {"d4 05 01", "a marked table that is none (at byte 3)"},
    {"c7 00 05", "the bytes end in the middle of a value (at byte 3)"},
    {"d5 05 90 01", "an extension that is too long (at byte 3)"},
    {"d4 05 91 01", "a table has more elements than bytes follow (at byte 2)"},
    {"d4 00 01", "an unknown extension (at byte 0)"},
    {"d4 09 01", "an unknown extension (at byte 0)"},
    {"d6 ff 00 00 00 00", "an unknown extension (at byte 0)"},
    {"c7 00 01", "the bytes end in the middle of a value (at byte 3)"},
    {"d4 01 c0", "a reference without a number (at byte 3)"},
    {"c7 00 02", "the bytes end in the middle of a value (at byte 3)"},
    {"d5 02 a1 61", "a reference without a number (at byte 4)"},
    {"d5 01 01 91", "a table has more elements than bytes follow (at byte 3)"},
};

static void test_refused(void **state)
{
    lua_State *L = *state;
    for (size_t i = 0; i < COUNT(refused); i++) {
        rs_buf bytes;
        int count = -1;
        rs_buf_init(&bytes, 0);
        add_hex(&bytes, refused[i].hex);
        assert_int_equal(rs_codec_decode(L, rs_buf_data(&bytes), rs_buf_len(&bytes), IMPORT, &count), RS_EPROTO);
        assert_string_equal(lua_tostring(L, -1), refused[i].text);
        assert_int_equal(lua_gettop(L), BASE + 1);
        assert_int_equal(count, -1);
        lua_settop(L, BASE);
        rs_buf_fini(&bytes);
    }
}

static void test_references_without_hooks(void **state)
{
    lua_State *L = *state;
    int count, n = push(L, "1, object(1, 2)");
    rs_buf out;
    rs_buf_init(&out, 0);
    assert_int_equal(rs_codec_encode(L, BASE + 1, BASE + n, 0, &out), RS_EUSAGE);
    assert_string_equal(lua_tostring(L, -1), "a table with a metatable can't be sent (value 2)");
    assert_int_equal(rs_buf_len(&out), 0);
    lua_settop(L, BASE);
    assert_int_equal(rs_codec_decode(L, "\xd4\1\2", 3, 0, &count), RS_EPROTO);
    lua_settop(L, BASE);
    rs_buf_fini(&out);
}

/* Each message here is one value, so no part of it is a message. */
static const char *const corpus[] = {
    "{nil, 1, -1, 128, -129, 65536, 1.5, 'abc', ('x'):rep(40), ('y'):rep(300), true, false, null}",
    "{a = 1, b = {c = {1, 2, {}}, d = shared()}, [7] = cycle(), [1.5] = 'x'}",
    "{marked {}, marked {marked {1}, {}}, many(40), marked(many(3))}",
    "{object(1, 7, 'file', {1, 2}), object(2, 9), object(6, 'return 1', shared()), object(7, 3), object(8, {1})}",
    "{[object(1, 7)] = object(1, 8, object(1, 9, object(6)))}",
    "{('1'):rep(70):byte(1, -1)}",
};

/* At the end of an allocation, where a sanitizer sees what is read behind it. */
static int decode_exactly(lua_State *L, const char *bytes, size_t n, int *count)
{
    char *copy = malloc(n > 0 ? n : 1);
    memcpy(copy, bytes, n);
    int err = rs_codec_decode(L, copy, n, IMPORT, count);
    assert_true(err == 0 || err == RS_EPROTO);
    assert_int_equal(lua_gettop(L), BASE + (err ? 1 : *count));
    free(copy);
    return err;
}

static void encode_corpus(lua_State *L, size_t i, rs_buf *out)
{
    rs_buf_clear(out);
    assert_int_equal(push(L, corpus[i]), 1);
    assert_int_equal(rs_codec_encode(L, BASE + 1, BASE + 1, EXPORT, out), 0);
    lua_settop(L, BASE);
}

static void test_truncation(void **state)
{
    lua_State *L = *state;
    rs_buf out;
    int count;
    rs_buf_init(&out, 0);
    for (size_t i = 0; i < COUNT(corpus); i++) {
        encode_corpus(L, i, &out);
        for (size_t n = 0; n < rs_buf_len(&out); n++) {
            assert_int_equal(decode_exactly(L, rs_buf_data(&out), n, &count), n == 0 ? 0 : RS_EPROTO);
            lua_settop(L, BASE);
        }
    }
    rs_buf_fini(&out);
}

/* What a flip makes of a message is refused, or is a message. */
static void test_bit_flips(void **state)
{
    lua_State *L = *state;
    rs_buf out, again;
    int count, well = 0, bad = 0;
    rs_buf_init(&out, 0);
    rs_buf_init(&again, 0);
    for (size_t i = 0; i < COUNT(corpus); i++) {
        encode_corpus(L, i, &out);
        for (size_t bit = 0; bit < rs_buf_len(&out) * 8; bit++) {
            char *at = out.mem + out.start + bit / 8;
            *at = (char)(*at ^ 1 << bit % 8);
            if (decode_exactly(L, rs_buf_data(&out), rs_buf_len(&out), &count) == 0) {
                rs_buf_clear(&again);
                assert_int_equal(rs_codec_encode(L, BASE + 1, BASE + count, EXPORT, &again), 0);
                well++;
            } else {
                bad++;
            }
            lua_settop(L, BASE);
            *at = (char)(*at ^ 1 << bit % 8);
        }
    }
    assert_true(well > 500 && bad > 500);
    rs_buf_fini(&again);
    rs_buf_fini(&out);
}

/* Behind what is there, in a buffer of which something was consumed. */
static void test_append(void **state)
{
    lua_State *L = *state;
    rs_buf out;
    rs_buf_init(&out, 0);
    rs_buf_add_str(&out, "consumed, kept");
    rs_buf_consume(&out, 10);
    for (int i = 0; i < 3; i++) {
        push(L, "marked {1}, ('x'):rep(500)");
        assert_int_equal(rs_codec_encode(L, BASE + 1, BASE + 2, 0, &out), 0);
        lua_settop(L, BASE);
    }
    assert_int_equal(rs_buf_len(&out), 4 + 3 * (4 + 503));
    assert_memory_equal(rs_buf_data(&out), "kept\xd5\5\x91\1\xda\1\xf4xxx", 14);
    rs_buf_fini(&out);
}

/* A buffer that is too small by any number of bytes is as it was. */
static void test_full_buffer(void **state)
{
    lua_State *L = *state;
    rs_buf out;
    rs_buf_init(&out, 0);
    for (size_t i = 0; i < COUNT(corpus); i++) {
        encode_corpus(L, i, &out);
        size_t need = rs_buf_len(&out);
        push(L, corpus[i]);
        for (size_t room = 0; room < need; room++) {
            rs_buf small;
            rs_buf_init(&small, room + 4);
            rs_buf_add_str(&small, "kept");
            assert_int_equal(rs_codec_encode(L, BASE + 1, BASE + 1, EXPORT, &small), RS_ELIMIT);
            assert_non_null(strstr(lua_tostring(L, -1), "the message is too long (value 1"));
            assert_int_equal(rs_buf_len(&small), 4);
            assert_memory_equal(rs_buf_data(&small), "kept", 4);
            lua_settop(L, BASE + 1);
            rs_buf_fini(&small);
        }
        lua_settop(L, BASE);
    }
    rs_buf_fini(&out);
}

static int there_and_back(lua_State *L)
{
    rs_buf *out = lua_touserdata(L, 4);
    int count;
    lua_settop(L, BASE + 1);
    assert_int_equal(rs_codec_encode(L, BASE + 1, BASE + 1, EXPORT, out), 0);
    lua_settop(L, BASE);
    assert_int_equal(rs_codec_decode(L, rs_buf_data(out), rs_buf_len(out), IMPORT, &count), 0);
    return 0;
}

/* Without memory at any moment: Lua's error comes through, and nothing is lost (as a sanitizer sees). */
static void test_no_memory(void **state)
{
    for (size_t i = 0; i < COUNT(corpus); i++) {
        for (size_t at = 1, failed = LUA_ERRMEM; failed != LUA_OK; at++) {
            lua_State *L = new_state();
            rs_buf out;
            rs_buf_init(&out, 0);
            luaL_checkstack(L, 100, NULL);
            lua_pushcfunction(L, there_and_back);
            lua_pushvalue(L, EXPORT);
            lua_pushvalue(L, IMPORT);
            push(L, corpus[i]);
            lua_pushlightuserdata(L, &out);
            lua_gc(L, LUA_GCSTOP);
            allocations = 0;
            fail_at = at;
            failed = (size_t)lua_pcall(L, 4, 0, 0);
            fail_at = 0;
            assert_true(failed == LUA_OK || failed == LUA_ERRMEM);
            lua_close(L);
            rs_buf_fini(&out);
        }
    }
}

/* Strings of 1 GiB and one byte more, in memory that is never touched. */
static void test_longest_string(void **state)
{
    const size_t n = (size_t)RS_VALUE_LONGEST + 100;
    rs_value v;
    const char *wrong = NULL;
    char *bytes = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (bytes == MAP_FAILED)
        skip();
    memcpy(bytes, "\xdb\x40\0\0\0", 5);
    assert_ptr_equal(rs_value_read(bytes, bytes + n, &v, &wrong), bytes + 5 + RS_VALUE_LONGEST);
    bytes[4] = 1;
    assert_null(rs_value_read(bytes, bytes + n, &v, &wrong));
    assert_string_equal(wrong, "a string of more than 1 GiB");
    munmap(bytes, n);
}

/* As many values as Lua's stack can't hold. */
static void test_too_many_values(void **state)
{
    lua_State *L = *state;
    const size_t n = 3 * 1000 * 1000;
    char *bytes = malloc(n);
    int count;
    memset(bytes, 1, n);
    assert_int_equal(rs_codec_decode(L, bytes, n, IMPORT, &count), RS_EPROTO);
    assert_string_equal(lua_tostring(L, -1), "a message of 3000000 values is too long");
    lua_settop(L, BASE);
    memcpy(bytes, "\xc9\0\x2d\xc6\xba\6", 6); /* all of it as one payload */
    assert_int_equal(rs_codec_decode(L, bytes, n, IMPORT, &count), RS_EPROTO);
    assert_string_equal(lua_tostring(L, -1), "Lua's stack is full");
    lua_settop(L, BASE);
    free(bytes);
}

/* One value more than a message may have: bytes of it, and a hook that gives 500,000 for each of 34 objects. */
static void test_most_values(void **state)
{
    lua_State *L = *state;
    const size_t n = RS_VALUE_MOST + 5;
    char *bytes = malloc(n);
    int count;
    rs_buf out;
    memset(bytes, 0xc0, n);
    memcpy(bytes, "\xdd\1\0\0\0", 5); /* the array is a value, too */
    assert_int_equal(rs_codec_decode(L, bytes, n, IMPORT, &count), RS_EPROTO);
    assert_string_equal(lua_tostring(L, -1), "more than 16,777,216 values (at byte 16777220)");
    free(bytes);
    lua_settop(L, BASE);
    rs_buf_init(&out, 0);
    push(L, "(function() local t, o = {}, {6} for i = 2, 500001 do o[i] = true end\n"
            "o.n = #o for i = 1, 34 do t[i] = setmetatable(o, class) end return t end)()");
    assert_int_equal(rs_codec_encode(L, BASE + 1, BASE + 1, EXPORT, &out), RS_ELIMIT);
    assert_string_equal(lua_tostring(L, -1), "more than 16,777,216 values can't be sent (value 1, at [34])");
    assert_int_equal(rs_buf_len(&out), 0);
    lua_settop(L, BASE);
    rs_buf_fini(&out);
}

/* A map of n keys, each of which a function of its position. */
static void add_map(rs_buf *to, unsigned n, unsigned char kind, uint64_t key(uint64_t))
{
    char bytes[9] = {(char)0xdf};
    rs_put32(bytes + 1, n);
    rs_buf_add(to, bytes, 5);
    for (unsigned i = 1; i <= n; i++) {
        bytes[0] = (char)kind;
        rs_put64(bytes + 1, key(i));
        rs_buf_add(to, bytes, 9);
        rs_buf_add_char(to, (char)0xc3);
    }
}

enum { KEYS = 65536 };

static uint64_t in_a_row(uint64_t i)
{
    return i;
}

static uint64_t pages(uint64_t i)
{
    return i * 4096;
}

static uint64_t of_few_places(uint64_t i)
{
    return i * 255;
}

static uint64_t negative(uint64_t i)
{
    return 0 - i * 7;
}

static uint64_t any(uint64_t i)
{
    return unit_random(&i) >> 2;
}

static uint64_t of_one_place(uint64_t i)
{
    return i * (KEYS - 1);
}

static uint64_t whole_of_one_place(uint64_t i)
{
    double x = (double)(i * (KEYS - 1));
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* Floats that differ in their last bits. */
static uint64_t nearly_same(uint64_t i)
{
    return 0x3ff8000000000000 + i;
}

static const struct {
    const char *name;
    uint64_t (*key)(uint64_t i);
    unsigned char kind;
    bool refused;
} keys[] = {
    {"1 to n", in_a_row, 0xcf, false},
    {"multiples of 4096", pages, 0xcf, false},
    {"257 places", of_few_places, 0xcf, false},
    {"below 0", negative, 0xd3, false},
    {"any", any, 0xcf, false},
    {"any floats", any, 0xcb, false},
    {"one place", of_one_place, 0xcf, true},
    {"whole floats", whole_of_one_place, 0xcb, true},
    {"floats", nearly_same, 0xcb, true},
};

/* Keys that are made to fall into one place of Lua's table would keep us busy for seconds. */
static void test_keys_that_collide(void **state)
{
    lua_State *L = *state;
    for (size_t i = 0; i < COUNT(keys); i++) {
        rs_buf bytes;
        int count;
        rs_buf_init(&bytes, 0);
        add_map(&bytes, KEYS, keys[i].kind, keys[i].key);
        int err = rs_codec_decode(L, rs_buf_data(&bytes), rs_buf_len(&bytes), IMPORT, &count);
        if (keys[i].refused) {
            assert_int_equal(err, RS_EPROTO);
            assert_non_null(strstr(lua_tostring(L, -1), "too many keys that collide (at byte "));
        } else if (err != 0) {
            fail_msg("%s: %s", keys[i].name, lua_tostring(L, -1));
        }
        lua_settop(L, BASE);
        rs_buf_fini(&bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_both_ways, setup, teardown),
        cmocka_unit_test_setup_teardown(test_aside, setup, teardown),
        cmocka_unit_test_setup_teardown(test_only_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_references_without_hooks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_truncation, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bit_flips, setup, teardown),
        cmocka_unit_test_setup_teardown(test_append, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_buffer, setup, teardown),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_longest_string),
        cmocka_unit_test_setup_teardown(test_too_many_values, setup, teardown),
        cmocka_unit_test_setup_teardown(test_most_values, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keys_that_collide, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
