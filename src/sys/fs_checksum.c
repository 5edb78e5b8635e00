#include "sys/fs_checksum.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "sys/fs_at.h"

enum { BLOCK = 256 * 1024 };

int rs_fs_checksum_fd(int fd, const rs_digest_class *class, unsigned char out[RS_DIGEST_MAX])
{
    rs_digest d;
    int err = 0;
    char *mem = malloc(BLOCK);
    if (!mem)
        return -ENOMEM;
    rs_digest_init(&d, class);
    for (;;) {
        ssize_t got = read(fd, mem, BLOCK);
        if (got == 0)
            break;
        if (got > 0) {
            rs_digest_update(&d, mem, (size_t)got);
        } else if (errno != EINTR) {
            err = -errno;
            break;
        }
    }
    if (!err)
        rs_digest_final(&d, out);
    free(mem);
    return err;
}

int rs_fs_checksum(const char *path, const rs_digest_class *class, char out[2 * RS_DIGEST_MAX + 1])
{
    unsigned char raw[RS_DIGEST_MAX];
    int fd = rs_fs_open(AT_FDCWD, path, O_RDONLY | O_NOCTTY, 0);
    if (fd < 0)
        return fd;
    posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    int err = rs_fs_checksum_fd(fd, class, raw);
    close(fd);
    if (!err)
        rs_digest_hex(raw, rs_digest_size(class), out);
    return err;
}
