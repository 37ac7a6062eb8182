#include "observer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <malloc.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "alarm.h"
#include "banner.h"
#include "baseline-start.h"
#include "channel.h"
#include "clock.h"
#include "diagnostics.h"
#include "engine.h"
#include "escape.h"
#include "favours.h"
#include "fd.h"
#include "host-processes.h"
#include "host-provenance.h"
#include "loop.h"
#include "progress.h"
#include "recorder.h"
#include "status-page.h"
#include "timer.h"
#include "timestamp.h"

enum {
        OBSERVER_NICE = 10,            /* a monitor must never be what makes a machine slow */
        IOPRIO_BEST_EFFORT_LOWEST = 2 << 13 | 7, /* ioprio_set(2): class 2, level 7 */
        IOPRIO_IDLE = 3 << 13,          /* whoever else reads or writes goes first */
        BUSY_TRIES = 30,                /* of a tenth of a second: how long a start waits for the one before to end */
        ONCE_TRIES = 600,               /* of a tenth of a second: how long --once waits for an answer of the guard */
};

static const struct action monitor_started = { "monitor-started", "process", "start", SEVERITY_INFO, true, NULL };
static const struct action monitor_stopped = { "monitor-stopped", "process", "end", SEVERITY_INFO, true, NULL };
static const struct action monitor_reloaded = { "monitor-reloaded", "configuration", "change", SEVERITY_LOW, true, NULL };
static const struct action configuration_refused = { "configuration-refused", "configuration", "error", SEVERITY_MEDIUM, true, NULL };
static const struct action baseline_damaged = { "baseline-damaged", "configuration", "error", SEVERITY_CRITICAL, true, NULL };
static const struct action baseline_missing = { "baseline-missing", "configuration", "error", SEVERITY_CRITICAL, true, NULL };
static const struct action sealed_mismatch = { "sealed-mismatch", "file", "change", SEVERITY_HIGH, true, NULL };
static const struct action baseline_changed = { "baseline-changed", "file", "change", SEVERITY_CRITICAL, true, NULL };
static const struct action confinement_weaker = { "confinement-weaker", "configuration", "info", SEVERITY_MEDIUM, true, NULL };
static const struct action role_ended = { "role-ended", "process", "end", SEVERITY_HIGH, true, NULL };
static const struct action sources_opened = { "sources-opened", "host", "info", SEVERITY_INFO, true, NULL };
static const struct action source_ended = { "source-ended", "host", "info", SEVERITY_HIGH, true, NULL };
static const struct action hook_finished = { "hook-finished", "process", "end", SEVERITY_INFO, true, NULL };
static const struct action hook_failed = { "hook-failed", "process", "error", SEVERITY_MEDIUM, true, NULL };

/* Our own writing rings the alarm, too: so often at most is looked for what others did. */
#define LOOK_PAUSE_NS (250 * UINT64_C(1000000))

/* How often sources are asked whether they still work, and the guard is told that we do. */
#define CHECK_EVERY_NS (OBSERVER_BEAT_S * UINT64_C(1000000000))

struct observer;

/* A source of the registry, open or not. */
struct tap {
        struct source_listener listener;
        struct observer *observer;
        const struct source *source;
        void *state;                    /* NULL: not open */
        unsigned subjects;
        int error;                      /* negative errno of its last open() */
        const char *reason;             /* static; why not, or what is missing; may be NULL */
        bool ended;
        struct buffer end_reason;
};

struct observer {
        const struct observer_options *options;
        struct host host, own_host;     /* own_host: the real root, where our own files are */
        char *host_name, *machine_id, *boot_id;
        struct event_host event_host;
        struct lmdb_baseline *lmdb;
        struct engine_watch *watches;
        size_t n_watches;
        struct watch_settings own_settings;     /* of "self": paths filled in */
        struct settings source_settings;        /* with it among the watches */
        struct watch_settings *source_watches;  /* owned; shallow */
        struct recorder *recorder;
        struct engine *engine;
        struct engine_clock clock;
        uint8_t random[2048];
        size_t random_left;
        struct favours_channel favours;
        struct status_page *page;
        struct status_page_options page_options;
        bool page_fails;
        struct loop *loop;
        struct loop_file channel, signals;
        struct tap *taps;               /* owned; in the order of the ladder */
        size_t n_taps;
        void *timer;                    /* borrowed: the state of one of them */
        uint64_t checked_ns;
        struct alarm alarm;             /* on what we write */
        bool rung, lost;                /* lost: the baseline is not to be touched any more */
        uint64_t looked_ns;
        struct host_processes processes;
        struct provenance *provenance;  /* NULL: this host has no packages */
        struct buffer datagram;
};

/* ---- the engine's clock ---- */

static struct timespec on_realtime(struct engine_clock *clock) {
        struct timespec now;

        (void)clock;
        (void)clock_gettime(CLOCK_REALTIME, &now);
        return now;
}

static uint64_t on_monotonic(struct engine_clock *clock) {
        (void)clock;
        return clock_ns(CLOCK_MONOTONIC);
}

