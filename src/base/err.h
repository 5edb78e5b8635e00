/* One negative number for everything that can fail; this is the one place that turns it into words.
 *
 * A system error is its errno, negated, so it passes through libuv and back unchanged. Our own errors lie below every
 * errno and every code of libuv. */
#ifndef RS_BASE_ERR_H
#define RS_BASE_ERR_H

enum rs_err {
    RS_OK = 0,
    RS_ECANCELLED = -20001, /* the waiting task was cancelled */
    RS_ETIMEOUT = -20002,   /* no answer in time */
    RS_ECLOSED = -20003,    /* the thing was closed, by us or by the other side */
    RS_EUSAGE = -20004,     /* the caller asked for something that makes no sense */
    RS_ELIMIT = -20005,     /* a size, count or depth limit was reached */
    RS_EPARSE = -20006,     /* text that does not follow its grammar */
    RS_EPROTO = -20007,     /* bytes that do not follow the protocol */
    RS_ENOTFOUND = -20008,  /* a named thing (program, user, host) that does not exist */
    RS_EEOF = -20009,       /* the stream ended before what was asked for had come */
    RS_ENOSYS = -20010,     /* not possible on this machine */
};

/* "ENOENT", "ECLOSED"; "E?" for a number nobody knows. RS_EPROTO and RS_ENOSYS are "EPROTOCOL" and "EUNSUPPORTED", since
 * errno has the plain names. Static. */
const char *rs_err_name(int err);

/* "no such file or directory"; never empty, starts in lower case but for names ("I/O"). Static or valid until the next call on this thread. */
const char *rs_err_text(int err);

/* The kind of the error object that users see ("notfound", "denied", "io" ...). Static. */
const char *rs_err_kind(int err);

/* The number of a name ("ENOENT" gives -ENOENT), or 0 where nobody knows it. */
int rs_err_from_name(const char *name);

#endif
