/* The digest of a file's bytes. */
#ifndef RS_SYS_FS_CHECKSUM_H
#define RS_SYS_FS_CHECKSUM_H

#include "sys/digest.h"

/* Writes the digits and a NUL. */
int rs_fs_checksum(const char *path, const rs_digest_class *class, char out[2 * RS_DIGEST_MAX + 1]);
/* The rest of an open file, raw. */
int rs_fs_checksum_fd(int fd, const rs_digest_class *class, unsigned char out[RS_DIGEST_MAX]);

#endif
