/* Questions to the machine's name service (LDAP, SSSD, systemd), by way of getent: a static program can't load it. */
#ifndef RS_SYS_HOST_GETENT_H
#define RS_SYS_HOST_GETENT_H

#include <stdbool.h>

#include "base/buf.h"

/* Is there any source but the local files for this database ("passwd", "group", "initgroups")? */
bool rs_host_getent_useful(const char *database);

/* What getent prints for a key, or for all where key is NULL, is added to out. Blocks up to 10 s: on workers only.
 * RS_ENOTFOUND (also for a key that getent would take for an option), RS_ETIMEOUT, RS_ENOSYS without getent. After a
 * timeout it isn't asked again for half a minute: RS_ETIMEOUT at once. */
int rs_host_getent(const char *database, const char *key, rs_buf *out);

/* Does this nsswitch.conf name such a source? For tests. */
bool rs_host_nsswitch_asks(const char *text, const char *database);

#endif
