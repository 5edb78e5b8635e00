#include "squeeze.h"

#include <stdbool.h>
#include <string.h>

typedef struct squeezer {
    const char *in, *end;
    char *start, *out;
    bool blank; /* there was one, and it is not written yet */
} squeezer;

static void copy(squeezer *s, size_t n)
{
    memcpy(s->out, s->in, n);
    s->in += n;
    s->out += n;
}

/* How long the opening long bracket at p is, such as [==[; 0 where there is none. */
static size_t long_bracket(const squeezer *s, const char *p)
{
    const char *q = p;
    if (q == s->end || *q++ != '[')
        return 0;
    while (q < s->end && *q == '=')
        q++;
    return q < s->end && *q == '[' ? (size_t)(q - p) + 1 : 0;
}

/* How many bytes the long bracket at p takes, up to its other end; len is what long_bracket gave. */
static size_t long_text(const squeezer *s, const char *p, size_t len)
{
    const char *q = p + len;
    for (; q + len <= s->end; q++)
        if (q[0] == ']' && q[len - 1] == ']' && !memcmp(q + 1, p + 1, len - 2))
            return (size_t)(q - p) + len;
    return (size_t)(s->end - p);
}

static size_t short_text(const squeezer *s)
{
    const char *q = s->in + 1;
    while (q < s->end && *q != *s->in)
        q += *q == '\\' && q + 1 < s->end ? 2 : 1;
    return (size_t)(q - s->in) + (q < s->end);
}

/* A comment counts as a blank, and the line breaks in it stay. */
static void skip_comment(squeezer *s)
{
    size_t len = long_bracket(s, s->in + 2);
    const char *newline = memchr(s->in, '\n', (size_t)(s->end - s->in));
    const char *to = len ? s->in + 2 + long_text(s, s->in + 2, len) : newline ? newline : s->end;
    for (; s->in < to; s->in++)
        if (*s->in == '\n')
            *s->out++ = '\n';
    s->blank = true;
}

/* Nothing that stands beside these runs together with them. */
static bool stands_alone(char c)
{
    return strchr(",(){};+*%\n", c) != NULL;
}

static void write_blank(squeezer *s)
{
    if (s->blank && s->out > s->start && !stands_alone(s->out[-1]) && !stands_alone(*s->in))
        *s->out++ = ' ';
    s->blank = false;
}

static void token(squeezer *s)
{
    size_t len = long_bracket(s, s->in);
    write_blank(s);
    if (len)
        copy(s, long_text(s, s->in, len));
    else if (*s->in == '"' || *s->in == '\'')
        copy(s, short_text(s));
    else
        copy(s, 1);
}

size_t squeeze(char *out, const char *text, size_t n)
{
    squeezer s = {.in = text, .end = text + n};
    s.start = s.out = out;
    while (s.in < s.end) {
        if (*s.in == ' ' || *s.in == '\t' || *s.in == '\r') {
            s.blank = true;
            s.in++;
        } else if (s.end - s.in > 1 && s.in[0] == '-' && s.in[1] == '-') {
            skip_comment(&s);
        } else {
            token(&s);
        }
    }
    return (size_t)(s.out - s.start);
}
