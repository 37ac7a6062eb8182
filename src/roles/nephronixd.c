/* nephronixd.c - the daemon's start: arguments, configuration, one instance per state folder, then the guard. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "banner.h"
#include "build.h"
#include "configuration.h"
#include "fd.h"
#include "guard.h"
#include "new-file.h"
#include "registry.h"
#include "sealed.h"

enum { EXIT_NOT_STARTED = 1, EXIT_USAGE = 2, PID_SIZE = 32, LOCK_TRIES = 100 /* of a tenth of a second */ };

struct arguments {
        const char *configuration;
        bool check, once, light, foreground;
        enum confinement confinement;
};

static void usage(FILE *to) {
        (void)fprintf(to,
                      "usage: nephronixd [--config FILE] [--check-config] [--once] [--light] [--foreground]\n"
                      "\n"
                      "  --config FILE    read this file and conf.d/ beside it (default " NEPHRONIX_CONFIGURATION ")\n"
                      "  --check-config   say whether the configuration can be used, and end\n"
                      "  --once           compare once with what was known, print what changed; exit 0 nothing, 1 changes, 2 trouble\n"
                      "  --light          leave out connections and processes\n"
                      "  --foreground     stay attached, talk on stderr\n"
                      "  --version        nephronixd(8) says more\n");
}

/* 1 to go on, 0 when all is done, negative for wrong usage. */
static int parse(int argc, char **argv, struct arguments *ret) {
        static const struct option options[] = {
                { "config", required_argument, NULL, 'c' },
                { "check-config", no_argument, NULL, 'k' },
                { "once", no_argument, NULL, 'o' },
                { "light", no_argument, NULL, 'l' },
                { "foreground", no_argument, NULL, 'f' },
                { "confinement", required_argument, NULL, 's' }, /* not in the usage: for tests, do not use in production */
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, 'v' },
                { NULL, 0, NULL, 0 },
        };
        int option;

        *ret = (struct arguments){ .configuration = NEPHRONIX_CONFIGURATION, .confinement = CONFINEMENT_DEFAULT };
        while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
                switch (option) {
                case 'c':
                        ret->configuration = optarg;
                        break;
                case 'k':
                        ret->check = true;
                        break;
                case 'o':
                        ret->once = true;
                        break;
                case 'l':
                        ret->light = true;
                        break;
                case 'f':
                        ret->foreground = true;
                        break;
                case 's':
                        if (strcmp(optarg, "log") != 0) {
                                usage(stderr);
                                return -EINVAL;
                        }
                        ret->confinement = CONFINEMENT_LOGGED;
                        break;
                case 'h':
                        usage(stdout);
                        return 0;
                case 'v':
                        (void)printf("nephronixd %s\n", NEPHRONIX_VERSION);
                        return 0;
                default:
                        usage(stderr);
                        return -EINVAL;
                }
        }
        if (optind != argc) {
                usage(stderr);
                return -EINVAL;
        }
        return 1;
}

static int make_folder(const char *path, mode_t mode) {
        struct stat status;
        int r = 0;

        if (mkdir(path, mode) < 0 && errno != EEXIST)
                r = -errno;
        else if (stat(path, &status) < 0)
                r = -errno;
        else if (!S_ISDIR(status.st_mode))
                r = -ENOTDIR;
        else if (status.st_uid != geteuid() || (status.st_mode & (S_IWGRP | S_IWOTH)))
                r = -EPERM; /* who can write there can put files in our way */
        if (r == -EPERM)
                (void)fprintf(stderr, "nephronixd: %s: must be a folder of root's that nobody else can write to\n", path);
        else if (r < 0)
                (void)fprintf(stderr, "nephronixd: %s: %s\n", path, strerror(-r));
        return r;
}

/* Takes the lock. Of a daemon whose guard was killed the observer holds it until it has ended, which it does at once: waits for
 * that. -EBUSY and who holds it if somebody goes on. */
static int take_lock(int fd, char holder[static PID_SIZE]) {
        for (unsigned i = 0;; i++) {
                ssize_t n;
                int pid;

                if (flock(fd, LOCK_EX | LOCK_NB) == 0)
                        return 0;
                if (errno != EWOULDBLOCK)
                        return -errno;
                n = pread(fd, holder, PID_SIZE - 1, 0);
                holder[n > 0 ? n : 0] = '\0';
                holder[strspn(holder, "0123456789")] = '\0';
                pid = atoi(holder);
                if (i == LOCK_TRIES || pid <= 0 || kill(pid, 0) == 0 || errno != ESRCH)
                        return -EBUSY;
                (void)usleep(100000);
        }
}

