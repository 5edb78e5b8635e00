#include "base/log.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fds.h"
#include "base/utf8.h"

static atomic_int shown = RS_LOG_WARN;

/* Set while one thread runs, read by all. */
static rs_log_sink *current;
static void *current_user;
static void (*_Atomic before)(void);
static bool (*_Atomic output)(const char *line, size_t n);

static const char *const names[] = {
    [RS_LOG_ERROR] = "error", [RS_LOG_WARN] = "warning", [RS_LOG_INFO] = "info",
    [RS_LOG_DEBUG] = "debug", [RS_LOG_TRACE] = "trace",
};

void rs_log_set_level(rs_log_level level)
{
    atomic_store_explicit(&shown, (int)level, memory_order_relaxed);
}

bool rs_log_on(rs_log_level level)
{
    return (int)level <= atomic_load_explicit(&shown, memory_order_relaxed);
}

void rs_log_set_sink(rs_log_sink *sink, void *user)
{
    current = sink;
    current_user = user;
}

void rs_log_set_before(void (*fn)(void))
{
    atomic_store(&before, fn);
}

void rs_log_set_output(bool (*fn)(const char *line, size_t n))
{
    atomic_store(&output, fn);
}

const char *rs_log_level_name(rs_log_level level)
{
    return names[level];
}

int rs_log_level_from_name(const char *name)
{
    for (int i = 0; i <= RS_LOG_TRACE; i++)
        if (strcasecmp(name, names[i]) == 0)
            return i;
    return strcasecmp(name, "warn") == 0 ? RS_LOG_WARN : -1;
}

/* A message may quote bytes from a target: what could steer a terminal is shown as \x1b, as is what isn't UTF-8. */
static void add_escaped(rs_buf *line, const char *text)
{
    size_t n = strlen(text), took;
    for (; n > 0; text += took, n -= took) {
        uint32_t c = 0;
        took = rs_utf8_next(text, n, &c);
        if (c >= 0xa0 || (c >= 0x20 && c < 0x7f)) {
            rs_buf_add(line, text, took);
            continue;
        }
        took = took > 0 ? took : 1;
        for (size_t i = 0; i < took; i++)
            rs_buf_addf(line, "\\x%02x", (unsigned char)text[i]);
    }
}

/* One write a line, so that lines of several processes on one terminal stay whole. */
static void to_stderr(rs_log_level level, const char *module, const char *text)
{
    rs_buf line;
    rs_buf_init(&line, 0);
    rs_buf_addf(&line, "rshell: %s: %s: ", names[level], module);
    add_escaped(&line, text);
    rs_buf_add_char(&line, '\n');
    void (*fn)(void) = atomic_load(&before);
    if (fn)
        fn();
    bool (*writer)(const char *, size_t) = atomic_load(&output);
    if (!writer || !writer(rs_buf_data(&line), rs_buf_len(&line)))
        rs_fds_write(STDERR_FILENO, rs_buf_data(&line), rs_buf_len(&line));
    rs_buf_fini(&line);
}

static void hand_over(rs_log_level level, const char *module, char *text)
{
    size_t n = strlen(text);
    while (n > 0 && text[n - 1] == '\n')
        text[--n] = '\0';
    if (current)
        current(current_user, level, module, text);
    else
        to_stderr(level, module, text);
}

void rs_log_write(rs_log_level level, const char *module, const char *fmt, ...)
{
    int saved = errno;
    char small[512], *text = small;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(small, sizeof small, fmt, ap);
    va_end(ap);
    if (n >= (int)sizeof small) {
        char *large = malloc((size_t)n + 1);
        if (large) {
            va_start(ap, fmt);
            vsnprintf(large, (size_t)n + 1, fmt, ap);
            va_end(ap);
            text = large;
        }
    }
    if (n >= 0)
        hand_over(level, module, text);
    if (text != small)
        free(text);
    errno = saved;
}
