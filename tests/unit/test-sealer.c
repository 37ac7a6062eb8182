/* test-sealer.c - each seal is signed with the key that the one before names, whatever a crash leaves of the step from key to key;
 * and what somebody makes of the seals is named. */
#include "ledger-folder.h"

#include "sealer.h"
#include "verify.h"

static const char boot_id[] = "0e9c0f0d-6a0f-4e0b-9d7a-6b2f8a1c2d3e";

struct sealed {
        struct ledger_folder *folder;
        struct sealer *sealer;
        char *keys;
        int standing;
};

static void open_sealer(struct sealed *sealed) {
        sealed->sealer = sealer_close(sealed->sealer);
        sealed->standing = sealer_open(sealed->folder->path, sealed->keys, &sealed->sealer);
        assert_true(sealed->standing >= 0);
}

static struct sealed sealed_make(struct ledger_folder *folder) {
        struct sealed sealed = { .folder = folder, .keys = tree_path(&folder->tree, "seal") };

        open_ledger(folder, 1000000);
        open_sealer(&sealed);
        return sealed;
}

static void sealed_done(struct sealed *sealed) {
        sealed->sealer = sealer_close(sealed->sealer);
        free(sealed->keys);
}
#define _cleanup_sealed_ __attribute__((cleanup(sealed_done)))

static int seal(struct sealed *sealed) {
        uint8_t head[CHAIN_HASH_SIZE];

        ledger_head(sealed->folder->ledger, head);
        return sealer_seal(sealed->sealer, ledger_last_sequence(sealed->folder->ledger), head, boot_id, "test");
}

/* Records and a seal behind each three of them. */
static void write_sealed(struct sealed *sealed, unsigned seals) {
        for (unsigned i = 0; i < seals; i++) {
                uint64_t last = ledger_last_sequence(sealed->folder->ledger);

                append_lines(sealed->folder, last + 1, last + 3);
                assert_int_equal(seal(sealed), 0);
        }
}

static void assert_verdict(struct sealed *sealed, const char *what, enum verify_kind kind, uint64_t first, uint64_t last, const char *text) {
        struct verify_result result;

        assert_int_equal(verify_ledger(&(struct verify_options){ .folder = sealed->folder->path }, &result), 0);
        if (result.kind != kind || result.bad_first != first || result.bad_last != last || strcmp(buffer_string(&result.text), text) != 0)
                fail_msg("%s: %s, %llu to %llu: %s", what, verify_kind_name(result.kind), (unsigned long long)result.bad_first,
                         (unsigned long long)result.bad_last, buffer_string(&result.text));
        verify_result_done(&result);
}

/* ---- files as lines ---- */

struct lines {
        char *line[64];                 /* owned */
        size_t count;
};

static void lines_read(struct tree *tree, const char *name, struct lines *lines) {
        _cleanup_free_ char *path = tree_path(tree, name), *line = NULL;
        FILE *stream = fopen(path, "re");
        size_t size = 0;
        ssize_t n;

        assert_non_null(stream);
        *lines = (struct lines){ .count = 0 };
        while ((n = getline(&line, &size, stream)) > 0)
                lines->line[lines->count++] = strndup(line, (size_t)n - 1);
        (void)fclose(stream);
}

static void lines_write(struct tree *tree, const char *name, const struct lines *lines, size_t from, size_t to) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;

        for (size_t i = from; i < to; i++)
                buffer_printf(&text, "%s\n", lines->line[i]);
        tree_write(tree, name, text.data ? (const char *)text.data : "", text.size);
}

static void lines_done(struct lines *lines) {
        for (size_t i = 0; i < lines->count; i++)
                free(lines->line[i]);
}

#define SEALS "ledger/" SEAL_FILE
#define EVENTS "ledger/events-00000000000000000001.jsonl"

static void cut_last_line(struct tree *tree) {
        _cleanup_free_ char *path = tree_path(tree, SEALS);
        struct stat status;

        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(truncate(path, status.st_size - 100), 0);
}

/* ---- tests ---- */

