/* What is printed while somebody types a line stands above that line. */
#ifndef RS_TERM_ABOVE_H
#define RS_TERM_ABOVE_H

#include <stdbool.h>
#include <stdio.h>

/* What the line's owner does: takes the line off the screen, or soon puts it there again. */
typedef struct rs_above_line {
    void (*hide)(void);
    void (*show_soon)(void);
} rs_above_line;

/* From now on stdout and stderr are streams of ours, and so is the log; gives the stdout that was. For good: who has one of
 * them keeps it. NULL without memory. */
FILE *rs_above_init(const rs_above_line *line);

/* Whether a line is being typed. Half a line that was printed meanwhile appears when it no longer is. */
void rs_above_set(bool typing);

#endif
