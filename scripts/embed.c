/* Compiles Lua modules to bytecode and writes them as the C table that src/base/embedded.h declares.
 *
 *     embed OUT.c DEPFILE PREFIX=DIR|MODULE=FILE ...
 *
 * DIR/a/b.lua becomes the module PREFIX.a.b, DIR/init.lua the module PREFIX; a FILE becomes the one MODULE. The bytecode keeps its debug information,
 * and its chunk is named after the module, so a traceback of an installed program reads like one of the source tree.
 *
 * The depfile names the folders too: a file that comes or goes touches its folder, and ninja runs us again. */
#include <dirent.h>
#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Stack of the one Lua state: NAMES is the list of modules written so far (and a set of them: name -> true), SIZES the
 * number of bytes of each. */
enum { NAMES = 1, SIZES = 2 };

typedef struct embed {
    lua_State *L;
    FILE *out;
    FILE *deps;
    size_t written; /* bytes of the current module */
} embed;

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(1);
}

static FILE *open_or_die(const char *path, const char *mode)
{
    FILE *f = fopen(path, mode);
    if (!f)
        die("embed: %s: %s", path, strerror(errno));
    return f;
}

static void close_or_die(FILE *f, const char *path)
{
    if (ferror(f) | fclose(f))
        die("embed: %s: could not be written", path);
}

static void add_dep(embed *e, const char *path)
{
    fputs(" \\\n ", e->deps);
    for (; *path; path++) {
        if (strchr(" #\\", *path))
            fputc('\\', e->deps);
        else if (*path == '$')
            fputc('$', e->deps);
        fputc(*path, e->deps);
    }
}

static const char *read_block(lua_State *L, void *user, size_t *n)
{
    static char block[BUFSIZ];
    *n = fread(block, 1, sizeof block, user);
    return *n ? block : NULL;
}

static int write_bytes(lua_State *L, const void *data, size_t n, void *user)
{
    embed *e = user;
    const unsigned char *p = data;
    for (size_t i = 0; i < n; i++)
        fprintf(e->out, "%d,%s", p[i], ++e->written % 32 ? "" : "\n");
    return 0;
}

/* Pushes the compiled file. */
static void compile(embed *e, const char *path, const char *module, bool init)
{
    /* First under its real name, for the message of a syntax error. */
    if (luaL_loadfilex(e->L, path, "t") != LUA_OK)
        die("%s", lua_tostring(e->L, -1));
    lua_pop(e->L, 1);

    const char *base = luaL_gsub(e->L, module, ".", "/");
    const char *chunk = lua_pushfstring(e->L, "@%s%s.lua", base, init ? "/init" : "");
    FILE *f = open_or_die(path, "r");
    if (lua_load(e->L, read_block, f, chunk, "t") != LUA_OK)
        die("embed: %s: %s", path, lua_tostring(e->L, -1));
    fclose(f);
    lua_replace(e->L, -3);
    lua_pop(e->L, 1);
}

static void add_module(embed *e, const char *path, const char *module, bool init)
{
    if (lua_getfield(e->L, NAMES, module) != LUA_TNIL)
        die("embed: %s: there is another file for the module %s", path, module);
    lua_pop(e->L, 1);

    lua_Integer i = luaL_len(e->L, NAMES) + 1;
    compile(e, path, module, init);
    fprintf(e->out, "static const unsigned char module_%d[] = {\n", (int)i);
    e->written = 0;
    lua_dump(e->L, write_bytes, e, false);
    fputs("};\n", e->out);
    lua_pop(e->L, 1);

    lua_pushboolean(e->L, true);
    lua_setfield(e->L, NAMES, module);
    lua_pushstring(e->L, module);
    lua_seti(e->L, NAMES, i);
    lua_pushinteger(e->L, (lua_Integer)e->written);
    lua_seti(e->L, SIZES, i);
}

static bool is_folder(const char *path)
{
    struct stat st;
    return !stat(path, &st) && S_ISDIR(st.st_mode);
}

static int is_visible(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

static void add_folder(embed *e, const char *dir, const char *prefix)
{
    struct dirent **entries;
    int n = scandir(dir, &entries, is_visible, alphasort);
    if (n < 0)
        die("embed: %s: %s", dir, strerror(errno));
    add_dep(e, dir);
    for (int i = 0; i < n; i++) {
        int top = lua_gettop(e->L);
        const char *name = entries[i]->d_name;
        const char *path = lua_pushfstring(e->L, "%s/%s", dir, name);
        size_t len = strlen(name);
        bool lua = len > 4 && !strcmp(name + len - 4, ".lua");
        if (lua) {
            bool init = !strcmp(name, "init.lua");
            lua_pushlstring(e->L, name, len - 4);
            const char *module = init ? prefix : lua_pushfstring(e->L, "%s.%s", prefix, lua_tostring(e->L, -1));
            add_dep(e, path);
            add_module(e, path, module, init);
        } else if (is_folder(path)) {
            add_folder(e, path, lua_pushfstring(e->L, "%s.%s", prefix, name));
        }
        free(entries[i]);
        lua_settop(e->L, top);
    }
    free(entries);
}

static void add(embed *e, const char *path, const char *name)
{
    if (is_folder(path)) {
        add_folder(e, path, name);
        return;
    }
    add_dep(e, path);
    add_module(e, path, name, false);
}

static void write_table(embed *e)
{
    fputs("const rs_embedded rs_embedded_modules[] = {\n", e->out);
    for (lua_Integer i = 1; lua_geti(e->L, NAMES, i) != LUA_TNIL; i++) {
        lua_geti(e->L, SIZES, i);
        fprintf(e->out, "    {\"%s\", module_%d, %d},\n", lua_tostring(e->L, -2), (int)i, (int)lua_tointeger(e->L, -1));
        lua_pop(e->L, 2);
    }
    lua_pop(e->L, 1);
    fputs("    {0},\n};\n", e->out);
}

int main(int argc, char **argv)
{
    if (argc < 4)
        die("usage: embed OUT.c DEPFILE PREFIX=DIR|MODULE=FILE ...");
    embed e = {.L = luaL_newstate(), .out = open_or_die(argv[1], "w"), .deps = open_or_die(argv[2], "w")};
    if (!e.L)
        die("embed: out of memory");
    lua_newtable(e.L);
    lua_newtable(e.L);
    fputs("/* Written by scripts/embed.c. */\n#include \"base/embedded.h\"\n\n", e.out);
    fprintf(e.deps, "%s:", argv[1]);
    for (int i = 3; i < argc; i++) {
        char *path = strchr(argv[i], '=');
        if (!path)
            die("embed: %s: no NAME=PATH", argv[i]);
        *path++ = '\0';
        add(&e, path, argv[i]);
    }
    write_table(&e);
    fputc('\n', e.deps);
    close_or_die(e.out, argv[1]);
    close_or_die(e.deps, argv[2]);
    lua_close(e.L);
    return 0;
}
