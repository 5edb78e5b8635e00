/* The lines behind users.h, for who needs more than one account at a time. Private to host_users.c. */
#ifndef RS_SYS_USERS_DB_H
#define RS_SYS_USERS_DB_H

#include "sys/users_file.h"

/* The local files only, in their order. use is called with the file locked. */
int rs_users_each(rs_users_use *use, void *user);
int rs_groups_each(rs_users_use *use, void *user);

/* The group of this name, or of this id where name is NULL, with its members; getent is asked too. */
int rs_groups_line(const char *name, uint32_t gid, rs_users_use *use, void *user);

#endif
