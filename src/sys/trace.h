/* What may not outlive us on a machine: temporary folders and files, and those of sockets. Who cleans up after a sudden death is
 * told of each one before it is made. */
#ifndef RS_SYS_TRACE_H
#define RS_SYS_TRACE_H

#include <stdbool.h>

/* From now on told(path, true) is called for each, on whatever thread; false: it wasn't made after all. NULL: nobody. */
void rs_trace_tell(void (*told)(const char *path, bool made));

void rs_trace_made(const char *path, bool made);

#endif