static uint64_t on_cpu(struct engine_clock *clock) {
        (void)clock;
        return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

/* Each event takes two handfuls: the kernel is asked for many at once. */
static void on_random(struct engine_clock *clock, void *ret, size_t size) {
        struct observer *observer = container_of(clock, struct observer, clock);

        if (size > sizeof(observer->random)) {
                clock_random(ret, size);
                return;
        }
        if (observer->random_left < size) {
                clock_random(observer->random, sizeof(observer->random));
                observer->random_left = sizeof(observer->random);
        }
        observer->random_left -= size;
        memcpy(ret, observer->random + observer->random_left, size);
}

/* ---- notices of our own ---- */

__attribute__((format(printf, 4, 5)))
static void notice(struct observer *observer, const struct action *action, struct event event, const char *format, ...) {
        _cleanup_free_ char *message = NULL;
        va_list arguments;

        va_start(arguments, format);
        if (vasprintf(&message, format, arguments) < 0)
                message = NULL;
        va_end(arguments);
        event.action = action;
        event.severity = action->severity;
        event.message = message;
        if (engine_notice(observer->engine, &event) < 0)
                diagnostics_warn("%s", message ? message : action->action);
}

static int update_page(struct observer *observer) {
        _cleanup_free_ struct source_report *reports = calloc(observer->n_taps + 1, sizeof(*reports));

        if (!reports)
                return -ENOMEM;
        for (size_t i = 0; i < observer->n_taps; i++) {
                const struct tap *tap = &observer->taps[i];

                reports[i] = (struct source_report){ .name = tap->source->name, .opened = tap->state, .reason = tap->reason };
                if (!tap->state && !tap->reason && tap->error)
                        reports[i].reason = strerrordesc_np(-tap->error);
                if (tap->state && tap->source->count)
                        tap->source->count(tap->state, &reports[i].events, &reports[i].lost);
        }
        return status_page_update(observer->page, observer->engine, observer->recorder, reports, observer->n_taps);
}

/* That nobody can ask for the status is no reason not to watch: said once, tried again each round. */
static void show_status(struct observer *observer) {
        int r = 0;

        if (observer->options->once)
                return;
        if (!observer->page)
                r = status_page_new(&observer->page_options, &observer->page);
        if (r == 0)
                r = update_page(observer);
        if (r < 0 && !observer->page_fails)
                diagnostics_error(r, "the status page in %s cannot be kept up to date", observer->options->settings->run_directory);
        observer->page_fails = r < 0;
}

/* Looking at everything can wait for whoever has work to do; what a source has just seen cannot. */
static void be_nice(const struct observer *observer, bool nice) {
        if (observer->options->once)
                return;
        (void)setpriority(PRIO_PROCESS, 0, nice ? OBSERVER_NICE : 0);
        (void)syscall(SYS_ioprio_set, 1 /* IOPRIO_WHO_PROCESS */, 0, nice ? IOPRIO_IDLE : IOPRIO_BEST_EFFORT_LOWEST);
}

/* Of all watches together: the name of one may be longer than a terminal is wide. */
static void show_progress(const struct observer *observer) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        uint64_t records = 0, bytes = 0, since_ns = UINT64_MAX, now_ns = clock_ns(CLOCK_MONOTONIC);
        bool learning = false;

        for (size_t i = 0; i < engine_count(observer->engine); i++) {
                struct engine_report report;

                engine_report(observer->engine, i, &report);
                if (!report.sweeping)
                        continue;
                records += report.sweep_records;
                bytes += report.sweep_bytes;
                learning |= report.learning;
                if (report.sweep_since_ns < since_ns)
                        since_ns = report.sweep_since_ns;
        }
        buffer_append_string(&text, learning ? "first look: " : "comparing everything: ");
        progress_append(&text, records, bytes, since_ns < now_ns ? (now_ns - since_ns) / 1000000 : 0);
        if (since_ns != UINT64_MAX && buffer_error(&text) == 0)
                diagnostics_progress(buffer_string(&text));
}

static int round_now(struct observer *observer, bool thorough) {
        int r;

        be_nice(observer, true);
        r = engine_round(observer->engine, thorough);
        diagnostics_progress(NULL);
        show_status(observer);
        be_nice(observer, false);
        return r;
}

/* Between two slices of the first round, which may take minutes. False: somebody wants us to stop. */
static bool on_slice(void *context) {
        struct observer *observer = context;
        struct pollfd signals = { .fd = observer->signals.fd, .events = POLLIN };

        show_status(observer);
        show_progress(observer);
        return poll(&signals, 1, 0) <= 0;
}

/* ---- sources ---- */

static struct tap *tap_of(struct source_listener *listener) {
        return container_of(listener, struct tap, listener);
}

static void on_hint(struct source_listener *listener, const struct hint *hint) {
        engine_hint(tap_of(listener)->observer->engine, hint);
}

static void on_delta(struct source_listener *listener, const struct delta *delta) {
        engine_delta(tap_of(listener)->observer->engine, delta);
}

static void on_loss(struct source_listener *listener, const struct loss *loss) {
        engine_loss(tap_of(listener)->observer->engine, loss);
}

static void on_covers(struct source_listener *listener, const struct coverage *coverage) {
        struct tap *tap = tap_of(listener);

        engine_covers(tap->observer->engine, tap->source->name, coverage);
}

static bool is_allowed(const struct observer *observer, const struct source *source) {
        const struct strings *names = &observer->options->settings->sources;

        if (names->count == 0 || source == &source_timer)
                return true;
        for (size_t i = 0; i < names->count; i++)
                if (strcmp(names->items[i], source->name) == 0)
                        return true;
        return false;
}

static unsigned subjects_told(const struct observer *observer) {
        unsigned subjects = 0;

        for (size_t i = 0; i < observer->n_taps; i++)
                if (observer->taps[i].state)
                        subjects |= observer->taps[i].subjects;
        return subjects;
}

static void on_ended(struct source_listener *listener, const char *source, const char *reason) {
        struct tap *tap = tap_of(listener);

        (void)source;
        tap->ended = true;
        buffer_clear(&tap->end_reason);
        escape_append(&tap->end_reason, bytes_of_string(reason));
}

