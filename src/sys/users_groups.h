/* The groups of an account, for a process that becomes it. */
#ifndef RS_SYS_USERS_GROUPS_H
#define RS_SYS_USERS_GROUPS_H

#include <sys/types.h>

/* Fills out with first and then every group that lists name, at most max. The number of them. May block, as users.h says. */
int rs_users_groups(const char *name, gid_t first, gid_t *out, int max);

#endif
