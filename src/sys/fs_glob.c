#include "sys/fs_glob.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/utf8.h"

enum { PARTS_MAX = 62 }; /* a set has a bit for each and one for the end */

struct part {
    char *text; /* without backslashes where it is plain */
    bool plain; /* no wildcard in it */
    bool any;   /* ** */
};

struct rs_glob {
    struct part parts[PARTS_MAX];
    int n;
    bool absolute, wants_folder;
};

/* The next character, and moves on; a byte that isn't UTF-8 is a character above all others. */
static uint32_t take(const char **s)
{
    uint32_t c;
    size_t n = rs_utf8_next(*s, strnlen(*s, 4), &c);
    if (n == 0) {
        c = 0x110000u + (unsigned char)**s;
        n = 1;
    }
    *s += n;
    return c;
}

/* A member of a set in brackets: a backslash makes the next character plain. */
static uint32_t take_member(const char **p)
{
    if (**p == '\\' && (*p)[1])
        (*p)++;
    return take(p);
}

/* p is behind "[". Moves it behind "]" and tells whether c is in the set; -1 when there is no "]". */
static int in_brackets(const char **p, uint32_t c)
{
    const char *at = *p;
    bool negated = *at == '!' || *at == '^', found = false;
    at += negated;
    for (bool first = true; first || *at != ']'; first = false) {
        if (!*at)
            return -1;
        uint32_t low = take_member(&at), high = low;
        if (at[0] == '-' && at[1] && at[1] != ']') {
            at++;
            high = take_member(&at);
        }
        found |= low <= c && c <= high;
    }
    *p = at + 1;
    return found != negated;
}

/* One character of the pattern that isn't a star against one of the name; moves both on when they agree. */
static bool match_one(const char **p, const char **s)
{
    const char *pat = *p, *name = *s;
    uint32_t c = take(&name);
    bool ok;
    int in = -1;
    if (*pat == '[') {
        const char *set = pat + 1;
        in = in_brackets(&set, c);
        if (in >= 0)
            pat = set;
    }
    if (in >= 0) {
        ok = in;
    } else if (*pat == '?') {
        ok = true;
        pat++;
    } else {
        ok = take_member(&pat) == c;
    }
    if (ok) {
        *p = pat;
        *s = name;
    }
    return ok;
}

static bool is_hidden(const char *name)
{
    return name[0] == '.';
}

static bool starts_with_dot(const char *pattern)
{
    return pattern[pattern[0] == '\\'] == '.';
}

bool rs_glob_match_name(const char *p, const char *s)
{
    const char *star = NULL, *retry = NULL; /* behind the last star, and where what it swallows ends */
    if (is_hidden(s) && !starts_with_dot(p))
        return false;
    while (*s) {
        if (*p == '*') {
            star = ++p;
            retry = s;
        } else if (!*p || !match_one(&p, &s)) {
            if (!star)
                return false;
            take(&retry);
            p = star;
            s = retry;
        }
    }
    while (*p == '*')
        p++;
    return !*p;
}

static void unescape(char *s)
{
    char *to = s;
    for (; *s; s++) {
        if (*s == '\\' && s[1])
            s++;
        *to++ = *s;
    }
    *to = 0;
}

static bool has_wildcard(const char *s)
{
    for (; *s; s++) {
        if (*s == '\\' && s[1])
            s++;
        else if (strchr("*?[", *s))
            return true;
    }
    return false;
}

static int add_part(rs_glob *g, const char *text, size_t n)
{
    struct part *last = g->n ? &g->parts[g->n - 1] : NULL;
    bool any = n == 2 && memcmp(text, "**", 2) == 0;
    if (n == 0 || (n == 1 && *text == '.') || (any && last && last->any))
        return 0;
    if (g->n == PARTS_MAX)
        return RS_ELIMIT;
    char *copy = strndup(text, n);
    if (!copy)
        return -ENOMEM;
    bool plain = !has_wildcard(copy);
    if (plain)
        unescape(copy);
    g->parts[g->n++] = (struct part){copy, plain, any};
    return 0;
}