static void test_sealed(void **state) {
        struct ledger_folder *folder = *state;
        _cleanup_sealed_ struct sealed sealed = sealed_make(folder);
        _cleanup_free_ char *key = tree_path(&folder->tree, "seal/key"), *signers = tree_path(&folder->tree, "elsewhere");
        uint8_t first[SSHSIG_KEY_SIZE];
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        struct verify_result result;
        struct stat status;

        assert_int_equal(sealed.standing, SEALER_BEGUN);
        sealer_key(sealed.sealer, first);
        write_sealed(&sealed, 3);
        assert_int_equal(seal(&sealed), 0); /* of nothing new: time has passed, and it is shown */
        open_sealer(&sealed);
        assert_int_equal(sealed.standing, SEALER_STANDS);
        assert_int_equal(sealer_number(sealed.sealer), 4);
        assert_int_equal(sealer_last(sealed.sealer), 9);
        write_sealed(&sealed, 1);
        append_lines(folder, 13, 14);
        assert_int_equal(stat(sealed.keys, &status), 0);
        assert_int_equal(status.st_mode & 07777, 0700);
        assert_int_equal(stat(key, &status), 0);
        assert_int_equal(status.st_mode & 07777, 0600);

        assert_int_equal(verify_ledger(&(struct verify_options){ .folder = folder->path }, &result), 0);
        assert_string_equal(buffer_string(&result.text), "");
        assert_int_equal(result.seals, 5);
        assert_int_equal(result.sealed, 12);
        assert_int_equal(result.last, 14);
        assert_true(result.own_signers);
        verify_result_done(&result);

        /* with the key that the admin kept */
        buffer_append_string(&text, "host ");
        sshsig_key_append(&text, first);
        tree_write(&folder->tree, "elsewhere", text.data, text.size);
        assert_int_equal(verify_ledger(&(struct verify_options){ .folder = folder->path, .allowed_signers = signers }, &result), 0);
        assert_int_equal(result.kind, VERIFY_FINE);
        assert_int_equal(result.seals, 5);
        assert_false(result.own_signers);
        verify_result_done(&result);
        first[0] ^= 1;
        buffer_clear(&text);
        buffer_append_string(&text, "host ");
        sshsig_key_append(&text, first);
        tree_write(&folder->tree, "elsewhere", text.data, text.size);
        assert_int_equal(verify_ledger(&(struct verify_options){ .folder = folder->path, .allowed_signers = signers }, &result), 0);
        assert_int_equal(result.kind, VERIFY_UNKNOWN_KEY);
        assert_string_equal(buffer_string(&result.text), "seal 0 is signed with a key that is none of the allowed signers'");
        verify_result_done(&result);
        tree_text(&folder->tree, "elsewhere", "nobody\n");
        assert_int_equal(verify_ledger(&(struct verify_options){ .folder = folder->path, .allowed_signers = signers }, &result), -EINVAL);
        verify_result_done(&result);
        assert_int_equal(verify_ledger(&(struct verify_options){ .folder = folder->path, .allowed_signers = "/no/such" }, &result), -ENOKEY);
        verify_result_done(&result);
}

/* The secret of a seal is nowhere once it has signed. */
static void test_forward_secure(void **state) {
        struct ledger_folder *folder = *state;
        _cleanup_sealed_ struct sealed sealed = sealed_make(folder);
        _cleanup_free_ char *path = tree_path(&folder->tree, "seal/key");
        uint8_t before[48], after[48], held[48];
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        assert_true(fd >= 0);
        assert_int_equal(pread(fd, before, sizeof(before), 0), sizeof(before));
        write_sealed(&sealed, 1);
        assert_int_equal(pread(fd, held, sizeof(held), 0), sizeof(held)); /* the file itself was overwritten, not only unlinked */
        for (size_t i = 0; i < sizeof(held); i++)
                assert_int_equal(held[i], 0);
        (void)close(fd);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_int_equal(pread(fd, after, sizeof(after), 0), sizeof(after));
        (void)close(fd);
        assert_memory_not_equal(before + 16, after + 16, 32);
}

