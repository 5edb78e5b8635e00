#include "sys/host_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/quote.h"

static int read_fd(int fd, rs_buf *out)
{
    for (;;) {
        char *to;
        int err = rs_buf_reserve(out, 4096, &to);
        if (err)
            return err;
        ssize_t n = read(fd, to, 4095);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        to[n] = '\0';
        rs_buf_commit(out, (size_t)n);
        if (n == 0)
            return 0;
    }
}

int rs_host_read(int dir, const char *path, rs_buf *out)
{
    int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return -errno;
    int err = read_fd(fd, out);
    close(fd);
    return err;
}

bool rs_host_line(const char **at, const char *end, const char **line, size_t *len)
{
    if (*at >= end)
        return false;
    const char *stop = memchr(*at, '\n', (size_t)(end - *at));
    *line = *at;
    *len = (size_t)((stop ? stop : end) - *at);
    *at = stop ? stop + 1 : end;
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Skips blanks, then reads a number that may have a minus; moves *s behind it. */
static bool number(const char **s, const char *end, int64_t *out)
{
    const char *p = *s;
    int64_t x = 0;
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    bool minus = p < end && *p == '-';
    p += minus;
    const char *first = p;
    for (; p < end && is_digit(*p); p++) {
        if (x > (INT64_MAX - 9) / 10)
            return false;
        x = x * 10 + (*p - '0');
    }
    *s = p;
    *out = minus ? -x : x;
    return p > first;
}

static bool starts(const char *line, size_t n, const char *word)
{
    size_t len = strlen(word);
    return n >= len && memcmp(line, word, len) == 0;
}

bool rs_host_number(const char *text, size_t n, const char *name, uint64_t *out)
{
    const char *at = text, *end = text + n, *line;
    size_t len, name_len = strlen(name);
    while (rs_host_line(&at, end, &line, &len)) {
        if (!starts(line, len, name) || len == name_len || line[name_len] != ':')
            continue;
        const char *s = line + name_len + 1, *stop = line + len;
        int64_t x;
        if (!number(&s, stop, &x) || x < 0 || x > INT64_MAX / 1024)
            return false;
        *out = (uint64_t)x * (starts(s, (size_t)(stop - s), " kB") ? 1024 : 1);
        return true;
    }
    return false;
}

/* The first word only: what follows unquoted blanks is no part of the value. */
static int add_first(void *user, const char *word, size_t n)
{
    int err = rs_buf_add(user, word, n);
    return err ? err : RS_ELIMIT;
}

static bool is_key(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(s[i] >= 'A' && s[i] <= 'Z') && !(s[i] >= 'a' && s[i] <= 'z') && !is_digit(s[i]) && s[i] != '_')
            return false;
    return n > 0 && !is_digit(s[0]);
}

static bool copy(const char *s, size_t n, char *out, size_t room)
{
    if (n >= room || memchr(s, '\0', n))
        return false;
    memcpy(out, s, n);
    out[n] = '\0';
    return true;
}

bool rs_host_os_release_line(const char *line, size_t n, char key[RS_HOST_KEY], char value[RS_HOST_VALUE])
{
    while (n > 0 && (*line == ' ' || *line == '\t'))
        line++, n--;
    while (n > 0 && (line[n - 1] == '\r' || line[n - 1] == ' '))
        n--;
    const char *equal = memchr(line, '=', n);
    size_t key_len = equal ? (size_t)(equal - line) : 0;
    rs_buf word;
    if (!is_key(line, key_len))
        return false;
    rs_buf_init(&word, 0);
    int err = rs_quote_split(line, n, add_first, &word, NULL);
    rs_buf_consume(&word, key_len + 1);
    bool ok = (err == 0 || err == RS_ELIMIT) && copy(line, key_len, key, RS_HOST_KEY) &&
              copy(rs_buf_data(&word), rs_buf_len(&word), value, RS_HOST_VALUE);
    rs_buf_fini(&word);
    return ok;
}

static bool is_octal(char c)
{
    return c >= '0' && c <= '7';
}

/* Blanks, newlines, backslashes and # are written as \ooo. Decodes in place. */
static void decode(char *s)
{
    char *to = s;
    while (*s) {
        if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && is_octal(s[2]) && is_octal(s[3])) {
            *to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
            s += 4;
        } else {
            *to++ = *s++;
        }
    }
    *to = '\0';
}

/* Ends the field that *at stands on and moves *at to the next one. NULL where there is none. */
static char *field(char **at, const char *end)
{
    char *first = *at;
    if (first >= end)
        return NULL;
    char *stop = memchr(first, ' ', (size_t)(end - first));
    if (stop)
        *stop = '\0';
    *at = stop ? stop + 1 : first + strlen(first);
    decode(first);
    return *first ? first : NULL;
}

bool rs_host_mount_line(char *line, size_t n, rs_host_mount *out)
{
    char *at = line;
    const char *end = line + n;
    line[n] = '\0';
    if (memchr(line, '\0', n))
        return false;
    out->device = field(&at, end);
    out->path = field(&at, end);
    out->type = field(&at, end);
    out->options = field(&at, end);
    return out->device && out->path && out->type && out->options;
}

static const char *last_bracket(const char *text, size_t n)
{
    while (n > 0 && text[n - 1] != ')')
        n--;
    return n > 0 ? text + n - 1 : NULL;
}

bool rs_host_stat_parse(const char *text, size_t n, rs_host_stat *out)
{
    enum { PPID = 4, PGID = 5, START = 22, RSS = 24 };
    const char *open = memchr(text, '(', n), *close = last_bracket(text, n), *end = text + n, *s = text;
    int64_t x[RSS + 1] = {0};
    if (!open || !close || close <= open || end - close < 4 || close[1] != ' ' || !number(&s, open, &x[1]))
        return false;
    s = close + 3;
    for (int i = PPID; i <= RSS; i++)
        if (!number(&s, end, &x[i]))
            return false;
    if (x[1] < 1 || x[1] > INT32_MAX || x[PPID] < 0 || x[PPID] > INT32_MAX)
        return false;
    *out = (rs_host_stat){
        .pid = (int)x[1],
        .ppid = (int)x[PPID],
        .pgid = (int)x[PGID],
        .state = close[2],
        .name = open + 1,
        .name_len = (size_t)(close - open - 1),
        .start = (uint64_t)x[START],
        .rss = x[RSS] > 0 ? (uint64_t)x[RSS] : 0,
    };
    return true;
}

bool rs_host_status_uid(const char *text, size_t n, uint32_t *out)
{
    const char *at = text, *end = text + n, *line;
    size_t len;
    while (rs_host_line(&at, end, &line, &len)) {
        int64_t real, effective;
        const char *s = line + 4;
        if (!starts(line, len, "Uid:"))
            continue;
        if (!number(&s, line + len, &real) || !number(&s, line + len, &effective))
            return false;
        *out = (uint32_t)effective;
        return true;
    }
    return false;
}
