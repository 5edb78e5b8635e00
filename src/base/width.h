/* How many columns of a terminal text takes. */
#ifndef RS_BASE_WIDTH_H
#define RS_BASE_WIDTH_H

#include <stddef.h>
#include <stdint.h>

/* 2 for what East Asian scripts and emoji take, 0 for what combines with the character before it, else 1. */
unsigned rs_width_char(uint32_t c);

/* Of n bytes of UTF-8 without control characters; what is no UTF-8 takes a column a byte. */
size_t rs_width_of(const char *s, size_t n);

/* How many bytes at the start of s fit into so many columns, with what combines with the last one; and their width. */
size_t rs_width_cut(const char *s, size_t n, size_t columns, size_t *width);

#endif