/* Whatever stands after a crash at each step, the next start goes on, and the seals are one chain. */
static void test_crashes(void **state) {
        struct ledger_folder *folder = *state;
        _cleanup_sealed_ struct sealed sealed = sealed_make(folder);
        _cleanup_free_ char *key = tree_path(&folder->tree, "seal/key"), *next = tree_path(&folder->tree, "seal/key.new");
        uint8_t before[48], after[48];
        static const uint8_t zeros[48];
        struct lines seals;

        for (int step = 0; step < 7; step++) {
                int fd;

                fd = open(key, O_RDONLY | O_CLOEXEC);
                assert_int_equal(read(fd, before, sizeof(before)), sizeof(before));
                (void)close(fd);
                write_sealed(&sealed, 1);
                sealed.sealer = sealer_close(sealed.sealer);
                fd = open(key, O_RDONLY | O_CLOEXEC);
                assert_int_equal(read(fd, after, sizeof(after)), sizeof(after));
                (void)close(fd);
                lines_read(&folder->tree, SEALS, &seals);
                switch (step) {
                case 0: /* the next key was being written */
                        tree_write(&folder->tree, "seal/key", before, sizeof(before));
                        tree_write(&folder->tree, "seal/key.new", after, 20);
                        lines_write(&folder->tree, SEALS, &seals, 0, seals.count - 1);
                        break;
                case 1: /* it was, the seal was not */
                        tree_write(&folder->tree, "seal/key", before, sizeof(before));
                        tree_write(&folder->tree, "seal/key.new", after, sizeof(after));
                        cut_last_line(&folder->tree);
                        break;
                case 2: /* the seal was, the old key is not wiped */
                        tree_write(&folder->tree, "seal/key", before, sizeof(before));
                        tree_write(&folder->tree, "seal/key.new", after, sizeof(after));
                        break;
                case 3: /* wiped, not replaced */
                        tree_write(&folder->tree, "seal/key", zeros, sizeof(zeros));
                        tree_write(&folder->tree, "seal/key.new", after, sizeof(after));
                        break;
                case 4: /* it could not be synced, nor cut off again, and the daemon ended */
                        tree_write(&folder->tree, "seal/key", before, sizeof(before));
                        break;
                case 5: /* or went on */
                        tree_write(&folder->tree, "seal/key", before, sizeof(before));
                        lines_write(&folder->tree, SEALS, &seals, 0, seals.count - 1);
                        break;
                default: /* all of it */
                        break;
                }
                open_sealer(&sealed);
                assert_int_equal(sealed.standing, SEALER_STANDS);
                if (step == 5)
                        lines_write(&folder->tree, SEALS, &seals, 0, seals.count);
                lines_done(&seals);
                write_sealed(&sealed, 1);
                assert_int_equal(access(next, F_OK), -1);
                assert_verdict(&sealed, "after a crash", VERIFY_FINE, 0, 0, "");
        }
}

/* What the daemon finds at its start. */
static void test_tampered_at_start(void **state) {
        struct ledger_folder *folder = *state;
        _cleanup_sealed_ struct sealed sealed = sealed_make(folder);
        _cleanup_free_ char *key = tree_path(&folder->tree, "seal/key"), *file = tree_path(&folder->tree, SEALS);
        struct lines seals;

        write_sealed(&sealed, 3);
        lines_read(&folder->tree, SEALS, &seals);
        lines_write(&folder->tree, SEALS, &seals, 0, 2);
        open_sealer(&sealed);
        assert_int_equal(sealed.standing, SEALER_SEALS_LOST);
        lines_write(&folder->tree, SEALS, &seals, 0, 3);
        open_sealer(&sealed);
        assert_int_equal(sealed.standing, SEALER_STANDS);
        assert_int_equal(unlink(file), 0);
        open_sealer(&sealed);
        assert_int_equal(sealed.standing, SEALER_SEALS_LOST);
        write_sealed(&sealed, 1);
        assert_verdict(&sealed, "all seals removed", VERIFY_SEAL_REMOVED, 1, 12, "seals 0 to 2 are missing");
        lines_write(&folder->tree, SEALS, &seals, 0, 3);
        lines_done(&seals);

        assert_int_equal(unlink(key), 0);
        open_sealer(&sealed);
        assert_int_equal(sealed.standing, SEALER_KEY_LOST);
        write_sealed(&sealed, 2);
        /* The folder's own list of signers vouches for the other first key; the one that the admin keeps does not. */
        open_sealer(&sealed);
        assert_int_equal(sealed.standing, SEALER_STANDS);
}

/* ---- what somebody who is root makes of it ---- */

