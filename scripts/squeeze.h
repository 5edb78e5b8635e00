/* Lua source without what only readers need. */
#ifndef SQUEEZE_H
#define SQUEEZE_H

#include <stddef.h>

/* Writes text without comments, indentation and needless blanks, but with every line break, so that lines keep their
 * numbers. out has room for n bytes; returns how many were written. The text must be valid Lua. */
size_t squeeze(char *out, const char *text, size_t n);

#endif