/* Holds StateDirectory=/lock for as long as we run; says who holds it if somebody does. */
static int lock_state(const char *folder) {
        _cleanup_buffer_ struct buffer path = BUFFER_NULL;
        _cleanup_close_ int fd = -1;
        char holder[PID_SIZE] = "";
        int r;

        buffer_printf(&path, "%s/lock", folder);
        fd = open(buffer_string(&path), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
        if (fd < 0) {
                r = -errno;
                (void)fprintf(stderr, "nephronixd: %s: %s\n", buffer_string(&path), strerror(-r));
                return r;
        }
        r = take_lock(fd, holder);
        if (r == -EBUSY)
                (void)fprintf(stderr, "nephronixd: %s is in use by another nephronixd, pid %s\n", folder,
                              holder[0] ? holder : "unknown");
        else if (r < 0)
                (void)fprintf(stderr, "nephronixd: %s: %s\n", buffer_string(&path), strerror(-r));
        if (r < 0)
                return r;
        return TAKE_FD(fd);
}

static int write_pid(int fd) {
        char text[PID_SIZE];

        (void)snprintf(text, sizeof(text), "%d\n", (int)getpid());
        if (ftruncate(fd, 0) < 0 || pwrite(fd, text, strlen(text), 0) < 0)
                return -errno;
        return 0;
}

static int write_pid_file(const char *run_directory) {
        _cleanup_(new_file_drop) struct new_file file = NEW_FILE_NULL;
        _cleanup_close_ int folder = open(run_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        char text[PID_SIZE];
        int r;

        if (folder < 0)
                return -errno;
        (void)snprintf(text, sizeof(text), "%d\n", (int)getpid());
        r = new_file_begin(&file, folder, "nephronixd.pid", 0644);
        if (r < 0)
                return r;
        new_file_write(&file, bytes_of_string(text));
        r = new_file_finish(&file, false);
        return r < 0 ? r : new_file_place(&file);
}

static void remove_pid_file(const char *run_directory) {
        _cleanup_buffer_ struct buffer path = BUFFER_NULL;

        buffer_printf(&path, "%s/nephronixd.pid", run_directory);
        (void)unlink(buffer_string(&path));
}

/* Leaves the terminal. The first process waits until the daemon is ready and ends with its word; only the daemon comes back
 * from here, with the descriptor on which to say so, or negative errno. */
static int detach(void) {
        int ends[2], null;
        pid_t child;

        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        child = fork();
        if (child < 0)
                return -errno;
        if (child > 0) {
                char byte;
                ssize_t n;

                (void)fd_close(ends[1]);
                do
                        n = read(ends[0], &byte, 1);
                while (n < 0 && errno == EINTR);
                _exit(n == 1 ? EXIT_SUCCESS : EXIT_NOT_STARTED);
        }
        (void)fd_close(ends[0]);
        if (setsid() < 0)
                return -errno;
        /* Once more, so that no terminal can become ours and init is the parent from the first look on: a parent that
         * changes with our own start would be a change we report. */
        child = fork();
        if (child != 0)
                _exit(child < 0 ? EXIT_NOT_STARTED : EXIT_SUCCESS);
        null = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (null < 0)
                return -errno;
        if (chdir("/") < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
                return -errno;
        /* stderr stays until the start has worked (diagnostics_detach): what goes wrong is said where the admin looks */
        (void)fd_close(null);
        return ends[1];
}

/* Reloads happen in another folder than the start. NULL when out of memory or when the folder we are in is gone. */
static char *absolute(const char *path) {
        _cleanup_free_ char *folder = path[0] == '/' ? NULL : getcwd(NULL, 0);
        char *whole = NULL;

        if (path[0] == '/')
                return strdup(path);
        if (!folder || asprintf(&whole, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, path) < 0)
                return NULL;
        return whole;
}

static void raise_limits(void) {
        struct rlimit files;

        if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
                files.rlim_cur = files.rlim_max;
                (void)setrlimit(RLIMIT_NOFILE, &files);
        }
}

static char *find_helper(void) {
        static const char *const places[] = { NEPHRONIX_LIBEXEC "/nephronix-pkgdb", NULL };

        for (size_t i = 0; places[i]; i++)
                if (access(places[i], X_OK) == 0)
                        return strdup(places[i]);
        return NULL;
}

/* What is sealed must be as it was sealed, or nothing starts; under SealRequired=no it is only told. */
static int check_sealed(const char *configuration_file, struct guard_options *guard, FILE *to) {
        _cleanup_buffer_ struct buffer said = BUFFER_NULL;
        struct sealed_state *state = &guard->observer.sealed;
        int r = 0;

        state->required = guard->settings->seal_required;
        if (state->required)
                r = sealed_check(configuration_file, false, "! Exiting...\n", &guard->sealed, &said, &state->files);
        else
                sealed_look(configuration_file, &guard->sealed, &guard->wrong, &state->files);
        state->wrong = buffer_string(&guard->wrong);
        if (state->files > 0 || r < 0 || state->wrong[0])
                (void)fprintf(to, "checking BLAKE2 hashes of sealed files...\n%s", buffer_string(&said));
        if (state->wrong[0])
                (void)fprintf(to, "%s; going on all the same (SealRequired=no)\n", state->wrong);
        if (state->files > 0 && r == 0)
                (void)fprintf(to, "hashes of %zu sealed files are as expected.\n", state->files);
        (void)fflush(to);
        return r;
}

static int serve(struct settings *settings, const struct configuration_options *configuration, const struct arguments *arguments) {
        _cleanup_free_ char *helper = find_helper();
        _cleanup_free_ char *run_directory = strdup(settings->run_directory);
        _cleanup_buffer_ struct buffer banner = BUFFER_NULL;
        _cleanup_close_ int lock = -1;
        struct guard_options guard = {
                .settings = settings,
                .configuration = *configuration,
                .observer = {
                        .watches = registry_watches,
                        .sources = registry_sources,
                        .sinks = registry_sinks,
                        .foreground = arguments->foreground || arguments->once,
                        .once = arguments->once,
                        .confinement = arguments->confinement,
                        .version = NEPHRONIX_VERSION,
                        .helper_program = helper,
                },
                .foreground = arguments->foreground || arguments->once,
                .once = arguments->once,
                .ready = -1,
        };
        const int not_started = arguments->once ? EXIT_USAGE : EXIT_NOT_STARTED; /* of --once, 1 says that something changed */
        bool detached = !guard.foreground;
        int status;

        if (!run_directory || make_folder(settings->state_directory, 0750) < 0 ||
            (!arguments->once && make_folder(settings->run_directory, 0750) < 0)) {
                (void)settings_free(settings);
                return not_started;
        }
        lock = lock_state(settings->state_directory);
        if (lock < 0) {
                (void)settings_free(settings);
                return not_started;
        }
        if (!arguments->once && banner_append(&banner, NEPHRONIX_VERSION) == 0) {
                (void)fputs(buffer_string(&banner), arguments->foreground ? stderr : stdout);
                (void)fflush(stdout);
        }
        if (check_sealed(configuration->file, &guard, guard.foreground ? stderr : stdout) < 0) {
                (void)settings_free(settings);
                return not_started;
        }
        if (detached) {
                guard.ready = detach();
                if (guard.ready < 0) {
                        (void)fprintf(stderr, "nephronixd: cannot detach: %s\n", strerror(-guard.ready));
                        (void)settings_free(settings);
                        return not_started;
                }
        }
        (void)write_pid(lock);
        if (!arguments->once)
                (void)write_pid_file(run_directory);
        status = guard_run(&guard);
        if (!arguments->once)
                remove_pid_file(run_directory);
        return status;
}

int main(int argc, char **argv) {
        _cleanup_buffer_ struct buffer error = BUFFER_NULL;
        struct configuration_options configuration = {
                .watches = registry_watches,
                .sources = registry_sources,
                .alert_kinds = registry_alert_kinds,
        };
        _cleanup_free_ char *file = NULL;
        struct settings *settings = NULL;
        struct arguments arguments;
        int r = parse(argc, argv, &arguments);

        if (r <= 0)
                return r < 0 ? EXIT_USAGE : EXIT_SUCCESS;
        (void)umask(027);
        tzset();
        (void)signal(SIGPIPE, SIG_IGN);
        (void)signal(SIGCHLD, SIG_DFL); /* who ignored it left us that: our children would be gone before we ask how they ended */
        file = absolute(arguments.configuration);
        if (!file) {
                (void)fprintf(stderr, "nephronixd: %s: %s\n", arguments.configuration, strerror(errno));
                return EXIT_USAGE;
        }
        configuration.file = file;
        configuration.light = arguments.light;
        configuration.any_owner = arguments.check && geteuid() != 0;
        r = configuration_load(&configuration, &settings, &error);
        if (r < 0) {
                (void)fprintf(stderr, "nephronixd: %s\n", buffer_string(&error));
                return arguments.check || arguments.once ? EXIT_USAGE : EXIT_NOT_STARTED;
        }
        if (arguments.check) {
                (void)settings_free(settings);
                (void)printf("%s: fine\n", arguments.configuration);
                return EXIT_SUCCESS;
        }
        raise_limits();
        return serve(settings, &configuration, &arguments);
}
