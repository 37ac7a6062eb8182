#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "blake2b.h"
#include "build.h"
#include "fd.h"
#include "host.h"
#include "new-file.h"
#include "output.h"
#include "seal.h"
#include "ssh-private-key.h"
#include "verb.h"

enum { SIGNATURE_WIDTH = 70, SIGNERS_MAX = 1 << 20 };

/* The list in the making: paths in order, then their lines. */
struct list {
        char **paths;                   /* owned, each too */
        size_t count;
};

static void list_done(struct list *list) {
        for (size_t i = 0; i < list->count; i++)
                free(list->paths[i]);
        free(list->paths);
}

static int add(struct list *list, const char *path) {
        char **longer = reallocarray(list->paths, list->count + 1, sizeof(*list->paths));

        if (!longer)
                return -ENOMEM;
        list->paths = longer;
        longer[list->count] = strdup(path);
        return longer[list->count] ? (list->count++, 0) : -ENOMEM;
}

static int add_if_there(struct list *list, const char *folder, const char *name) {
        _cleanup_free_ char *path = NULL;
        struct stat stat_;

        if (asprintf(&path, "%s/%s", folder, name) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        return stat(path, &stat_) == 0 && S_ISREG(stat_.st_mode) ? add(list, path) : 0;
}

/* Regular files below a folder; none if it is not there. */
static int add_below(struct list *list, const char *folder, const char *suffix) {
        char *roots[] = { (char *)(uintptr_t)folder, NULL };
        FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
        FTSENT *entry;
        int r = 0;

        if (!walk)
                return -errno;
        while (r == 0 && (entry = fts_read(walk))) {
                size_t length = entry->fts_pathlen;

                if (entry->fts_info == FTS_F && length > strlen(suffix) &&
                    strcmp(entry->fts_path + length - strlen(suffix), suffix) == 0)
                        r = add(list, entry->fts_path);
                else if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR ||
                         (entry->fts_info == FTS_NS && entry->fts_errno != ENOENT))
                        r = -entry->fts_errno;
        }
        (void)fts_close(walk);
        return r;
}

static char *folder_of(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
}

/* The command that runs stands beside the daemon, or in bin/ where that is in sbin/. */
static int add_programs(struct list *list) {
        _cleanup_free_ char *self = realpath("/proc/self/exe", NULL), *folder = NULL, *other = NULL;
        int r;

        if (!self)
                return -errno;
        folder = folder_of(self);
        if (!folder || asprintf(&other, "%s/../sbin", folder) < 0) {
                other = NULL;
                return -ENOMEM;
        }
        r = add(list, self);
        if (r == 0)
                r = add_if_there(list, folder, "nephronixd");
        if (r == 0) {
                _cleanup_free_ char *sbin = realpath(other, NULL);

                if (sbin && strcmp(sbin, folder) != 0)
                        r = add_if_there(list, sbin, "nephronixd");
        }
        return r == 0 ? add_below(list, NEPHRONIX_LIBEXEC, "") : r;
}

static int gather(struct list *list, const char *file, const char *state_directory) {
        _cleanup_free_ char *folder = folder_of(file), *drop_ins = NULL, *hooks = NULL;
        int r;

        if (!folder || asprintf(&drop_ins, "%s/conf.d", folder) < 0)
                return -ENOMEM;
        if (asprintf(&hooks, "%s/lib", state_directory) < 0) {
                hooks = NULL;
                return -ENOMEM;
        }
        r = add_programs(list);
        if (r == 0)
                r = add(list, file);
        if (r == 0)
                r = add_below(list, drop_ins, ".conf");
        if (r == 0)
                r = add_if_there(list, folder, "allowed_signers");
        return r == 0 ? add_below(list, hooks, "") : r;
}

