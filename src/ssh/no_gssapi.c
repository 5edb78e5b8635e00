/* A program that has libssh in it, and no Kerberos beside it: libssh names these functions of GSSAPI, for a way to log in that
 * we never take (transport="openssh" does). Each says that there is no such mechanism.
 *
 * They have more parameters, of types that only Kerberos declares; all begin with where the minor status goes. */
#include <stdint.h>

typedef uint32_t status;

static const status UNAVAILABLE = 16u << 16; /* GSS_S_UNAVAILABLE */

const void *GSS_C_NT_HOSTBASED_SERVICE;
const void *GSS_C_NT_USER_NAME;

#define NONE(name)                                                                                                     \
    status name(status *minor);                                                                                        \
    status name(status *minor)                                                                                         \
    {                                                                                                                  \
        *minor = 0;                                                                                                    \
        return UNAVAILABLE;                                                                                            \
    }

NONE(gss_accept_sec_context)
NONE(gss_acquire_cred)
NONE(gss_add_oid_set_member)
NONE(gss_create_empty_oid_set)
NONE(gss_display_name)
NONE(gss_display_status)
NONE(gss_get_mic)
NONE(gss_import_name)
NONE(gss_indicate_mechs)
NONE(gss_init_sec_context)
NONE(gss_inquire_cred)
NONE(gss_inquire_cred_by_mech)
NONE(gss_release_buffer)
NONE(gss_release_cred)
NONE(gss_release_name)
NONE(gss_release_oid_set)
NONE(gss_test_oid_set_member)
NONE(gss_verify_mic)
