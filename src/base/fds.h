/* File descriptors: those that a program is started with, and writing the whole of something. */
#ifndef RS_BASE_FDS_H
#define RS_BASE_FDS_H

#include <stddef.h>

/* At the very start: what was started with 0, 1 or 2 closed gets something there that can't be read or written, so that no
 * file of ours lands on these numbers. */
void rs_fds_claim(void);

/* Lets us have as many open as we may, for hundreds of programs at once. Programs that we start get the limit back that
 * we were started with: select(2) knows no more than 1,024. */
void rs_fds_raise(void);
/* In a child that is about to become a program. Nothing but a system call. */
void rs_fds_lower(void);

/* The whole of it, whatever the kernel takes at once. Blocks where the fd does. 0 or an error. */
int rs_fds_write(int fd, const void *data, size_t n);

#endif
