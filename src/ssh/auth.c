#include "ssh/auth.h"

#include <libssh/libssh.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

const char *rs_ssh_key_type(struct ssh_key_struct *key)
{
    switch (ssh_key_type(key)) {
    case SSH_KEYTYPE_ECDSA_P256:
    case SSH_KEYTYPE_ECDSA_P384:
    case SSH_KEYTYPE_ECDSA_P521: return ssh_pki_key_ecdsa_name(key);
    default: return ssh_key_type_to_char(ssh_key_type(key));
    }
}

int rs_ssh_host_key(rs_ssh *s, const char **type, char **base64)
{
    ssh_key key = NULL;
    char *text = NULL;
    int err = 0;
    if (ssh_get_server_publickey(rs_ssh_raw(s), &key) != SSH_OK || ssh_pki_export_pubkey_base64(key, &text) != SSH_OK)
        err = RS_EPROTO;
    if (!err) {
        *type = rs_ssh_key_type(key);
        *base64 = strdup(text);
        err = *base64 ? 0 : RS_ELIMIT;
    }
    ssh_string_free_char(text);
    ssh_key_free(key);
    return err;
}

static rs_ssh_attempt *attempt_of(rs_ssh_step *step)
{
    return (rs_ssh_attempt *)((char *)step - offsetof(rs_ssh_attempt, step));
}

static int judge(rs_ssh_attempt *a, int rc)
{
    switch (rc) {
    case SSH_AUTH_AGAIN: return RS_SSH_AGAIN;
    case SSH_AUTH_SUCCESS: a->verdict = RS_SSH_ACCEPTED; return 0;
    case SSH_AUTH_PARTIAL: a->verdict = RS_SSH_PARTIAL; return 0;
    case SSH_AUTH_INFO: a->verdict = RS_SSH_ASKS; return 0;
    case SSH_AUTH_DENIED: a->verdict = RS_SSH_DENIED; return 0;
    default: return RS_EPROTO;
    }
}

int rs_ssh_auth_none(rs_ssh *s, rs_ssh_step *step)
{
    return judge(attempt_of(step), ssh_userauth_none(rs_ssh_raw(s), NULL));
}

int rs_ssh_auth_password(rs_ssh *s, rs_ssh_step *step)
{
    rs_ssh_attempt *a = attempt_of(step);
    return judge(a, ssh_userauth_password(rs_ssh_raw(s), NULL, a->password));
}

int rs_ssh_auth_offer(rs_ssh *s, rs_ssh_step *step)
{
    rs_ssh_attempt *a = attempt_of(step);
    return judge(a, ssh_userauth_try_publickey(rs_ssh_raw(s), NULL, a->key));
}

int rs_ssh_auth_key(rs_ssh *s, rs_ssh_step *step)
{
    rs_ssh_attempt *a = attempt_of(step);
    return judge(a, ssh_userauth_publickey(rs_ssh_raw(s), NULL, a->key));
}

int rs_ssh_auth_ask(rs_ssh *s, rs_ssh_step *step)
{
    return judge(attempt_of(step), ssh_userauth_kbdint(rs_ssh_raw(s), NULL, NULL));
}

rs_ssh_verdict rs_ssh_auth_agent_blocking(rs_ssh *s, int agent)
{
    ssh_session raw = rs_ssh_raw(s);
    rs_ssh_attempt a = {.verdict = RS_SSH_DENIED};
    long seconds = 60;
    ssh_options_set(raw, SSH_OPTIONS_TIMEOUT, &seconds);
    ssh_set_agent_socket(raw, agent);
    ssh_set_blocking(raw, 1);
    if (judge(&a, ssh_userauth_agent(raw, NULL)) != 0)
        a.verdict = RS_SSH_DENIED;
    ssh_set_blocking(raw, 0);
    return a.verdict;
}

void rs_ssh_leave_thread(void)
{
    OPENSSL_thread_stop();
}

void rs_ssh_auth_methods(rs_ssh *s, char *out, unsigned long n)
{
    static const struct {
        int bit;
        const char *name;
    } methods[] = {
        {SSH_AUTH_METHOD_PUBLICKEY, "publickey"},
        {SSH_AUTH_METHOD_PASSWORD, "password"},
        {SSH_AUTH_METHOD_INTERACTIVE, "keyboard-interactive"},
        {SSH_AUTH_METHOD_HOSTBASED, "hostbased"},
        {SSH_AUTH_METHOD_GSSAPI_MIC, "gssapi-with-mic"},
    };
    int offered = ssh_userauth_list(rs_ssh_raw(s), NULL);
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (!(offered & methods[i].bit))
            continue;
        int put = snprintf(out + used, n - used, "%s%s", used ? "," : "", methods[i].name);
        if (put < 0 || (size_t)put >= n - used)
            return;
        used += (size_t)put;
    }
}
