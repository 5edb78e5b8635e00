/* An open file with a buffer for reading; what is written goes to the kernel at once. One thread at a time. */
#ifndef RS_SYS_FS_FILE_H
#define RS_SYS_FS_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "sys/fs_attr.h"

typedef struct rs_file rs_file;

/* mode is fopen's: r w a, then + and b; x in place of w or behind it makes a file that must not be there. RS_EUSAGE for
 * what isn't a mode. */
bool rs_file_is_mode(const char *mode);
int rs_file_open(rs_file **out, const char *path, const char *mode, const rs_fs_make *make);
/* Closes and frees; what closing said. NULL is fine. */
int rs_file_free(rs_file *f);

/* Adds n bytes, fewer at the end of the file. */
int rs_file_read(rs_file *f, uint64_t n, rs_buf *out);
/* Adds a line with its newline, which the last one may lack. Nothing is added at the end of the file. */
int rs_file_read_line(rs_file *f, rs_buf *out);
int rs_file_write(rs_file *f, const void *data, size_t n);
/* whence as in lseek; *at is the new place. */
int rs_file_seek(rs_file *f, int whence, int64_t offset, int64_t *at);
int rs_file_truncate(rs_file *f, uint64_t size);
int rs_file_sync(rs_file *f);

/* A whole line that needs no waiting, in the buffer until the next call; NULL when there is none. Taken by skip. */
const char *rs_file_peek_line(const rs_file *f, size_t *n);
void rs_file_skip(rs_file *f, size_t n);
/* Reading and writing don't block longer than a disk does. */
bool rs_file_is_regular(const rs_file *f);

#endif
