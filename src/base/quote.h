/* POSIX shell quoting, and the splitting that undoes it. */
#ifndef RS_BASE_QUOTE_H
#define RS_BASE_QUOTE_H

#include <stddef.h>

#include "base/buf.h"

/* Adds one word, quoted only where sh would read it otherwise; '' for the empty word. s may hold every byte but NUL
 * (RS_EUSAGE). */
int rs_quote_word(rs_buf *out, const char *s, size_t n);

/* Splits text as sh splits a simple command: blanks and newlines separate, '...', "...", \x quote, # starts a comment.
 * Nothing is expanded: an unquoted $ ` ; & | < > ( ) * ? [ ~ stays itself. Each word is handed to add (a negative result
 * of it ends the walk and is returned). RS_EPARSE for a quote that is not closed; *where (may be NULL) is its offset. */
typedef int rs_quote_add(void *user, const char *word, size_t n);
int rs_quote_split(const char *text, size_t n, rs_quote_add *add, void *user, size_t *where);

#endif
