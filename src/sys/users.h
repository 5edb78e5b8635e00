/* Users and groups without libc's name service, which a static program can't ask: /etc/passwd and /etc/group are read
 * and kept until they change; what they don't hold is asked of getent, a process of its own, and kept for a while.
 *
 * Every function may be called on any thread, but getent can block for seconds (LDAP): not on the loop's. */
#ifndef RS_SYS_USERS_H
#define RS_SYS_USERS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { RS_NAME_MAX = 256 }; /* a name with its NUL; longer ones are as good as absent */

/* Owns nothing. A gecos that is too long is cut; an account with a longer home or shell is as good as absent. */
typedef struct rs_user {
    uid_t uid;
    gid_t gid;
    char name[RS_NAME_MAX];
    char gecos[512];
    char home[4096];
    char shell[1024];
} rs_user;

typedef struct rs_group {
    gid_t gid;
    char name[RS_NAME_MAX];
} rs_group;

/* The name of an id into out (n bytes, with its NUL). RS_ENOTFOUND where it has none (out is its number then, so the
 * result may be ignored), RS_ELIMIT where it doesn't fit. */
int rs_users_name(uid_t uid, char *out, size_t n);
int rs_groups_name(gid_t gid, char *out, size_t n);

/* RS_ENOTFOUND, or what reading failed with. A name of digits is looked up as a name, never taken as a number. */
int rs_users_find(const char *name, rs_user *out);
int rs_users_find_id(uid_t uid, rs_user *out);
int rs_groups_find(const char *name, rs_group *out);
int rs_groups_find_id(gid_t gid, rs_group *out);

/* "name or number" to an id, as chown reads it: a name first, else a decimal number. RS_ENOTFOUND. */
int rs_users_id(const char *text, uid_t *out);
int rs_groups_id(const char *text, gid_t *out);

#endif