/* Its absence is no reason not to watch: the next rung, or polling, takes over; what is in force is stated. */
static void open_tap(struct observer *observer, struct tap *tap) {
        struct source_request request = {
                .settings = &observer->source_settings,
                .host = &observer->host,
                .loop = observer->loop,
                .listener = &tap->listener,
                .wanted = ~subjects_told(observer),
        };
        int r;

        tap->reason = NULL;
        tap->ended = false;
        tap->error = 0;
        tap->subjects = 0;
        if (!is_allowed(observer, tap->source)) {
                tap->reason = "not in Sources=";
                return;
        }
        r = tap->source->open(&request, &tap->state, &tap->subjects, &tap->reason);
        if (r == 0)
                return;
        tap->state = NULL;
        tap->error = r;
        engine_uncovers(observer->engine, tap->source->name);
        if (r != -EOPNOTSUPP)
                diagnostics_error(r, "source %s%s%s", tap->source->name, tap->reason ? ": " : "", tap->reason ? tap->reason : "");
}

/* Which rungs there are, and why the others are not: at start, and when that changes. */
static void state_sources(struct observer *observer) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;

        for (size_t i = 0; i < observer->n_taps; i++) {
                const struct tap *tap = &observer->taps[i];
                const char *why = tap->reason ? tap->reason : tap->error ? strerrordesc_np(-tap->error) : NULL;

                buffer_printf(&text, "%s%s%s", i ? "; " : "", tap->source->name, tap->state ? "" : " not in use");
                if (why)
                        buffer_printf(&text, " (%s)", why);
        }
        notice(observer, &sources_opened, (struct event){ 0 }, "sources: %s", buffer_string(&text));
}

static void close_tap(struct observer *observer, struct tap *tap) {
        if (tap->state)
                tap->source->close(tap->state);
        tap->state = NULL;
        if (observer->engine)
                engine_uncovers(observer->engine, tap->source->name);
}

static void open_closed_taps(struct observer *observer) {
        for (size_t i = 0; i < observer->n_taps; i++)
                if (!observer->taps[i].state)
                        open_tap(observer, &observer->taps[i]);
        engine_follow_processes(observer->engine, subjects_told(observer) & 1u << DELTA_PROCESS);
}

/* A source that ended (its probe detached, its descriptor closed under us) is opened anew, or the one below it is. */
static void follow_ended(struct observer *observer) {
        for (size_t i = 0; i < observer->n_taps; i++) {
                struct tap *tap = &observer->taps[i];
                const char *name = tap->source->name;
                struct loss loss = { .source = name, .reason = "source ended" };

                if (!tap->ended || !tap->state)
                        continue;
                engine_loss(observer->engine, &loss); /* while it still says what it covered */
                close_tap(observer, tap);
                open_closed_taps(observer);
                notice(observer, &source_ended, (struct event){ 0 }, "source %s ended (%s) and %s", name, buffer_string(&tap->end_reason),
                       tap->state ? "was opened again" : "could not be opened again: the next one takes over");
                state_sources(observer);
        }
}

static void check_sources(struct observer *observer) {
        for (size_t i = 0; i < observer->n_taps; i++)
                if (observer->taps[i].state && observer->taps[i].source->check)
                        observer->taps[i].source->check(observer->taps[i].state);
        follow_ended(observer);
}

static int on_batch(void *context);

/* Sources see what we are made of, too. */
static int settings_for_sources(struct observer *observer) {
        const struct settings *settings = observer->options->settings;

        observer->source_watches = calloc(settings->n_watches + 1, sizeof(*observer->source_watches));
        if (!observer->source_watches)
                return -ENOMEM;
        for (size_t i = 0; i < settings->n_watches; i++)
                observer->source_watches[i] = strcmp(settings->watches[i].kind, "self") == 0 && observer->own_settings.name
                                                      ? observer->own_settings
                                                      : settings->watches[i];
        observer->source_settings = *settings;
        observer->source_settings.watches = observer->source_watches;
        return 0;
}

static int open_sources(struct observer *observer) {
        const struct source *const *sources = observer->options->sources;
        size_t n = 0;
        int r = settings_for_sources(observer);

        if (r < 0)
                return r;
        while (sources[n])
                n++;
        observer->taps = calloc(n + 1, sizeof(*observer->taps));
        if (!observer->taps)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                observer->taps[i] = (struct tap){
                        .listener = { .hint = on_hint, .delta = on_delta, .loss = on_loss, .covers = on_covers, .ended = on_ended },
                        .observer = observer,
                        .source = sources[i],
                };
        observer->n_taps = n;
        open_closed_taps(observer);
        for (size_t i = 0; i < n; i++)
                if (sources[i] == &source_timer)
                        observer->timer = observer->taps[i].state;
        if (!observer->timer)
                return -EIO;
        loop_after(observer->loop, on_batch, observer);
        return 0;
}

static void close_sources(struct observer *observer) {
        for (size_t i = 0; i < observer->n_taps; i++) {
                close_tap(observer, &observer->taps[i]);
                buffer_done(&observer->taps[i].end_reason);
        }
        free(observer->taps);
        free(observer->source_watches);
        observer->taps = NULL;
        observer->n_taps = 0;
}

/* ---- what we write ---- */

static void on_ring(struct alarm *alarm) {
        container_of(alarm, struct observer, alarm)->rung = true;
}

/* Without it all of this is looked at once a minute. */
static void set_alarm(struct observer *observer) {
        _cleanup_buffer_ struct buffer path = BUFFER_NULL;

        buffer_printf(&path, "%s/baseline", observer->options->settings->state_directory);
        alarm_set_folder(&observer->alarm, buffer_string(&path), true);
        recorder_watch(observer->recorder, &observer->alarm);
}

