/* A text of more lines than the window has. readline can't show one: what is around the cursor is drawn in its place. */
#ifndef RS_TERM_TALL_H
#define RS_TERM_TALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Whether the text, behind a prompt of so many columns, takes more rows than there are. */
bool rs_tall_is(const char *text, size_t prompt, size_t rows, size_t columns);

/* Draws the window anew: the lines around the cursor, which is behind `point` bytes, cut to its width; the last row says
 * where that is. Leaves the cursor at its place. */
void rs_tall_draw(FILE *out, const char *text, size_t point, size_t rows, size_t columns);

/* What stays of the text when it has been entered: its first line behind the prompt, and how many lines there are. */
void rs_tall_leave(FILE *out, const char *prompt, const char *text, size_t columns);

/* Takes all off the window. */
void rs_tall_clear(FILE *out);

#endif
