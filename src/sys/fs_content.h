/* The bytes of one file on their way into another, piece by piece. */
#ifndef RS_SYS_FS_CONTENT_H
#define RS_SYS_FS_CONTENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Owns nothing. */
typedef struct rs_fs_content {
    int in, out;
    off_t at, size;
    off_t data_end; /* up to here it is no hole */
    bool stream;    /* the size says nothing (/proc): read to the end */
    bool by_hand;   /* the kernel can't copy between these two */
} rs_fs_content;

/* in is a regular file of this size at its start, out is empty. */
void rs_fs_content_init(rs_fs_content *c, int in, int out, off_t size);

/* Copies a piece. 1 while there is more, 0 at the end. */
int rs_fs_content_step(rs_fs_content *c);

#endif
