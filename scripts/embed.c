/* Compiles Lua modules to bytecode and writes them as the C table that src/base/embedded.h declares.
 *
 *     embed [--source] OUT.c DEPFILE PREFIX=DIR|MODULE=FILE ...
 *
 * DIR/a/b.lua becomes the module PREFIX.a.b, DIR/init.lua the module PREFIX; a FILE becomes the one MODULE. The bytecode keeps its debug information,
 * and its chunk is named after the module, so a traceback of an installed program reads like one of the source tree.
 *
 * With --source it is the source, squeezed: compressed it is half as large as bytecode, and takes ten times as long to load.
 *
 * The depfile names the folders too: a file that comes or goes touches its folder, and ninja runs us again. */
#include <dirent.h>
#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "squeeze.h"

/* Stack of the one Lua state: NAMES is a set of the modules written so far, ROWS the list of their lines in the table. */
enum { NAMES = 1, ROWS = 2 };

typedef struct embed {
    lua_State *L;
    FILE *out;
    FILE *deps;
    bool source;
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

static void write_bytes(embed *e, const char *data, size_t n)
{
    for (size_t i = 0; i < n; i++)
        fprintf(e->out, "%d,%s", (unsigned char)data[i], (i + 1) % 32 ? "" : "\n");
}

/* Pushes the file's text. */
static void read_file(embed *e, const char *path)
{
    FILE *f = open_or_die(path, "r");
    luaL_Buffer text;
    luaL_buffinit(e->L, &text);
    size_t n;
    do {
        n = fread(luaL_prepbuffer(&text), 1, LUAL_BUFFERSIZE, f);
        luaL_addsize(&text, n);
    } while (n > 0);
    if (ferror(f))
        die("embed: %s: %s", path, strerror(errno));
    fclose(f);
    luaL_pushresult(&text);
}

/* Pushes the bytecode of the text on top. A syntax error is told with the file's real name. */
static void compile(embed *e, const char *path, const char *chunk)
{
    size_t n;
    const char *text = lua_tolstring(e->L, -1, &n);
    lua_getglobal(e->L, "string");
    lua_getfield(e->L, -1, "dump");
    if (luaL_loadbufferx(e->L, text, n, lua_pushfstring(e->L, "@%s", path), "t") != LUA_OK)
        die("%s", lua_tostring(e->L, -1));
    lua_pop(e->L, 2);
    if (luaL_loadbufferx(e->L, text, n, chunk, "t") != LUA_OK)
        die("embed: %s: %s", path, lua_tostring(e->L, -1));
    lua_call(e->L, 1, 1);
    lua_replace(e->L, -2);
}

/* Replaces the text on top, whose bytecode is code, by the same without what only readers need. */
static void squeeze_text(embed *e, const char *path, const char *chunk)
{
    size_t n;
    const char *text = lua_tolstring(e->L, -2, &n);
    luaL_Buffer squeezed;
    char *out = luaL_buffinitsize(e->L, &squeezed, n);
    luaL_pushresultsize(&squeezed, squeeze(out, text, n));
    compile(e, path, chunk);
    if (!lua_rawequal(e->L, -1, -3))
        die("embed: %s: squeezing it changes what it means", path);
    lua_pop(e->L, 1);
    lua_replace(e->L, -2);
}

static void add_module(embed *e, const char *path, const char *module, bool init)
{
    int top = lua_gettop(e->L);
    if (lua_getfield(e->L, NAMES, module) != LUA_TNIL)
        die("embed: %s: there is another file for the module %s", path, module);
    const char *base = luaL_gsub(e->L, module, ".", "/");
    const char *chunk = lua_pushfstring(e->L, "@%s%s.lua", base, init ? "/init" : "");
    read_file(e, path);
    compile(e, path, chunk);
    if (e->source)
        squeeze_text(e, path, chunk);

    size_t n;
    const char *data = lua_tolstring(e->L, -1, &n);
    int i = (int)luaL_len(e->L, ROWS) + 1;
    fprintf(e->out, "static const unsigned char module_%d[] = {\n", i);
    write_bytes(e, data, n);
    fputs("};\n", e->out);

    lua_pushboolean(e->L, true);
    lua_setfield(e->L, NAMES, module);
    lua_pushfstring(e->L, "    {\"%s\", \"%s\", module_%d, %d},\n", module, chunk, i, (int)n);
    lua_seti(e->L, ROWS, i);
    lua_settop(e->L, top);
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
    for (lua_Integer i = 1; lua_geti(e->L, ROWS, i) != LUA_TNIL; i++) {
        fputs(lua_tostring(e->L, -1), e->out);
        lua_pop(e->L, 1);
    }
    lua_pop(e->L, 1);
    fputs("    {0},\n};\n", e->out);
}

int main(int argc, char **argv)
{
    bool source = argc > 1 && !strcmp(argv[1], "--source");
    argv += source;
    argc -= source;
    if (argc < 4)
        die("usage: embed [--source] OUT.c DEPFILE PREFIX=DIR|MODULE=FILE ...");
    embed e = {
        .L = luaL_newstate(), .source = source, .out = open_or_die(argv[1], "w"), .deps = open_or_die(argv[2], "w")};
    if (!e.L)
        die("embed: out of memory");
    luaL_openlibs(e.L);
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