static void forge(struct sealed *sealed, const char *what, enum verify_kind kind, uint64_t first, uint64_t last, const char *text,
                  const struct lines *seals, const size_t *order, size_t count) {
        struct lines forged = { .count = count };

        for (size_t i = 0; i < count; i++)
                forged.line[i] = seals->line[order[i]];
        lines_write(&sealed->folder->tree, SEALS, &forged, 0, count);
        assert_verdict(sealed, what, kind, first, last, text);
}
#define FORGE(what, kind, first, last, text, ...)                                                                                 \
        forge(&sealed, what, kind, first, last, text, &seals, (const size_t[]){ __VA_ARGS__ },                                    \
              sizeof((const size_t[]){ __VA_ARGS__ }) / sizeof(size_t))

/* The key of today signs what is said of yesterday (the journal's CVE-2023-31439). */
static char *sign_again(struct ledger_folder *folder, const char *line, uint64_t number) {
        _cleanup_free_ char *path = tree_path(&folder->tree, "seal/key");
        _cleanup_buffer_ struct buffer forged = BUFFER_NULL;
        uint8_t file[48], key[SSHSIG_KEY_SIZE];
        struct seal seal;
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        assert_true(fd >= 0);
        assert_int_equal(read(fd, file, sizeof(file)), sizeof(file));
        (void)close(fd);
        assert_int_equal(seal_read(bytes_of_string(line), &seal, key), 0);
        seal.number = number;
        seal.reason = "test";
        assert_int_equal(seal_append(&forged, &seal, file + 16), 0);
        return strndup((const char *)forged.data, forged.size - 1);
}

static void test_manipulations(void **state) {
        struct ledger_folder *folder = *state;
        _cleanup_sealed_ struct sealed sealed = sealed_make(folder);
        struct lines seals, events;

        write_sealed(&sealed, 6);
        lines_read(&folder->tree, SEALS, &seals);
        lines_read(&folder->tree, EVENTS, &events);
        FORGE("nothing", VERIFY_FINE, 0, 0, "", 0, 1, 2, 3, 4, 5);
        FORGE("the newest cut off", VERIFY_FINE, 0, 0, "", 0, 1, 2, 3, 4);
        FORGE("one cut out", VERIFY_SEAL_REMOVED, 10, 12, "seal 2 is missing", 0, 1, 3, 4, 5);
        FORGE("the first cut off", VERIFY_SEAL_REMOVED, 7, 9, "seals 0 to 1 are missing", 2, 3, 4, 5);
        FORGE("one twice", VERIFY_UNKNOWN_KEY, 4, 6, "seal 1 is signed with a key that the one before does not name", 0, 1, 1, 2, 3, 4, 5);
        FORGE("two changed", VERIFY_SEAL_REMOVED, 7, 9, "seal 1 is missing", 0, 2, 1, 3, 4, 5);

        /* records behind the last but one seal are cut off: the last one shows it */
        lines_write(&folder->tree, SEALS, &seals, 0, 6);
        lines_write(&folder->tree, EVENTS, &events, 0, 16);
        assert_verdict(&sealed, "cut off", VERIFY_TRUNCATED, 17, 18, "records 17 to 18 are missing at the end: seal 5 has signed them");
        /* with the seals that say so, and something new sealed behind it with the key of today (CVE-2023-31438) */
        lines_write(&folder->tree, EVENTS, &events, 0, 12);
        lines_write(&folder->tree, SEALS, &seals, 0, 4);
        open_ledger(folder, 1000000);
        open_sealer(&sealed);
        assert_int_equal(sealed.standing, SEALER_SEALS_LOST);
        append_lines(folder, 13, 14);
        assert_int_equal(seal(&sealed), 0);
        assert_verdict(&sealed, "truncated and gone on with", VERIFY_SEAL_REMOVED, 13, 14, "seals 4 to 5 are missing");
        lines_write(&folder->tree, SEALS, &seals, 0, 6);
        lines_write(&folder->tree, EVENTS, &events, 0, 18);

        /* all of it is written anew from record 5 on, with links that fit */
        {
                struct lines forged = { .count = 0 };

                for (size_t i = 0; i < events.count; i++) {
                        _cleanup_buffer_ struct buffer line = BUFFER_NULL;
                        struct chain_link link = { .begins = CHAIN_GOES_ON };
                        _cleanup_free_ char *object = NULL;

                        if (i < 4) {
                                forged.line[forged.count++] = strdup(events.line[i]);
                                continue;
                        }
                        chain_hash(bytes_of_string(forged.line[i - 1]), link.prev);
                        assert_true(asprintf(&object, "{\"event\":{\"sequence\":%zu},\"message\":\"forged\"}", i + 1) > 0);
                        assert_int_equal(chain_append(&line, bytes_of_string(object), &link), 0);
                        forged.line[forged.count++] = strdup(buffer_string(&line));
                }
                lines_write(&folder->tree, EVENTS, &forged, 0, forged.count);
                lines_done(&forged);
                assert_verdict(&sealed, "rewritten", VERIFY_REWRITTEN, 4, 6,
                               "records 4 to 6 are not what seal 1 signed: rewritten, with links that fit");
                lines_write(&folder->tree, EVENTS, &events, 0, 18);
        }

        /* the last one, right behind a seal: nothing stands behind it that would say which of the two it is, but the seal does */
        {
                char *link = strstr(events.line[6], "\"prev\":\"");

                link[10] = link[10] == '0' ? '1' : '0';
                lines_write(&folder->tree, EVENTS, &events, 0, 7);
                lines_write(&folder->tree, SEALS, &seals, 0, 2);
                assert_verdict(&sealed, "the last one", VERIFY_EDITED, 7, 7, "record 7 was edited");
                lines_write(&folder->tree, SEALS, &seals, 0, 1);
                assert_verdict(&sealed, "the last one, not sealed", VERIFY_EDITED, 6, 6, "record 6 was edited");
        }
        lines_done(&events);
        lines_done(&seals);
}