int rs_glob_new(rs_glob **out, const char *pattern)
{
    rs_glob *g = calloc(1, sizeof *g);
    if (!g)
        return -ENOMEM;
    g->absolute = pattern[0] == '/';
    int err = 0;
    for (const char *at = pattern; !err && *at;) {
        size_t n = strcspn(at, "/");
        err = add_part(g, at, n);
        at += n;
        g->wants_folder = *at == '/';
        at += g->wants_folder;
    }
    if (err)
        rs_glob_free(g);
    else
        *out = g;
    return err;
}

void rs_glob_free(rs_glob *g)
{
    if (!g)
        return;
    for (int i = 0; i < g->n; i++)
        free(g->parts[i].text);
    free(g);
}

bool rs_glob_is_absolute(const rs_glob *g)
{
    return g->absolute;
}

bool rs_glob_wants_folder(const rs_glob *g)
{
    return g->wants_folder;
}

static rs_glob_set bit(int i)
{
    return (rs_glob_set)1 << i;
}

/* ** may stand for no folder at all, except at the end, where it is what is found. */
static rs_glob_set skip_any(const rs_glob *g, rs_glob_set set)
{
    for (int i = 0; i + 1 < g->n; i++)
        if ((set & bit(i)) && g->parts[i].any)
            set |= bit(i + 1);
    return set;
}

rs_glob_set rs_glob_start(const rs_glob *g)
{
    return skip_any(g, bit(0));
}

static bool part_matches(const struct part *part, const char *name)
{
    return part->plain ? strcmp(part->text, name) == 0 : rs_glob_match_name(part->text, name);
}

rs_glob_set rs_glob_step(const rs_glob *g, rs_glob_set set, const char *name, bool folder)
{
    rs_glob_set out = 0;
    for (int i = 0; i < g->n; i++) {
        const struct part *part = &g->parts[i];
        if (!(set & bit(i)))
            continue;
        if (!part->any)
            out |= part_matches(part, name) ? bit(i + 1) : 0;
        else if (!is_hidden(name))
            out |= (folder ? bit(i) : 0) | (i + 1 == g->n ? bit(g->n) : 0);
    }
    return skip_any(g, out);
}

bool rs_glob_is_match(const rs_glob *g, rs_glob_set set)
{
    return set & bit(g->n);
}

rs_glob_set rs_glob_below(const rs_glob *g, rs_glob_set set)
{
    return set & ~bit(g->n);
}

bool rs_glob_is_plain(const rs_glob *g, rs_glob_set set)
{
    for (int i = 0; i < g->n; i++)
        if ((set & bit(i)) && !g->parts[i].plain)
            return false;
    return true;
}

int rs_glob_each_plain(const rs_glob *g, rs_glob_set set, rs_glob_add *add, void *user)
{
    for (int i = 0; i < g->n; i++) {
        int err = (set & bit(i)) && g->parts[i].plain ? add(user, g->parts[i].text) : 0;
        if (err)
            return err;
    }
    return 0;
}

/* The name of n bytes at s as a string of its own: names are short, but paths are not. */
static char *part_of(const char *s, size_t n, char *mem, size_t size)
{
    char *name = n < size ? mem : malloc(n + 1);
    if (name) {
        memcpy(name, s, n);
        name[n] = 0;
    }
    return name;
}

/* Whether the parts from path on match, all of them. */
static bool match_from(const rs_glob *g, const char *path)
{
    rs_glob_set set = rs_glob_start(g);
    char mem[256];
    while (set && *(path += strspn(path, "/"))) {
        size_t n = strcspn(path, "/");
        char *name = part_of(path, n, mem, sizeof mem);
        set = name ? rs_glob_step(g, set, name, true) : 0;
        if (name != mem)
            free(name);
        path += n;
    }
    return rs_glob_is_match(g, set);
}

bool rs_glob_match_path(const rs_glob *g, const char *path)
{
    if (g->absolute)
        return path[0] == '/' && match_from(g, path);
    while (*(path += strspn(path, "/"))) {
        if (match_from(g, path))
            return true;
        path += strcspn(path, "/");
    }
    return false;
}
