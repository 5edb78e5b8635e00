#include "base/err.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* libuv's own codes: base doesn't include uv.h, but its errors pass through here. They are part of libuv's ABI. */
enum { UV_EOF = -4095, UV_UNKNOWN = -4094, UV_EAI_FIRST = -3000, UV_EAI_CANCELED = -3003, UV_EAI_LAST = -3014 };

struct known {
    int err;
    const char *name;
    const char *text; /* NULL: the C library knows it */
};

/* clang-format off */
#define E(name) {-name, #name, NULL}

/* The first of two names for one number is the one that is told. */
static const struct known table[] = {
    {RS_OK, "OK", "no error"},

    {RS_ECANCELLED, "ECANCELLED", "cancelled"},
    {RS_ETIMEOUT, "ETIMEOUT", "timed out"},
    {RS_ECLOSED, "ECLOSED", "closed"},
    {RS_EUSAGE, "EUSAGE", "wrong usage"},
    {RS_ELIMIT, "ELIMIT", "a limit was reached"},
    {RS_EPARSE, "EPARSE", "syntax error"},
    {RS_EPROTO, "EPROTOCOL", "protocol error"},
    {RS_ENOTFOUND, "ENOTFOUND", "not found"},
    {RS_EEOF, "EEOF", "unexpected end of the stream"},
    {RS_ENOSYS, "EUNSUPPORTED", "not possible on this machine"},

    {UV_EOF, "EOF", "end of file"},
    {UV_UNKNOWN, "UNKNOWN", "unknown error"},
    {-4080, "ECHARSET", "invalid character"},
    {-4028, "EFTYPE", "wrong type or format of file"},
    {UV_EAI_FIRST, "EAI_ADDRFAMILY", "the host name has no address of this family"},
    {-3001, "EAI_AGAIN", "the name server did not answer"},
    {-3002, "EAI_BADFLAGS", "name lookup: bad flags"},
    {UV_EAI_CANCELED, "EAI_CANCELED", "name lookup was cancelled"},
    {-3004, "EAI_FAIL", "the name server failed"},
    {-3005, "EAI_FAMILY", "name lookup: unknown address family"},
    {-3006, "EAI_MEMORY", "name lookup: out of memory"},
    {-3007, "EAI_NODATA", "the host name has no address"},
    {-3008, "EAI_NONAME", "unknown host or service name"},
    {-3009, "EAI_OVERFLOW", "name lookup: the answer is too long"},
    {-3010, "EAI_SERVICE", "unknown service name"},
    {-3011, "EAI_SOCKTYPE", "name lookup: unknown socket type"},
    {-3013, "EAI_BADHINTS", "name lookup: bad hints"},
    {UV_EAI_LAST, "EAI_PROTOCOL", "name lookup: unknown protocol"},

    /* The common ones in the same words whatever the C library is: hosts and agents have different ones. */
    {-EPERM, "EPERM", "operation not permitted"},
    {-ENOENT, "ENOENT", "no such file or directory"},
    {-ESRCH, "ESRCH", "no such process"},
    {-EINTR, "EINTR", "interrupted system call"},
    {-EIO, "EIO", "input/output error"},
    {-ENXIO, "ENXIO", "no such device or address"},
    {-E2BIG, "E2BIG", "argument list too long"},
    {-ENOEXEC, "ENOEXEC", "exec format error"},
    {-EBADF, "EBADF", "bad file descriptor"},
    {-ECHILD, "ECHILD", "no child processes"},
    {-EAGAIN, "EAGAIN", "resource temporarily unavailable"},
    {-ENOMEM, "ENOMEM", "cannot allocate memory"},
    {-EACCES, "EACCES", "permission denied"},
    {-EFAULT, "EFAULT", "bad address"},
    {-EBUSY, "EBUSY", "device or resource busy"},
    {-EEXIST, "EEXIST", "file exists"},
    {-EXDEV, "EXDEV", "invalid cross-device link"},
    {-ENODEV, "ENODEV", "no such device"},
    {-ENOTDIR, "ENOTDIR", "not a directory"},
    {-EISDIR, "EISDIR", "is a directory"},
    {-EINVAL, "EINVAL", "invalid argument"},
    {-ENFILE, "ENFILE", "too many open files in system"},
    {-EMFILE, "EMFILE", "too many open files"},
    {-ENOTTY, "ENOTTY", "inappropriate ioctl for device"},
    {-ETXTBSY, "ETXTBSY", "text file busy"},
    {-EFBIG, "EFBIG", "file too large"},
    {-ENOSPC, "ENOSPC", "no space left on device"},
    {-ESPIPE, "ESPIPE", "illegal seek"},
    {-EROFS, "EROFS", "read-only file system"},
    {-EMLINK, "EMLINK", "too many links"},
    {-EPIPE, "EPIPE", "broken pipe"},
    {-ENAMETOOLONG, "ENAMETOOLONG", "file name too long"},
    {-ENOSYS, "ENOSYS", "function not implemented"},
    {-ENOTEMPTY, "ENOTEMPTY", "directory not empty"},
    {-ELOOP, "ELOOP", "too many levels of symbolic links"},
    {-ENOTSOCK, "ENOTSOCK", "socket operation on non-socket"},
    {-EMSGSIZE, "EMSGSIZE", "message too long"},
    {-EAFNOSUPPORT, "EAFNOSUPPORT", "address family not supported by protocol"},
    {-EADDRINUSE, "EADDRINUSE", "address already in use"},
    {-EADDRNOTAVAIL, "EADDRNOTAVAIL", "cannot assign requested address"},
    {-ENETDOWN, "ENETDOWN", "network is down"},
    {-ENETUNREACH, "ENETUNREACH", "network is unreachable"},
    {-ECONNABORTED, "ECONNABORTED", "software caused connection abort"},
    {-ECONNRESET, "ECONNRESET", "connection reset by peer"},
    {-ENOTCONN, "ENOTCONN", "transport endpoint is not connected"},
    {-ETIMEDOUT, "ETIMEDOUT", "connection timed out"},
    {-ECONNREFUSED, "ECONNREFUSED", "connection refused"},
    {-EHOSTDOWN, "EHOSTDOWN", "host is down"},
    {-EHOSTUNREACH, "EHOSTUNREACH", "no route to host"},
    {-EDQUOT, "EDQUOT", "disk quota exceeded"},
    {-ENODATA, "ENODATA", "no data available"},
    {-EOVERFLOW, "EOVERFLOW", "value too large for defined data type"},
    {-EPROTO, "EPROTO", "protocol error"},

    E(ENOTBLK), E(EDOM), E(ERANGE), E(EDEADLK), E(ENOLCK), E(EWOULDBLOCK), E(ENOMSG), E(EIDRM), E(ECHRNG),
    E(EL2NSYNC), E(EL3HLT), E(EL3RST), E(ELNRNG), E(EUNATCH), E(ENOCSI), E(EL2HLT), E(EBADE), E(EBADR), E(EXFULL),
    E(ENOANO), E(EBADRQC), E(EBADSLT), E(EDEADLOCK), E(EBFONT), E(ENOSTR), E(ETIME), E(ENOSR), E(ENONET), E(ENOPKG),
    E(EREMOTE), E(ENOLINK), E(EADV), E(ESRMNT), E(ECOMM), E(EMULTIHOP), E(EDOTDOT), E(EBADMSG), E(ENOTUNIQ),
    E(EBADFD), E(EREMCHG), E(ELIBACC), E(ELIBBAD), E(ELIBSCN), E(ELIBMAX), E(ELIBEXEC), E(EILSEQ), E(ERESTART),
    E(ESTRPIPE), E(EUSERS), E(EDESTADDRREQ), E(EPROTOTYPE), E(ENOPROTOOPT), E(EPROTONOSUPPORT), E(ESOCKTNOSUPPORT),
    E(ENOTSUP), E(EOPNOTSUPP), E(EPFNOSUPPORT), E(ENETRESET), E(ENOBUFS), E(EISCONN), E(ESHUTDOWN), E(ETOOMANYREFS),
    E(EALREADY), E(EINPROGRESS), E(ESTALE), E(EUCLEAN), E(ENOTNAM), E(ENAVAIL), E(EISNAM), E(EREMOTEIO), E(ENOMEDIUM),
    E(EMEDIUMTYPE), E(ECANCELED), E(ENOKEY), E(EKEYEXPIRED), E(EKEYREVOKED), E(EKEYREJECTED), E(EOWNERDEAD),
    E(ENOTRECOVERABLE), E(ERFKILL), E(EHWPOISON),
};