static int write_line(struct buffer *text, const char *path) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        uint8_t digest[BLAKE2B_SIZE];
        int r = fd < 0 ? -errno : blake2b_file(fd, digest);

        if (r < 0) {
                output_say_why(r, "cannot read %s", path);
                return r;
        }
        if (strpbrk(path, "\\\n\r")) {
                output_say("%s cannot be sealed: its name has a backslash or a line break", path);
                return -EINVAL;
        }
        for (size_t i = 0; i < sizeof(digest); i++)
                buffer_printf(text, "%02x", digest[i]);
        buffer_printf(text, "  %s\n", path);
        return 0;
}

static int put_into_place(const char *file, const char *name, struct bytes text) {
        _cleanup_(new_file_drop) struct new_file new = NEW_FILE_NULL;
        _cleanup_free_ char *folder = folder_of(file);
        _cleanup_close_ int directory = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        int r = directory < 0 ? -errno : new_file_begin(&new, directory, name, 0644);

        if (r == 0) {
                new_file_write(&new, text);
                r = new_file_finish(&new, true);
        }
        return r == 0 ? new_file_place(&new) : r;
}

/* ---- signing ---- */

struct signing_key {
        uint8_t seed[SSH_PRIVATE_KEY_SEED_SIZE], key[SSHSIG_KEY_SIZE];
};

static void forget_key(struct signing_key *key) {
        explicit_bzero(key, sizeof(*key));
}

/* 0, or negative errno, said. */
static int read_signing_key(const char *file, struct signing_key *ret) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        uint8_t own[SSHSIG_KEY_SIZE];
        int r;

        r = file_read_at(AT_FDCWD, file, SSH_PRIVATE_KEY_FILE_MAX, &text);
        if (r < 0) {
                output_say_why(r, "cannot read %s", file);
                return r;
        }
        r = ssh_private_key_read(buffer_bytes(&text), ret->seed, ret->key);
        if (text.data)
                explicit_bzero(text.data, text.capacity);
        if (r == 0) {
                seal_key(ret->seed, own);
                r = memcmp(own, ret->key, sizeof(own)) == 0 ? 0 : -EBADMSG;
        }
        if (r == -ENOKEY)
                output_say("%s has a passphrase: sign with ssh-keygen -Y sign -f %s -n " SEALED_NAMESPACE " sealed", file, file);
        else if (r == -ENOTSUP)
                output_say("%s is not an Ed25519 key", file);
        else if (r < 0)
                output_say("%s is not a secret key as ssh-keygen(1) writes it", file);
        return r;
}

struct signer {
        const uint8_t *key;             /* NULL: none */
        bool any, found;
};

static int on_signer(void *context, const uint8_t key[SSHSIG_KEY_SIZE]) {
        struct signer *signer = context;

        signer->any = true;
        signer->found |= signer->key && memcmp(signer->key, key, SSHSIG_KEY_SIZE) == 0;
        return 0;
}

/* What will be in the way of the next start, or makes the signature idle. */
static void say_what_is_missing(const char *path, const uint8_t *key) {
        _cleanup_free_ char *folder = folder_of(path), *file = NULL;
        _cleanup_buffer_ struct buffer text = BUFFER_NULL, line = BUFFER_NULL;
        struct signer signer = { .key = key };
        int r;

        if (!folder || asprintf(&file, "%s/allowed_signers", folder) < 0)
                return;
        r = file_read_at(AT_FDCWD, file, SIGNERS_MAX, &text);
        if (r == 0)
                (void)sshsig_allowed_signers(buffer_bytes(&text), SEALED_NAMESPACE, on_signer, &signer);
        if (r == 0 && !key) {
                output_say("the list must be signed now, for there is %s: ssh-keygen -Y sign -f KEY -n " SEALED_NAMESPACE " %s/sealed",
                           file, folder);
        } else if (key && !signer.found) {
                sshsig_key_append(&line, key);
                output_say(r == 0 ? "this key is not one of %s; its line would be: admin namespaces=\"" SEALED_NAMESPACE "\" %s"
                                  : "nobody asks for the signature: there is no %s; its line would be: admin "
                                    "namespaces=\"" SEALED_NAMESPACE "\" %s",
                           file, buffer_string(&line));
        }
}

