/* One SSH connection over libssh, without ever waiting.
 *
 * What takes time is a step: it is tried again whenever something has come in, until libssh stops saying AGAIN. */
#ifndef RS_SSH_SESSION_H
#define RS_SSH_SESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "loop/loop.h"
#include "loop/wait.h"

typedef struct rs_ssh rs_ssh;
typedef struct rs_ssh_step rs_ssh_step;

/* try gives RS_SSH_AGAIN, or the result that the wait gets.
 *
 * A step that the server may not be left alone with (it answers all the same, and its answer would be taken for another's)
 * has `orphaned`: it goes on when its waiter has given up, and orphaned gets the result in the wait's place. It owns the step
 * then. Other steps live inside whoever waits. */
struct rs_ssh_step {
    int (*try)(rs_ssh *s, rs_ssh_step *step);
    const char *name;                                           /* for RSHELL_TRACE: what is sent, and waited for */
    void (*orphaned)(rs_ssh *s, rs_ssh_step *step, int result); /* outside libssh's callbacks */
    rs_wait wait;
    rs_ssh_step *next, **at; /* at is NULL while it isn't running */
    bool global;             /* one of these at a time: libssh has a single slot for global requests */
    bool alone;              /* its waiter has given up */
};

enum { RS_SSH_AGAIN = 1 };

/* All may be NULL: then libssh's choice holds, with AES-GCM first where the CPU has AES. */
typedef struct rs_ssh_options {
    const char *user, *host;
    const char *ciphers, *kex, *macs, *hostkeys;
    bool compression;
    unsigned long long rekey_bytes; /* new keys after so much, or so many seconds; 0 is libssh's choice */
    unsigned rekey_seconds;
} rs_ssh_options;

/* Takes fd, a connected socket, also when it fails. */
int rs_ssh_new(rs_loop *l, int fd, const rs_ssh_options *o, rs_ssh **out);

/* Ends what still runs with RS_ECLOSED and frees. Channels that somebody still holds are dead, and freed with their last
 * holder. NULL is fine. */
void rs_ssh_free(rs_ssh *s);

/* Tries the step now and whenever there is news; step->wait is done when it has a result. Abandoning the wait forgets it. */
void rs_ssh_run(rs_ssh *s, rs_ssh_step *step);

/* The same for a step that nobody waits for: it has `orphaned`. */
void rs_ssh_run_alone(rs_ssh *s, rs_ssh_step *step);

/* To be called after any call into libssh outside a step: what it read along the way may be news for others. */
void rs_ssh_kick(rs_ssh *s);

/* The same after a write that libssh took: where all of it has gone out, and nothing came in, there is no news. */
void rs_ssh_wrote(rs_ssh *s);

/* While held (by a worker), rs_ssh_free only marks. */
void rs_ssh_hold(rs_ssh *s);
void rs_ssh_unhold(rs_ssh *s);

/* libssh's session, for the other files of this layer. */
struct ssh_session_struct *rs_ssh_raw(rs_ssh *s);
rs_loop *rs_ssh_loop(rs_ssh *s);

/* Steps of the connection's first part. */
int rs_ssh_handshake(rs_ssh *s, rs_ssh_step *step);

/* A round trip: asks for something that the server refuses, whose refusal is the answer. NULL without memory. Its step runs;
 * the caller frees it once its wait is done. */
rs_ssh_step *rs_ssh_ping(rs_ssh *s);

/* What broke the connection, or "" while it stands. Valid until s is freed. */
const char *rs_ssh_broken(const rs_ssh *s);

/* Taken off the loop while another thread works with it; put back afterwards. */
void rs_ssh_suspend(rs_ssh *s, bool on);

/* Round trips and bytes are somebody else's business; this is when anything last came in (rs_loop_now). */
unsigned long long rs_ssh_last_heard(const rs_ssh *s);

/* ---- for what lives on a session ---- */

/* Something is sent that no step waits for; for RSHELL_TRACE. */
void rs_ssh_note_sent(rs_ssh *s, const char *what);

struct ssh_message_struct;
typedef struct rs_ssh_member rs_ssh_member;

/* Something that lives on the connection and is told when it breaks, and after every round of events. */
struct rs_ssh_member {
    rs_ssh_member *next, **at;
    void (*broken)(rs_ssh_member *m); /* the connection is gone, and m no longer in its list */
    void (*settle)(rs_ssh_member *m); /* events were handled; outside libssh's callbacks */
    /* The server wants to open a channel: true when m has answered. Inside libssh's callbacks. NULL where m takes none. */
    bool (*offered)(rs_ssh_member *m, struct ssh_message_struct *message);
};

void rs_ssh_join(rs_ssh *s, rs_ssh_member *m);
void rs_ssh_leave(rs_ssh_member *m);

/* Places on the server, which allows a connection so many channels for programs (MaxSessions). */
typedef struct rs_ssh_places {
    int open, opening;
} rs_ssh_places;

rs_ssh_places *rs_ssh_places_of(rs_ssh *s);

/* As kick, from inside settle too: steps are to be tried once more. */
void rs_ssh_again(rs_ssh *s);

#endif
