#include "unit.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>

#include "wire/codec_bulk.h"

enum { KIB = 1024, MIB = 1024 * KIB, ALLOWED = 16 * MIB };

/* A live set of some 3 MB, as a program's modules are, and a count of the collector's rounds: each drops the sentry, which
 * makes the next one. */
static const char PRELUDE[] = "live, rounds = {}, 0\n"
                              "for i = 1, 40000 do live[i] = {i} end\n"
                              "local mt = {}\n"
                              "function mt.__gc() rounds = rounds + 1 setmetatable({}, mt) end\n"
                              "collectgarbage()\n"
                              "setmetatable({}, mt)\n";

static char bytes[MIB];

static lua_State *new_state(size_t allowed)
{
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    rs_bulk_allow(allowed);
    assert_int_equal(luaL_dostring(L, PRELUDE), LUA_OK);
    return L;
}

static long count(lua_State *L)
{
    return (long)lua_gc(L, LUA_GCCOUNT) * KIB;
}

/* So many strings that are dropped at once. The most that Lua had meanwhile. */
static long stream(lua_State *L, size_t n, int times)
{
    long most = 0;
    for (int i = 0; i < times; i++) {
        bytes[0] = (char)i;
        rs_bulk_push(L, bytes, n);
        lua_pop(L, 1);
        most = count(L) > most ? count(L) : most;
    }
    return most;
}

static lua_Integer rounds(lua_State *L)
{
    lua_getglobal(L, "rounds");
    lua_Integer n = lua_tointeger(L, -1);
    lua_pop(L, 1);
    return n;
}

static lua_Integer rounds_of(size_t allowed, size_t n, int times)
{
    lua_State *L = new_state(allowed);
    stream(L, n, times);
    lua_Integer took = rounds(L);
    lua_close(L);
    return took;
}

/* 256 MiB, in pieces as streams bring them. */
static void test_fewer_rounds(void **state)
{
    (void)state;
    static const size_t sizes[] = {4 * KIB, 64 * KIB, MIB};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        int times = (int)(256 * (size_t)MIB / sizes[i]);
        lua_Integer plain = rounds_of(0, sizes[i], times), took = rounds_of(ALLOWED, sizes[i], times);
        assert_in_range(took, 256 / 20, 256 / 12);
        assert_true(plain > 2 * took);
    }
}

static void test_what_may_wait(void **state)
{
    (void)state;
    static const size_t sizes[] = {4 * KIB, 64 * KIB, MIB};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        lua_State *L = new_state(ALLOWED);
        long live = count(L), most = stream(L, sizes[i], (int)(128 * (size_t)MIB / sizes[i]));
        assert_in_range(most, ALLOWED - 2 * MIB, ALLOWED + live + 2 * MIB);
        lua_close(L);
    }
}

/* Who has small garbage only, or more data than may wait, has what it always had. */
static void test_as_always(void **state)
{
    (void)state;
    assert_int_equal(rounds_of(ALLOWED, 2 * KIB, 32 * KIB), rounds_of(0, 2 * KIB, 32 * KIB));
    assert_int_equal(rounds_of(ALLOWED / 16, MIB, 64), rounds_of(0, MIB, 64));
}

static void test_stopped(void **state)
{
    (void)state;
    lua_State *L = new_state(ALLOWED);
    lua_gc(L, LUA_GCSTOP);
    stream(L, 64 * KIB, 1024);
    assert_int_equal(rounds(L), 0);
    lua_gc(L, LUA_GCRESTART);
    stream(L, 64 * KIB, 1024);
    assert_true(rounds(L) > 0);
    lua_close(L);
}

/* In a finaliser the collector can be told nothing. */
static int push_long(lua_State *L)
{
    rs_bulk_push(L, bytes, 64 * KIB);
    return 0;
}

static void test_in_a_finaliser(void **state)
{
    (void)state;
    lua_State *L = new_state(ALLOWED);
    lua_register(L, "push_long", push_long);
    assert_int_equal(luaL_dostring(L, "setmetatable({}, {__gc = push_long}) collectgarbage()"), LUA_OK);
    lua_close(L);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fewer_rounds), cmocka_unit_test(test_what_may_wait),  cmocka_unit_test(test_as_always),
        cmocka_unit_test(test_stopped),      cmocka_unit_test(test_in_a_finaliser),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
