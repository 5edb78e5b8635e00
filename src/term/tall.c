#include "term/tall.h"

#include <string.h>

#include "base/width.h"

enum { TAB = 8, MOST_BYTES = 8192 }; /* of a line that is drawn; the rest is beyond any window */

struct line {
    char text[MOST_BYTES + TAB]; /* with blanks for tabs, without control characters */
    size_t bytes;
};

/* The first n bytes of s as they are shown. */
static void expand(struct line *l, const char *s, size_t n)
{
    l->bytes = 0;
    for (size_t i = 0; i < n && l->bytes < MOST_BYTES; i++) {
        if (s[i] == '\t') {
            size_t blanks = TAB - rs_width_of(l->text, l->bytes) % TAB;
            memset(l->text + l->bytes, ' ', blanks);
            l->bytes += blanks;
        } else {
            bool control = (unsigned char)s[i] < ' ' || s[i] == '\177';
            l->text[l->bytes++] = control ? '?' : s[i];
        }
    }
}

static size_t width(const char *s, size_t n)
{
    struct line l;
    expand(&l, s, n);
    return rs_width_of(l.text, l.bytes);
}

static size_t count_lines(const char *text, size_t n)
{
    size_t lines = 1;
    for (const char *at = text; (at = memchr(at, '\n', n - (size_t)(at - text))); at++)
        lines++;
    return lines;
}

/* The line behind this one; NULL behind the last. */
static const char *next_line(const char *line)
{
    const char *end = strchr(line, '\n');
    return end ? end + 1 : NULL;
}

bool rs_tall_is(const char *text, size_t prompt, size_t rows, size_t columns)
{
    size_t needed = 0;
    for (const char *line = text; line && needed <= rows; line = next_line(line)) {
        needed += (prompt + width(line, strcspn(line, "\n"))) / columns + 1;
        prompt = 0;
    }
    return needed > rows;
}

/* A line from this column on, as far as it fits. */
static void draw_line(FILE *out, const char *s, size_t skip, size_t columns)
{
    struct line l;
    size_t unused;
    expand(&l, s, strcspn(s, "\n"));
    size_t from = rs_width_cut(l.text, l.bytes, skip, &unused);
    size_t n = rs_width_cut(l.text + from, l.bytes - from, columns - 1, &unused);
    fwrite(l.text + from, 1, n, out);
    fputs("\033[K\r\n", out);
}

void rs_tall_clear(FILE *out)
{
    fputs("\033[H\033[J", out);
}

void rs_tall_draw(FILE *out, const char *text, size_t point, size_t rows, size_t columns)
{
    size_t room = rows > 1 ? rows - 1 : 1;
    size_t at = count_lines(text, point), all = count_lines(text, strlen(text)); /* at: the cursor's, from 1 */
    size_t first = at > room ? at - room + 1 : 1, number = 1;
    const char *line = text;
    for (; number < first; number++)
        line = next_line(line);
    size_t row = 0, column = 0;
    fputs("\033[H", out);
    for (; line && number < first + room; line = next_line(line), number++) {
        size_t skip = 0;
        if (number == at) {
            column = width(line, (size_t)(text + point - line));
            skip = column + 2 > columns ? column + 2 - columns : 0;
            column -= skip;
            row = number - first;
        }
        draw_line(out, line, skip, columns);
    }
    char told[96];
    int n = snprintf(told, sizeof told, "-- line %zu of %zu: Enter runs them, Ctrl-C drops them --", at, all);
    fprintf(out, "\033[J%.*s\033[%zu;%zuH", (size_t)n < columns ? n : (int)columns - 1, told, row + 1, column + 1);
    fflush(out);
}

void rs_tall_leave(FILE *out, const char *prompt, const char *text, size_t columns)
{
    rs_tall_clear(out);
    for (; *prompt; prompt++)
        if (*prompt != '\001' && *prompt != '\002') /* what readline doesn't count */
            fputc(*prompt, out);
    draw_line(out, text, 0, columns > 20 ? columns - 20 : columns);
    fprintf(out, "... %zu lines", count_lines(text, strlen(text)));
}