/* One that is lost is told by whoever comes after us, who finds it damaged or missing. */
static void look_at_baseline(struct observer *observer) {
        switch (lmdb_baseline_stand(observer->lmdb)) {
        case LMDB_BASELINE_STANDS:
                break;
        case LMDB_BASELINE_RESTORED:
                notice(observer, &baseline_changed, (struct event){ 0 },
                       "the baseline was removed or replaced under nephronixd; it was put back as it was");
                break;
        case LMDB_BASELINE_LOST:
                diagnostics_warn("the baseline was truncated, or removed and cannot be put back: beginning anew");
                observer->lost = true;
                loop_stop(observer->loop, -EBADMSG);
                break;
        }
}

static void look_at_own_places(struct observer *observer) {
        observer->looked_ns = clock_ns(CLOCK_MONOTONIC);
        observer->rung = false;
        look_at_baseline(observer);
        if (!observer->lost)
                recorder_look(observer->recorder);
        set_alarm(observer);
}

/* ---- batches ---- */

static void drain_sources(void *context) {
        struct observer *observer = context;

        for (size_t i = 0; i < observer->n_taps; i++)
                if (observer->taps[i].state && observer->taps[i].source->drain)
                        observer->taps[i].source->drain(observer->taps[i].state);
}

static int sleep_until_due(struct observer *observer) {
        uint64_t next_ns = engine_next_ns(observer->engine), check_ns = observer->checked_ns + CHECK_EVERY_NS;

        if (next_ns > check_ns)
                next_ns = check_ns;
        if (observer->rung && next_ns > observer->looked_ns + LOOK_PAUSE_NS)
                next_ns = observer->looked_ns + LOOK_PAUSE_NS;
        return timer_set(observer->timer, next_ns ? next_ns : 1);
}

static int on_batch(void *context) {
        const struct message beat = { .type = MESSAGE_BEAT };
        struct observer *observer = context;
        uint64_t now_ns;

        if (observer->rung && clock_ns(CLOCK_MONOTONIC) >= observer->looked_ns + LOOK_PAUSE_NS)
                look_at_own_places(observer);
        if (observer->lost)
                return 0;
        follow_ended(observer);
        if (engine_wants_looks(observer->engine))
                drain_sources(observer);
        (void)engine_flush(observer->engine);
        now_ns = clock_ns(CLOCK_MONOTONIC);
        if (now_ns >= engine_next_ns(observer->engine))
                (void)round_now(observer, false);
        if (now_ns >= observer->checked_ns + CHECK_EVERY_NS) {
                check_sources(observer);
                look_at_baseline(observer);
                if (observer->lost)
                        return 0;
                recorder_tick(observer->recorder);
                observer->checked_ns = now_ns;
                (void)favours_send(observer->options->socket, &beat, -1);
        }
        return sleep_until_due(observer);
}

/* ---- the guard ---- */

static void describe_status(struct buffer *buffer, int status) {
        if (WIFSIGNALED(status))
                buffer_printf(buffer, "was ended by signal %d (%s)", WTERMSIG(status), sigabbrev_np(WTERMSIG(status)));
        else
                buffer_printf(buffer, "ended with status %d", WEXITSTATUS(status));
}

/* It ended, was killed after its time, or was not run at all. */
static void on_hook_over(struct observer *observer, const struct message *message) {
        _cleanup_buffer_ struct buffer name = BUFFER_NULL, said = BUFFER_NULL, how = BUFFER_NULL;
        int status = message->type == MESSAGE_HOOK_DONE ? (int)message->number : -1;
        struct event event = { .quiet = true }; /* an alert about a hook would run the hook again, for ever */

        escape_append(&name, message->texts[0]);
        if (message->type == MESSAGE_HOOK_REFUSED) {
                buffer_append_string(&how, "was not run: ");
                escape_append(&how, message->texts[1]);
        } else if (message->type == MESSAGE_HOOK_KILLED) {
                buffer_printf(&how, "was killed: it ran for longer than %g s", (double)message->number / 1e9);
        } else {
                describe_status(&how, status);
        }
        if (status >= 0 && WIFEXITED(status))
                event_add(&event, "process.exit_code", FIELD_NUMBER, value_number((uint64_t)WEXITSTATUS(status)));
        notice(observer, status == 0 ? &hook_finished : &hook_failed, event, "hook %s %s", buffer_string(&name),
               buffer_string(&how));
        if (message->type != MESSAGE_HOOK_REFUSED && message->texts[1].size) {
                buffer_printf(&said, "hook %s says:\n", buffer_string(&name));
                for (size_t at = 0; at < message->texts[1].size; at++) {
                        uint8_t byte = message->texts[1].data[at];
                        if (byte)
                                buffer_append_byte(&said, byte);
                }
                recorder_say(observer->recorder, buffer_string(&said));
        }
        (void)round_now(observer, false);
}

static void on_role_ended(struct observer *observer, const struct message *message) {
        const struct message noted = { .type = MESSAGE_ROLE_NOTED, .id = message->id };
        _cleanup_buffer_ struct buffer role = BUFFER_NULL, how = BUFFER_NULL;
        struct event event = { 0 };

        if (message->texts[1].size) {
                buffer_append_string(&how, "was ended by the guard ");
                escape_append(&how, message->texts[1]);
        } else {
                describe_status(&how, (int)message->number);
        }
        escape_append(&role, message->texts[0]);
        event_add(&event, "process.pid", FIELD_NUMBER, value_number(message->id));
        event_add(&event, "nephronix.ended", FIELD_TIME, value_number(message->at_ns));
        notice(observer, &role_ended, event, "nephronix's %s (pid %u) %s and was started again", buffer_string(&role), message->id,
               buffer_string(&how));
        /* Until then the guard tells it again to whoever comes after us. */
        if (round_now(observer, false) >= 0)
                (void)favours_send(observer->options->socket, &noted, -1);
}

