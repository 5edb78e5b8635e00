/* Mode bits as chmod reads them: octal digits, or clauses like u+rwX,g=o,-w. */
#ifndef RS_SYS_FS_MODE_H
#define RS_SYS_FS_MODE_H

#include <stdbool.h>
#include <stddef.h>

/* One operation of a clause: who OP permissions. */
typedef struct rs_mode_op {
    unsigned who;    /* the bits that it may touch */
    unsigned masked; /* permissions that it neither gives nor takes */
    unsigned perm;   /* r w x s t as bits for everybody */
    char op;         /* + - = */
    char copy;       /* u g o: what they have; 0 */
    bool x_if;       /* X: x for folders and for what has an x already */
    bool exact;      /* octal: what isn't named is cleared, also set-id bits of folders */
} rs_mode_op;

enum { RS_MODE_OPS = 24 };

/* Owns nothing. */
typedef struct rs_mode {
    int n;
    rs_mode_op ops[RS_MODE_OPS];
} rs_mode;

/* RS_EPARSE. A clause that names nobody means everybody, but neither gives nor takes the bits of umask (when it isn't
 * negative). */
int rs_mode_parse(rs_mode *m, const char *text, size_t n, int umask);
/* Exactly these bits. */
void rs_mode_bits(rs_mode *m, unsigned bits);
/* What old becomes; only the bits 07777 count. */
unsigned rs_mode_apply(const rs_mode *m, unsigned old, bool folder);

/* The umask of this process, without changing it for a moment as umask(2) does; -1 where the system doesn't tell. */
int rs_mode_umask(void);

#endif