static void test_later_key(void **state) {
        struct ledger_folder *folder = *state;
        _cleanup_sealed_ struct sealed sealed = sealed_make(folder);
        struct lines seals;
        char *at;

        write_sealed(&sealed, 4);
        lines_read(&folder->tree, SEALS, &seals);
        {
                char *kept = seals.line[1];

                seals.line[1] = sign_again(folder, kept, 1);
                lines_write(&folder->tree, SEALS, &seals, 0, 4);
                assert_verdict(&sealed, "a later key", VERIFY_LATER_KEY, 4, 6, "seal 1 is signed with the key of a later one");
                free(seals.line[1]);
                seals.line[1] = kept;
        }
        {
                /* the key of the next one, for a seal that does not go on where the last one ended */
                char *forged = sign_again(folder, seals.line[1], 4);

                seals.line[seals.count++] = forged;
                lines_write(&folder->tree, SEALS, &seals, 0, 5);
                assert_verdict(&sealed, "of old records", VERIFY_SEAL_EDITED, 4, 6, "seal 4 does not go on where the one before ended");
                seals.count--;
                free(forged);
        }
        at = strstr(seals.line[2], "\"last\":9");
        assert_non_null(at);
        at[7] = '8';
        lines_write(&folder->tree, SEALS, &seals, 0, 4);
        assert_verdict(&sealed, "edited", VERIFY_SEAL_EDITED, 7, 8, "seal 2 is not what was signed");
        at[0] = 'x';
        lines_write(&folder->tree, SEALS, &seals, 0, 4);
        assert_verdict(&sealed, "no seal", VERIFY_SEAL_EDITED, 7, 7, "seal 2 is none");
        lines_done(&seals);
}

static void test_harm(void **state) {
        struct ledger_folder *folder = *state;
        _cleanup_sealed_ struct sealed sealed = sealed_make(folder);
        _cleanup_free_ char *path = tree_path(&folder->tree, SEALS);

        assert_true(sealer_stands(sealed.sealer));
        write_sealed(&sealed, 2);
        assert_true(sealer_stands(sealed.sealer));
        cut_last_line(&folder->tree);
        assert_false(sealer_stands(sealed.sealer));
        assert_true(sealer_stands(sealed.sealer)); /* said once */
        assert_int_equal(unlink(path), 0);
        assert_false(sealer_stands(sealed.sealer));
        write_sealed(&sealed, 1);
        assert_true(sealer_stands(sealed.sealer));
        open_sealer(&sealed);
        assert_true(sealer_stands(sealed.sealer));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                LEDGER_TEST(test_sealed),
                LEDGER_TEST(test_forward_secure),
                LEDGER_TEST(test_crashes),
                LEDGER_TEST(test_tampered_at_start),
                LEDGER_TEST(test_manipulations),
                LEDGER_TEST(test_later_key),
                LEDGER_TEST(test_harm),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