#undef E
/* clang-format on */

static const struct known *find(int err)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].err == err)
            return &table[i];
    return NULL;
}

const char *rs_err_name(int err)
{
    const struct known *k = find(err);
    return k ? k->name : "E?";
}

/* glibc has a strerror_r of its own. */
static const char *system_text(int err, char *buf, size_t n)
{
#ifdef __GLIBC__
    return strerror_r(err, buf, n);
#else
    return strerror_r(err, buf, n) == 0 ? buf : "";
#endif
}

/* "No such file" begins a sentence, "I/O error" and "RFS specific error" don't. */
static void lower_first(char *s)
{
    if (isupper((unsigned char)s[0]) && islower((unsigned char)s[1]))
        s[0] = (char)tolower((unsigned char)s[0]);
}

const char *rs_err_text(int err)
{
    static _Thread_local char text[128];
    const struct known *k = find(err);
    if (k && k->text)
        return k->text;
    char buf[100] = "";
    const char *s = k ? system_text(-err, buf, sizeof buf) : "";
    if (*s)
        snprintf(text, sizeof text, "%s", s);
    else
        snprintf(text, sizeof text, "unknown error %d", err);
    lower_first(text);
    return text;
}

/* Errors that a caller may want to tell from all others; the rest is "io". */
static const struct {
    int err;
    const char *kind;
} kinds[] = {
    {-ENOENT, "notfound"},
    {RS_ENOTFOUND, "notfound"},
    {-ESRCH, "notfound"},
    {-EACCES, "denied"},
    {-EPERM, "denied"},
    {-EROFS, "denied"},
    {-EEXIST, "exists"},
    {-ETIMEDOUT, "timeout"},
    {RS_ETIMEOUT, "timeout"},
    {-ECONNREFUSED, "connect"},
    {-EHOSTUNREACH, "unreachable"},
    {-EHOSTDOWN, "unreachable"},
    {-ENETUNREACH, "unreachable"},
    {-ENETDOWN, "unreachable"},
    {RS_ECANCELLED, "cancelled"},
    {-ECANCELED, "cancelled"},
    {UV_EAI_CANCELED, "cancelled"},
    {RS_ECLOSED, "closed"},
    {-EPIPE, "closed"},
    {-ECONNRESET, "closed"},
    {-ECONNABORTED, "closed"},
    {-ESHUTDOWN, "closed"},
    {RS_EUSAGE, "usage"},
    {RS_EPARSE, "parse"},
    {RS_EPROTO, "protocol"},
};

const char *rs_err_kind(int err)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].err == err)
            return kinds[i].kind;
    return err <= UV_EAI_FIRST && err >= UV_EAI_LAST ? "connect" : "io";
}

int rs_err_from_name(const char *name)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(table[i].name, name) == 0)
            return table[i].err;
    return 0;
}