static int on_message(struct observer *observer, const struct message *message, int fd) {
        struct hint hint = { .watch = "packages" };

        switch (message->type) {
        case MESSAGE_STOP:
                loop_stop(observer->loop, 0);
                break;
        case MESSAGE_RELOAD: {
                _cleanup_buffer_ struct buffer text = BUFFER_NULL;

                escape_append(&text, message->texts[0]);
                notice(observer, &configuration_refused, (struct event){ 0 },
                       "the configuration was not reloaded, the one in force stays: %s", buffer_string(&text));
                (void)round_now(observer, false);
                break;
        }
        case MESSAGE_HOOK_DONE:
        case MESSAGE_HOOK_KILLED:
        case MESSAGE_HOOK_REFUSED:
                on_hook_over(observer, message);
                break;
        case MESSAGE_ROLE_ENDED:
                on_role_ended(observer, message);
                break;
        case MESSAGE_PACKAGE_DATABASE_DONE:
                favours_package_database(&observer->favours, message, fd);
                fd = -1;
                engine_hint(observer->engine, &hint);
                (void)round_now(observer, false);
                break;
        case MESSAGE_PACKAGE_FILES_DONE:
                favours_package_files(&observer->favours, message, fd);
                fd = -1;
                round_now(observer, false);
                break;
        default: /* a message that only we send */
                (void)fd_close(fd);
                return -EBADMSG;
        }
        (void)fd_close(fd);
        return 0;
}

static int on_channel(struct loop_file *file, uint32_t events) {
        struct observer *observer = container_of(file, struct observer, channel);

        (void)events;
        for (;;) {
                struct message message;
                int fd = -1;
                int r = channel_receive(file->fd, MESSAGE_SIZE_MAX, &observer->datagram, &fd);

                if (r == -EAGAIN)
                        return 0;
                if (r == 0) { /* the guard is gone: nobody would start us again */
                        diagnostics_warn("the guard is gone");
                        loop_stop(observer->loop, 0);
                        return 0;
                }
                if (r > 0)
                        r = message_decode(buffer_bytes(&observer->datagram), &message);
                if (r < 0) {
                        (void)fd_close(fd);
                        return r;
                }
                r = on_message(observer, &message, fd);
                if (r < 0)
                        return r;
        }
}

