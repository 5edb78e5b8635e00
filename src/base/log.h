/* The log: one line a message, with level and module; a file says which module it is before it includes this. */
#ifndef RS_BASE_LOG_H
#define RS_BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

typedef enum rs_log_level { RS_LOG_ERROR, RS_LOG_WARN, RS_LOG_INFO, RS_LOG_DEBUG, RS_LOG_TRACE } rs_log_level;

/* Takes one finished message without newline; text is valid during the call only. May not log. Called on the thread that
 * logs. */
typedef void rs_log_sink(void *user, rs_log_level level, const char *module, const char *text);

/* The least important level that is still shown; RS_LOG_WARN until set. */
void rs_log_set_level(rs_log_level level);
bool rs_log_on(rs_log_level level);
/* NULL puts back the default: "rshell: warning: loop: text" on stderr, control characters escaped. */
void rs_log_set_sink(rs_log_sink *sink, void *user);
/* Called before a message goes to stderr, on the thread that logs; NULL: nothing is. */
void rs_log_set_before(void (*fn)(void));
/* Called with each whole line in the place of stderr, on the thread that logs; false: it goes there after all. */
void rs_log_set_output(bool (*fn)(const char *line, size_t n));

/* "error", "warning" ...; the level of such a name ("warn" too), or -1. */
const char *rs_log_level_name(rs_log_level level);
int rs_log_level_from_name(const char *name);

void rs_log_write(rs_log_level level, const char *module, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#define RS_LOG(level, ...) (rs_log_on(level) ? rs_log_write((level), RS_LOG_MODULE, __VA_ARGS__) : (void)0)
#define rs_error(...) RS_LOG(RS_LOG_ERROR, __VA_ARGS__)
#define rs_warn(...) RS_LOG(RS_LOG_WARN, __VA_ARGS__)
#define rs_info(...) RS_LOG(RS_LOG_INFO, __VA_ARGS__)
#define rs_debug(...) RS_LOG(RS_LOG_DEBUG, __VA_ARGS__)
#define rs_trace(...) RS_LOG(RS_LOG_TRACE, __VA_ARGS__)

#endif