static int sign(const char *path, struct bytes list, const struct signing_key *key) {
        _cleanup_buffer_ struct buffer digits = BUFFER_NULL, text = BUFFER_NULL;

        seal_sign(&digits, SEALED_NAMESPACE, list, key->seed);
        if (buffer_error(&digits) < 0)
                return -ENOMEM;
        buffer_printf(&text, "%s\n", sshsig_begin);
        for (size_t at = 0; at < digits.size; at += SIGNATURE_WIDTH) {
                buffer_append(&text, digits.data + at, digits.size - at < SIGNATURE_WIDTH ? digits.size - at : SIGNATURE_WIDTH);
                buffer_append_byte(&text, '\n');
        }
        buffer_printf(&text, "%s\n", sshsig_end);
        return buffer_error(&text) < 0 ? -ENOMEM : put_into_place(path, "sealed.sig", buffer_bytes(&text));
}

static int seal(const char *file, const char *state_directory, bool print, const struct signing_key *key) {
        _cleanup_(list_done) struct list list = { .paths = NULL };
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        _cleanup_free_ char *path = realpath(file, NULL);
        int r = path ? gather(&list, path, state_directory) : -errno;

        if (r < 0) {
                output_say_why(r, "cannot list what is to be sealed");
                return VERB_TROUBLE;
        }
        for (size_t i = 0; i < list.count; i++)
                if (write_line(&text, list.paths[i]) < 0)
                        return VERB_TROUBLE;
        if (print)
                return output_flush(&text) < 0 ? VERB_TROUBLE : VERB_FINE;
        r = buffer_error(&text) < 0 ? -ENOMEM : put_into_place(path, "sealed", buffer_bytes(&text));
        if (r < 0) {
                output_say_why(r, "cannot write the list of sealed files");
                return VERB_TROUBLE;
        }
        r = key ? sign(path, buffer_bytes(&text), key) : 0;
        if (r < 0) {
                output_say_why(r, "cannot write the signature");
                return VERB_TROUBLE;
        }
        output_say("%zu files are sealed%s", list.count, key ? " and signed" : "");
        say_what_is_missing(path, key ? key->key : NULL);
        return VERB_FINE;
}

static int seal_run(const struct command *command, int argc, char **argv) {
        static const struct option options[] = {
                { "key", required_argument, NULL, 'k' },
                { "print", no_argument, NULL, 'p' },
                { "help", no_argument, NULL, 'h' },
                { 0 },
        };
        _cleanup_settings_ struct settings *settings = NULL;
        _cleanup_(forget_key) struct signing_key key = { .seed = { 0 } };
        const char *key_file = NULL;
        bool print = false;
        int letter;

        while ((letter = command_option(&verb_seal, argc, argv, "k:ph", options)) >= 0) {
                if (letter == 'h')
                        return VERB_FINE;
                if (letter == '?')
                        return VERB_TROUBLE;
                if (letter == 'k')
                        key_file = optarg;
                print |= letter == 'p';
        }
        if (print && key_file)
                return command_usage(&verb_seal, "--print and --key do not go together");
        if (argc != optind)
                return command_usage(&verb_seal, "takes no argument");
        settings = command_settings(command);
        if (!settings || (key_file && read_signing_key(key_file, &key) < 0))
                return VERB_TROUBLE;
        return seal(command->file, settings->state_directory, print, key_file ? &key : NULL);
}

const struct verb verb_seal = {
        .name = "seal",
        .synopsis = "[--key FILE | --print]",
        .summary = "Writes the hashes that programs, configuration and hooks must have",
        .options = "  -k, --key FILE  sign it with this secret Ed25519 key of ssh-keygen(1): makes 'sealed.sig' beside it\n"
                   "  -p, --print     to standard output, to be signed elsewhere, instead of to 'sealed' beside the configuration\n"
                   "\nSign it elsewhere with: ssh-keygen -Y sign -f KEY -n nephronix-sealed sealed\n"
                   "\nExit status: 0 done; 2 trouble.\n",
        .run = seal_run,
};