static int on_signal(struct loop_file *file, uint32_t events) {
        struct observer *observer = container_of(file, struct observer, signals);
        struct signalfd_siginfo info;

        (void)events;
        while (read(file->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
                if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
                        loop_stop(observer->loop, 0);
        return 0;
}

static int open_signals(struct observer *observer) {
        sigset_t set;

        (void)sigemptyset(&set);
        (void)sigaddset(&set, SIGTERM);
        (void)sigaddset(&set, SIGINT);
        (void)sigaddset(&set, SIGHUP); /* for the guard; a stray one to us means nothing */
        (void)sigaddset(&set, SIGPIPE);
        if (sigprocmask(SIG_SETMASK, &set, NULL) < 0)
                return -errno;
        observer->signals = (struct loop_file){ .ready = on_signal };
        observer->signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        return observer->signals.fd < 0 ? -errno : loop_add(observer->loop, &observer->signals, EPOLLIN);
}

/* ---- start ---- */

static int make_folder(const char *path, mode_t mode) {
        if (mkdir(path, mode) < 0 && errno != EEXIST) {
                int r = -errno;
                diagnostics_error(r, "%s", path);
                return r;
        }
        return 0;
}

/* Where our program lies. A running program that was replaced has a mark behind its name (proc(5)). */
static char *own_program(void) {
        static const char mark[] = " (deleted)";
        _cleanup_buffer_ struct buffer path = BUFFER_NULL;

        if (link_read_at(AT_FDCWD, "/proc/self/exe", &path) < 0)
                return NULL;
        if (path.size > strlen(mark) && memcmp(path.data + path.size - strlen(mark), mark, strlen(mark)) == 0)
                buffer_truncate(&path, path.size - strlen(mark));
        return strdup(buffer_string(&path));
}

static int add_own_path(struct strings *paths, const char *path) {
        _cleanup_free_ char *copy = path ? realpath(path, NULL) : NULL;
        char **items;

        if (!copy)
                return 0;
        for (size_t i = 0; i < paths->count; i++)
                if (strcmp(paths->items[i], copy) == 0)
                        return 0;
        items = reallocarray(paths->items, paths->count + 1, sizeof(*items));
        if (!items)
                return -ENOMEM;
        paths->items = items;
        items[paths->count++] = TAKE_PTR(copy);
        return 0;
}

/* What we are made of: programs, configuration, hooks. */
static int find_own_files(struct observer *observer, const struct watch_settings *settings) {
        const struct settings *all = observer->options->settings;
        _cleanup_buffer_ struct buffer path = BUFFER_NULL;
        struct strings *paths = &observer->own_settings.paths;
        _cleanup_free_ char *program = own_program();
        int r;

        observer->own_settings = *settings;
        *paths = (struct strings){ 0 };
        r = add_own_path(paths, program);
        if (r == 0)
                r = add_own_path(paths, observer->options->helper_program);
        if (r == 0 && all->configuration_file) {
                const char *slash = strrchr(all->configuration_file, '/');

                r = add_own_path(paths, all->configuration_file);
                buffer_printf(&path, "%.*s/conf.d", slash ? (int)(slash - all->configuration_file) : 0, all->configuration_file);
                if (r == 0)
                        r = add_own_path(paths, buffer_string(&path));
        }
        buffer_clear(&path);
        buffer_printf(&path, "%s/lib", all->state_directory);
        if (r == 0)
                r = make_folder(buffer_string(&path), 0750);
        return r < 0 ? r : add_own_path(paths, buffer_string(&path));
}

static int choose_watches(struct observer *observer) {
        const struct settings *settings = observer->options->settings;

        observer->watches = calloc(settings->n_watches + 1, sizeof(*observer->watches));
        if (!observer->watches)
                return -ENOMEM;
        for (size_t i = 0; i < settings->n_watches; i++) {
                const struct watch_settings *own = &settings->watches[i];

                if (!own->enabled)
                        continue;
                for (size_t k = 0; observer->options->watches[k]; k++) {
                        const struct watch *kind = observer->options->watches[k];
                        struct engine_watch *watch = &observer->watches[observer->n_watches];

                        if (strcmp(kind->kind, own->kind) != 0 || (settings->light && !kind->light))
                                continue;
                        *watch = (struct engine_watch){ .kind = kind, .settings = own, .host = &observer->host };
                        if (strcmp(kind->kind, "self") == 0) {
                                int r = find_own_files(observer, own);
                                if (r < 0)
                                        return r;
                                watch->settings = &observer->own_settings;
                                watch->host = &observer->own_host;
                        }
                        observer->n_watches++;
                        break;
                }
        }
        return 0;
}

static void set_priorities(void) {
        /* Wishes, all of them: a container may refuse. */
        (void)setpriority(PRIO_PROCESS, 0, OBSERVER_NICE);      /* until the first round is over */
        (void)syscall(SYS_ioprio_set, 1 /* IOPRIO_WHO_PROCESS */, 0, IOPRIO_BEST_EFFORT_LOWEST);
        /* Large buffers go back to the kernel when a round is over, however many rounds have asked for them. */
        (void)mallopt(M_MMAP_THRESHOLD, 128 * 1024);
        (void)mallopt(M_TRIM_THRESHOLD, 256 * 1024);
        (void)mallopt(M_ARENA_MAX, 1);
}

struct start {
        enum baseline_found found;
        struct buffer aside, problem, weaker;
        uint64_t unwatched_since_ns;
};

static int open_baseline(struct observer *observer, struct start *start) {
        _cleanup_buffer_ struct buffer path = BUFFER_NULL;
        int r;

        buffer_printf(&path, "%s/baseline", observer->options->settings->state_directory);
        r = baseline_start(buffer_string(&path), &observer->lmdb, &start->found, &start->aside, &start->problem);
        /* An observer whose guard was killed takes a moment to end: the kernel waits before it lets go of its probes. */
        for (int tries = 0; r == -EBUSY && !observer->options->once && tries < BUSY_TRIES; tries++) {
                (void)nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
                r = baseline_start(buffer_string(&path), &observer->lmdb, &start->found, &start->aside, &start->problem);
        }
        if (r < 0)
                diagnostics_error(r, "%s", buffer_string(&path));
        return r;
}

/* From here on what comes from outside is read. The check of the baseline before it needs a child. */
static int confine(const struct observer *observer, struct start *start) {
        int r;

        /* Linux before 5.11 counts maps against this, and who may raise it is about to go. A wish: a container may refuse. */
        (void)setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){ RLIM_INFINITY, RLIM_INFINITY });
        /* Ledger, logs and status page are for this group to read, the courier and people. */
        if (observer->options->helper_user.own && geteuid() == 0 &&
            setresgid((gid_t)-1, observer->options->helper_user.group, (gid_t)-1) < 0) {
                r = -errno;
                diagnostics_error(r, "group " HELPER_USER_NAME);
                return r;
        }
        r = confinement_observer(observer->options->confinement, &start->weaker);
        if (r >= 0 && !observer->options->helper_user.own)
                buffer_printf(&start->weaker, "%sthere is no user " HELPER_USER_NAME ": what needs no privilege runs as nobody, and there is no control socket",
                              start->weaker.size ? "; " : "");
        if (r < 0)
                diagnostics_error(r, "the observer cannot give up its privileges");
        return r < 0 ? r : 0;
}

static int open_recorder(struct observer *observer, struct start *start) {
        const struct observer_options *options = observer->options;
        struct recorder_options recorder = {
                .baseline = lmdb_baseline_interface(observer->lmdb),
                .settings = options->settings,
                .watches = observer->watches,
                .n_watches = observer->n_watches,
                .sinks = options->sinks,
                .host = &observer->host,
                .favours = &observer->favours.favours,
                .event_host = observer->event_host,
                .once = options->once,
        };
        uint64_t page_ns = status_page_watched_until(options->settings);
        int r = recorder_new(&recorder, &observer->recorder);

        if (r < 0)
                return r;
        start->unwatched_since_ns = recorder_last_look(observer->recorder);
        if (page_ns > start->unwatched_since_ns)
                start->unwatched_since_ns = page_ns; /* quiet rounds write nothing to disk, but they show themselves there */
        return 0;
}

/* The same for all runs of ours in one boot, so that a package manager's run keeps its name. */
static void make_seed(const struct observer *observer, uint8_t ret[static PROCESS_TABLE_SEED_SIZE]) {
        size_t at = 0;

        for (const char *digit = observer->boot_id; *digit; digit++, at++)
                ret[at % PROCESS_TABLE_SEED_SIZE] = (uint8_t)(ret[at % PROCESS_TABLE_SEED_SIZE] * 31 + (uint8_t)*digit);
        if (at == 0)
                clock_random(ret, PROCESS_TABLE_SEED_SIZE);
}

/* One is left for whoever has work to do. */
static unsigned spare_processors(void) {
        cpu_set_t set;
        int count = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

        return count > 2 ? (unsigned)count - 1 : 1;
}

