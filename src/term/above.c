#include "term/above.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fds.h"
#include "base/log.h"

enum { LONGEST = 4096 }; /* what is kept of a line that has no end */

static const rs_above_line *line;
static FILE *first_stdout;
static pthread_t owner;
static bool is_typing;
static rs_buf rest; /* of what was printed while somebody types: behind the last newline */

static int write_rest(int fd)
{
    int err = rs_fds_write(fd, rs_buf_data(&rest), rs_buf_len(&rest));
    rs_buf_consume(&rest, rs_buf_len(&rest));
    return err;
}

/* Whole lines go above the one that is typed, the rest waits for its newline; but not for ever. */
static int put_above(int fd, const char *s, size_t n)
{
    const char *last = memrchr(s, '\n', n);
    size_t whole = last ? (size_t)(last - s) + 1 : 0;
    bool breaks = !whole && rs_buf_len(&rest) + n > LONGEST;
    int err = 0;
    if (breaks)
        whole = n;
    if (whole) {
        line->hide();
        err = write_rest(fd) || rs_fds_write(fd, s, whole) || (breaks && rs_fds_write(fd, "\n", 1));
        line->show_soon();
    }
    if (rs_buf_add(&rest, s + whole, n - whole))
        err = -1;
    return err;
}

static ssize_t put(void *cookie, const char *s, size_t n)
{
    int fd = *(const int *)cookie;
    int err = is_typing ? put_above(fd, s, n) : rs_fds_write(fd, s, n);
    return err ? 0 : (ssize_t)n;
}

static FILE *wrap(const int *fd, int mode)
{
    cookie_io_functions_t io = {.write = put};
    FILE *f = fopencookie((void *)fd, "w", io); /* never written to */
    if (f)
        setvbuf(f, NULL, mode, BUFSIZ);
    return f;
}

/* Workers log too, but only the loop's thread may touch the line. */
static bool log_above(const char *text, size_t n)
{
    if (!is_typing || !pthread_equal(pthread_self(), owner))
        return false;
    return put_above(STDERR_FILENO, text, n) == 0;
}

FILE *rs_above_init(const rs_above_line *l)
{
    static const int out = STDOUT_FILENO, err = STDERR_FILENO;
    if (line)
        return first_stdout;
    FILE *o = wrap(&out, _IOLBF), *e = wrap(&err, _IONBF);
    if (!o || !e) {
        if (o)
            fclose(o);
        if (e)
            fclose(e);
        return NULL;
    }
    fflush(stdout);
    rs_buf_init(&rest, 0);
    first_stdout = stdout;
    line = l;
    owner = pthread_self();
    stdout = o;
    stderr = e;
    rs_log_set_output(log_above);
    return first_stdout;
}

void rs_above_set(bool typing)
{
    if (is_typing && !typing)
        (void)write_rest(STDOUT_FILENO);
    is_typing = typing;
}
