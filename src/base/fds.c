#include "base/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <unistd.h>

enum { ENOUGH = 65536 };

static struct rlimit before;
static bool raised;

void rs_fds_claim(void)
{
    static const int modes[] = {O_WRONLY, O_RDONLY, O_RDONLY};
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", modes[fd]) != fd)
            return;
}

void rs_fds_raise(void)
{
    if (getrlimit(RLIMIT_NOFILE, &before) || before.rlim_cur >= ENOUGH)
        return;
    struct rlimit more = before;
    more.rlim_cur = before.rlim_max < ENOUGH ? before.rlim_max : ENOUGH;
    raised = setrlimit(RLIMIT_NOFILE, &more) == 0;
}

void rs_fds_lower(void)
{
    if (raised)
        (void)setrlimit(RLIMIT_NOFILE, &before);
}

int rs_fds_write(int fd, const void *data, size_t n)
{
    const char *at = data;
    while (n > 0) {
        ssize_t put = write(fd, at, n);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return put ? -errno : -EIO;
        at += put;
        n -= (size_t)put;
    }
    return 0;
}