/* Where there is no package database every file is nobody's, and to say so of each tells nothing. */
static bool has_packages(const struct observer *observer) {
        static const char *const places[] = { "var/lib/dpkg/status", "var/lib/rpm", "usr/lib/sysimage/rpm" };

        for (size_t i = 0; i < ELEMENTS(places); i++) {
                _cleanup_close_ int fd = host_openat(&observer->host, places[i], O_PATH);

                if (fd >= 0)
                        return true;
        }
        return false;
}

static int open_engine(struct observer *observer, const struct start *start) {
        const struct settings *settings = observer->options->settings;
        struct engine_options engine = {
                .baseline = lmdb_baseline_interface(observer->lmdb),
                .clock = &observer->clock,
                .out = recorder_out(observer->recorder),
                .watches = observer->watches,
                .n_watches = observer->n_watches,
                .interval_ns = settings->interval_ns,
                .reconcile_ns = settings->reconcile_ns,
                .fold_window_ns = settings->fold_window_ns,
                .lookup = &observer->processes.lookup,
                .rehash_ns = settings->rehash_ns,
                .starts_gently = !observer->options->once,
                .scan_rate = settings->scan_rate,
                .scan_threads = settings->scan_threads ? (unsigned)settings->scan_threads : 1,
                .learn_threads = settings->scan_threads ? (unsigned)settings->scan_threads : spare_processors(),
                .go_on = on_slice,
                .go_on_context = observer,
                .drain = drain_sources,
                .drain_context = observer,
                .states_coverage = !observer->options->once,
                .unsettled = recorder_restored(observer->recorder),
                .next_sequence = recorder_next_sequence(observer->recorder),
                .unwatched_since_ns = start->unwatched_since_ns,
        };
        int r;

        observer->clock = (struct engine_clock){
                .realtime = on_realtime,
                .monotonic_ns = on_monotonic,
                .cpu_ns = on_cpu,
                .random = on_random,
                .tick_ns = clock_tick_ns(),
        };
        make_seed(observer, engine.seed);
        host_processes_init(&observer->processes, &observer->host);
        /* One comparison tells all that it finds: it has no time to wait for a package database. */
        r = !observer->options->once && has_packages(observer) ? host_provenance_open(&observer->host, &observer->provenance) : 0;
        if (r < 0)
                return r;
        engine.provenance = observer->provenance;
        r = engine_new(&engine, &observer->engine);
        if (r == 0)
                recorder_attach(observer->recorder, observer->engine);
        return r;
}

static void say_start(struct observer *observer, struct start *start) {
        _cleanup_buffer_ struct buffer banner = BUFFER_NULL, digest = BUFFER_NULL, since = BUFFER_NULL;
        struct event event = { 0 };
        struct timespec now;

        (void)banner_append(&banner, observer->options->version);
        recorder_say(observer->recorder, buffer_string(&banner));
        (void)banner_program_digest(&digest);
        event_add(&event, "process.pid", FIELD_NUMBER, value_number((uint64_t)getpid()));
        if (start->unwatched_since_ns) {
                struct timespec at = timestamp_of_ns(start->unwatched_since_ns);

                (void)clock_gettime(CLOCK_REALTIME, &now);
                buffer_append_string(&since, "; nobody watched since ");
                timestamp_local(&since, &at);
                buffer_printf(&since, " (%lld s)", (long long)(now.tv_sec - at.tv_sec));
                event_add(&event, "nephronix.unwatched.since", FIELD_TIME, value_number(start->unwatched_since_ns));
                event_add(&event, "nephronix.unwatched.until", FIELD_TIME, value_number(timestamp_to_ns(&now)));
        }
        notice(observer, observer->options->reloaded ? &monitor_reloaded : &monitor_started, event,
               "nephronix %s %s on %s, BLAKE2b of its program %.32s...%s", observer->options->version,
               observer->options->reloaded ? "took a new configuration" : "started", observer->host_name,
               buffer_string(&digest), buffer_string(&since));
        if (start->weaker.size)
                notice(observer, &confinement_weaker, (struct event){ 0 }, "nephronix is less confined than it is meant to be: %s",
                       buffer_string(&start->weaker));
        if (observer->options->sealed.wrong && observer->options->sealed.wrong[0] && !observer->options->sealed.told)
                notice(observer, &sealed_mismatch, (struct event){ 0 }, "not what was sealed, and used all the same (SealRequired=no): %s",
                       observer->options->sealed.wrong);
        if (start->found == BASELINE_DAMAGED)
                notice(observer, &baseline_damaged, (struct event){ 0 },
                       "the baseline was damaged (%s) and lies aside in %s: what changed while nobody watched cannot be told, and "
                       "what is there now is taken as it is", buffer_string(&start->problem), buffer_string(&start->aside));
        /* Also if whoever made it anew was killed before he had told anything. */
        if (start->found != BASELINE_DAMAGED && recorder_known_sequence(observer->recorder) == 0 &&
            recorder_ledger_sequence(observer->recorder) > 0)
                notice(observer, &baseline_missing, (struct event){ 0 },
                       "the baseline is gone though the ledger knows %llu events: what changed while nobody watched cannot be "
                       "told, and what is there now is taken as it is",
                       (unsigned long long)recorder_ledger_sequence(observer->recorder));
}

