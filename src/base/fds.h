/* The file descriptors that a program is started with. */
#ifndef RS_BASE_FDS_H
#define RS_BASE_FDS_H

/* At the very start: what was started with 0, 1 or 2 closed gets something there that can't be read or written, so that no
 * file of ours lands on these numbers. */
void rs_fds_claim(void);

#endif
