/* Who they are, and who we are: host keys and the ways to log in, as steps. */
#ifndef RS_SSH_AUTH_H
#define RS_SSH_AUTH_H

#include "ssh/session.h"

struct ssh_key_struct;

/* After the handshake: the server's key, as known_hosts writes it ("ssh-ed25519", base64). Static and malloc'd: the caller
 * frees *base64. */
int rs_ssh_host_key(rs_ssh *s, const char **type, char **base64);

/* The key type's name as known_hosts writes it. Static. */
const char *rs_ssh_key_type(struct ssh_key_struct *key);

typedef enum rs_ssh_verdict {
    RS_SSH_DENIED,
    RS_SSH_ACCEPTED,
    RS_SSH_PARTIAL, /* accepted, and the server wants more */
    RS_SSH_ASKS,    /* keyboard-interactive: there are questions */
} rs_ssh_verdict;

/* One attempt. The step's result is 0 when there is a verdict. */
typedef struct rs_ssh_attempt {
    rs_ssh_step step;
    const char *password;
    struct ssh_key_struct *key;
    rs_ssh_verdict verdict;
} rs_ssh_attempt;

int rs_ssh_auth_none(rs_ssh *s, rs_ssh_step *step);
int rs_ssh_auth_password(rs_ssh *s, rs_ssh_step *step);
int rs_ssh_auth_offer(rs_ssh *s, rs_ssh_step *step); /* of a public key, without signature */
int rs_ssh_auth_key(rs_ssh *s, rs_ssh_step *step);   /* with the signature at once */
int rs_ssh_auth_ask(rs_ssh *s, rs_ssh_step *step);   /* keyboard-interactive: begin, or answer */

/* On a worker, with the session suspended: signs in with the identities of the agent on this socket, which is taken. */
rs_ssh_verdict rs_ssh_auth_agent_blocking(rs_ssh *s, int agent);

/* To be called at the end of what a worker did with libssh or its keys: libcrypto keeps things for each thread. */
void rs_ssh_leave_thread(void);

/* What the server would accept, after the first attempt: "publickey,password". Into out. */
void rs_ssh_auth_methods(rs_ssh *s, char *out, unsigned long n);

#endif