static int start_up(struct observer *observer, struct start *start) {
        const struct observer_options *options = observer->options;
        const struct settings *settings = options->settings;
        int r;

        set_priorities();
        r = host_open(&observer->host, settings->host_root);
        if (r == 0)
                r = host_open(&observer->own_host, "/");
        if (r < 0) {
                diagnostics_error(r, "%s", settings->host_root);
                return r;
        }
        r = banner_host(settings->host_root, &observer->host_name, &observer->machine_id, &observer->boot_id);
        if (r < 0)
                return r;
        observer->event_host = (struct event_host){
                .name = observer->host_name,
                .machine_id = observer->machine_id[0] ? observer->machine_id : NULL,
                .boot_id = observer->boot_id[0] ? observer->boot_id : NULL,
                .version = options->version,
        };
        favours_init(&observer->favours, options->socket, &observer->host);
        observer->host.helper = &observer->favours.helper;

        observer->loop = loop_new();
        if (!observer->loop)
                return -ENOMEM;
        r = open_signals(observer);
        if (r == 0) {
                observer->channel = (struct loop_file){ .fd = options->socket, .ready = on_channel };
                r = loop_add(observer->loop, &observer->channel, EPOLLIN);
        }
        if (r == 0)
                r = choose_watches(observer);
        if (r == 0)
                r = open_baseline(observer, start);
        if (r == 0)
                r = confine(observer, start);
        if (r == 0)
                r = open_recorder(observer, start);
        if (r == 0)
                r = open_engine(observer, start);
        if (r == 0 && !options->once)
                r = open_sources(observer);
        if (r == 0 && !options->once) {
                (void)clock_gettime(CLOCK_REALTIME, &observer->page_options.started);
                observer->page_options.settings = settings;
                observer->page_options.event_host = &observer->event_host;
                observer->page_options.sealed = &options->sealed;
        }
        return r;
}

static void shut_down(struct observer *observer) {
        alarm_done(&observer->alarm);
        close_sources(observer);
        (void)status_page_free(observer->page);
        observer->engine = engine_free(observer->engine);
        observer->provenance = host_provenance_close(observer->provenance);
        host_processes_done(&observer->processes);
        (void)recorder_free(observer->recorder);
        (void)lmdb_baseline_close(observer->lmdb);
        favours_done(&observer->favours);
        (void)loop_free(observer->loop);
        (void)fd_close(observer->signals.fd);
        host_close(&observer->host);
        host_close(&observer->own_host);
        for (size_t i = 0; i < observer->own_settings.paths.count; i++)
                free(observer->own_settings.paths.items[i]);
        free(observer->own_settings.paths.items);
        free(observer->watches);
        free(observer->host_name);
        free(observer->machine_id);
        free(observer->boot_id);
        buffer_done(&observer->datagram);
}

/* ---- the two ways to run ---- */

static bool any_waiting(const struct observer *observer) {
        for (size_t i = 0; i < engine_count(observer->engine); i++) {
                struct engine_report report;

                engine_report(observer->engine, i, &report);
                if (report.state == ENGINE_WAITING)
                        return true;
        }
        return false;
}

/* One comparison. Answers of the guard are waited for. */
static int run_once(struct observer *observer) {
        uint64_t changes = 0;
        bool failing = false;
        int r = engine_round(observer->engine, true);

        diagnostics_progress(NULL);
        for (int i = 0; r == 0 && i < ONCE_TRIES && any_waiting(observer); i++) {
                struct timespec pause = { .tv_nsec = 100000000 };

                (void)nanosleep(&pause, NULL);
                r = on_channel(&observer->channel, EPOLLIN);
        }
        for (size_t i = 0; i < engine_count(observer->engine); i++) {
                struct engine_report report;

                engine_report(observer->engine, i, &report);
                changes += report.changes;
                failing |= report.state == ENGINE_FAILING || report.state == ENGINE_WAITING;
        }
        if (r == 0)
                r = recorder_stop(observer->recorder);
        (void)fflush(stdout);
        if (r < 0 || failing)
                return OBSERVER_TROUBLE;
        return changes ? OBSERVER_CHANGES : OBSERVER_NO_CHANGE;
}

static int run(struct observer *observer, struct start *start) {
        struct message ready = { .type = MESSAGE_READY }, stopped = { .type = MESSAGE_STOPPED };
        int r;

        say_start(observer, start);
        state_sources(observer);
        (void)round_now(observer, true);
        observer->checked_ns = clock_ns(CLOCK_MONOTONIC);
        r = alarm_init(&observer->alarm, observer->loop, on_ring);
        if (r < 0)
                diagnostics_error(r, "what is done to the files in %s is noticed once a minute only",
                                  observer->options->settings->state_directory);
        look_at_own_places(observer);
        r = sleep_until_due(observer);
        if (r == 0)
                r = favours_send(observer->options->socket, &ready, -1);
        if (r < 0)
                return r;
        diagnostics_detach();
        r = loop_run(observer->loop);
        if (r < 0)
                diagnostics_error(r, "the loop ended");
        if (observer->lost)
                return r;

        drain_sources(observer);
        (void)engine_flush_all(observer->engine);
        notice(observer, &monitor_stopped, (struct event){ 0 }, "nephronix stops watching");
        (void)round_now(observer, false);
        if (recorder_stop(observer->recorder) < 0)
                diagnostics_warn("the end could not be noted");
        (void)favours_send(observer->options->socket, &stopped, -1);
        return r;
}

int observer_run(const struct observer_options *options) {
        struct observer observer = {
                .options = options,
                .host = HOST_NULL,
                .own_host = HOST_NULL,
                .channel = { .fd = -1 },
                .signals = { .fd = -1 },
                .alarm = ALARM_NULL,
                .favours = { .socket = -1, .answer = -1, .files.answer = -1 },
        };
        struct start start = { 0 };
        int r;

        diagnostics_open("observer", options->foreground);
        r = start_up(&observer, &start);
        if (r == 0)
                r = options->once ? run_once(&observer) : run(&observer, &start);
        shut_down(&observer);
        buffer_done(&start.aside);
        buffer_done(&start.problem);
        buffer_done(&start.weaker);
        if (options->once)
                return r < 0 ? OBSERVER_TROUBLE : r;
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
