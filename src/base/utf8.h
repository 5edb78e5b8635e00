/* UTF-8 as the standard has it: no surrogates, nothing above 0x10ffff, no byte more than needed. */
#ifndef RS_BASE_UTF8_H
#define RS_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* How many bytes the first character of s has, 0 where there is none (n is 0, or the bytes are not UTF-8). */
size_t rs_utf8_next(const char *s, size_t n, uint32_t *out);
/* Writes a character as 1 to 4 bytes, says how many; c must be below 0x110000. */
size_t rs_utf8_put(uint32_t c, char out[4]);

#endif
