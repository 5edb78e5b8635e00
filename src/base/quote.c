#include "base/quote.h"

#include <stdbool.h>
#include <string.h>

#include "base/err.h"

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Bytes that mean themselves anywhere in a word, in every sh. '~', '#' and '^' would do in most places only. */
static bool is_plain(char c)
{
    return is_alpha(c) || is_digit(c) || (c && strchr("./:=,+@%-", c));
}

/* NAME=... is an assignment where a command begins. */
static bool is_assignment(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n && (is_alpha(s[i]) || (i > 0 && is_digit(s[i]))))
        i++;
    return i > 0 && i < n && (s[i] == '=' || (s[i] == '+' && i + 1 < n && s[i + 1] == '='));
}

/* What POSIX and the shells that serve as sh take for grammar where a command begins. */
static bool is_reserved(const char *s, size_t n)
{
    static const char *const words[] = {
        "case", "do",   "done",  "elif",  "else",     "esac",   "fi",   "for",    "if",
        "in",   "then", "until", "while", "function", "select", "time", "coproc",
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i]) == n && memcmp(words[i], s, n) == 0)
            return true;
    return false;
}

static bool needs_quotes(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!is_plain(s[i]))
            return true;
    return n == 0 || is_assignment(s, n) || is_reserved(s, n);
}

static size_t count(const char *s, size_t n, char c)
{
    size_t found = 0;
    for (size_t i = 0; i < n; i++)
        found += s[i] == c;
    return found;
}

int rs_quote_word(rs_buf *out, const char *s, size_t n)
{
    char *to;
    if (memchr(s, '\0', n))
        return RS_EUSAGE;
    if (!needs_quotes(s, n))
        return rs_buf_add(out, s, n);
    size_t len = n + 2 + 3 * count(s, n, '\'');
    int err = rs_buf_reserve(out, len, &to);
    if (err)
        return err;
    *to++ = '\'';
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '\'') {
            memcpy(to, "'\\'", 3);
            to += 3;
        }
        *to++ = s[i];
    }
    *to = '\'';
    rs_buf_commit(out, len);
    return 0;
}

/* One pass over the text. Each take_ function stands on the byte that chose it, adds what it means to word and leaves
 * pos behind it; RS_EPARSE leaves pos where it was. */
struct split {
    const char *text;
    size_t n, pos;
    rs_buf word;
};

static int take_single(struct split *s)
{
    const char *first = s->text + s->pos + 1;
    const char *end = memchr(first, '\'', s->n - s->pos - 1);
    if (!end)
        return RS_EPARSE;
    s->pos += (size_t)(end - first) + 2;
    return rs_buf_add(&s->word, first, (size_t)(end - first));
}

/* In double quotes a backslash is itself before most bytes. */
static bool escapes(char c, bool quoted)
{
    return !quoted || (c && strchr("$`\"\\\n", c));
}

/* A backslash and a newline are both gone, in and outside double quotes. */
static int take_escape(struct split *s, bool quoted)
{
    if (s->pos + 1 >= s->n)
        return RS_EPARSE;
    char c = s->text[s->pos + 1];
    int err = escapes(c, quoted) ? 0 : rs_buf_add_char(&s->word, '\\');
    if (!err && c != '\n')
        err = rs_buf_add_char(&s->word, c);
    s->pos += 2;
    return err;
}

static int take_double(struct split *s)
{
    size_t open = s->pos++;
    int err = 0;
    while (!err && s->pos < s->n && s->text[s->pos] != '"') {
        if (s->text[s->pos] == '\\')
            err = take_escape(s, true);
        else
            err = rs_buf_add_char(&s->word, s->text[s->pos++]);
    }
    if (!err && s->pos >= s->n)
        err = RS_EPARSE;
    s->pos = err == RS_EPARSE ? open : s->pos + 1;
    return err;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

static void skip_blanks(struct split *s)
{
    for (; s->pos < s->n; s->pos++) {
        if (s->text[s->pos] == '#')
            while (s->pos + 1 < s->n && s->text[s->pos + 1] != '\n')
                s->pos++;
        else if (s->text[s->pos] == '\\' && s->pos + 1 < s->n && s->text[s->pos + 1] == '\n')
            s->pos++;
        else if (!is_blank(s->text[s->pos]))
            return;
    }
}

static int take_word(struct split *s)
{
    int err = 0;
    while (!err && s->pos < s->n && !is_blank(s->text[s->pos])) {
        switch (s->text[s->pos]) {
        case '\'': err = take_single(s); break;
        case '"': err = take_double(s); break;
        case '\\': err = take_escape(s, false); break;
        default: err = rs_buf_add_char(&s->word, s->text[s->pos++]);
        }
    }
    return err;
}

int rs_quote_split(const char *text, size_t n, rs_quote_add *add, void *user, size_t *where)
{
    struct split s = {.text = text, .n = n};
    int err = 0;
    rs_buf_init(&s.word, 0);
    for (skip_blanks(&s); !err && s.pos < n; skip_blanks(&s)) {
        rs_buf_clear(&s.word);
        err = take_word(&s);
        if (!err)
            err = add(user, rs_buf_data(&s.word), rs_buf_len(&s.word));
    }
    if (err == RS_EPARSE && where)
        *where = s.pos;
    rs_buf_fini(&s.word);
    return err < 0 ? err : 0;
}
