#include "rpm-files.h"

#include <errno.h>

enum { NUMBERS = 4, END = 0xffffffff };

static const struct bytes magic = { .data = (const uint8_t *)"NXFILES1", .size = RPM_FILES_MARK_SIZE };

static void put(struct buffer *buffer, uint32_t number) {
        for (unsigned i = 0; i < 4; i++)
                buffer_append_byte(buffer, (uint8_t)(number >> (8 * i)));
}

static bool take(struct bytes *rest, uint32_t *ret) {
        if (rest->size < 4)
                return false;
        *ret = (uint32_t)rest->data[0] | (uint32_t)rest->data[1] << 8 | (uint32_t)rest->data[2] << 16 |
               (uint32_t)rest->data[3] << 24;
        *rest = bytes_of(rest->data + 4, rest->size - 4);
        return true;
}

void rpm_files_begin(struct buffer *answer) {
        buffer_append_bytes(answer, magic);
}

void rpm_files_append(struct buffer *answer, const struct rpm_file *file) {
        const uint32_t numbers[NUMBERS] = { file->number, file->mode, file->flags, file->digest_kind };

        for (size_t i = 0; i < NUMBERS; i++)
                put(answer, numbers[i]);
        for (size_t i = 0; i < RPM_FILE_TEXTS; i++) {
                if (file->texts[i].size > RPM_FILES_TEXT_MAX)
                        answer->failed = true;
                put(answer, (uint32_t)file->texts[i].size);
                buffer_append_bytes(answer, file->texts[i]);
        }
}

void rpm_files_end(struct buffer *answer, uint32_t paths) {
        put(answer, END);
        put(answer, paths);
}

static bool take_record(struct bytes *rest, struct rpm_file *ret) {
        struct rpm_file file = { 0 };

        if (!take(rest, &file.number) || !take(rest, &file.mode) || !take(rest, &file.flags) || !take(rest, &file.digest_kind))
                return false;
        for (size_t i = 0; i < RPM_FILE_TEXTS; i++) {
                uint32_t size;

                if (!take(rest, &size) || size > RPM_FILES_TEXT_MAX || size > rest->size)
                        return false;
                file.texts[i] = bytes_of(rest->data, size);
                *rest = bytes_of(rest->data + size, rest->size - size);
        }
        *ret = file;
        return true;
}

int rpm_files_next(struct rpm_files *reader, struct rpm_file *ret, uint32_t *ret_paths) {
        struct bytes rest = reader->rest;
        struct rpm_file file;
        uint32_t number, paths;

        if (!reader->begun) {
                if (!bytes_starts_with(rest, magic))
                        return -EBADMSG;
                rest = bytes_of(rest.data + magic.size, rest.size - magic.size);
                reader->begun = true;
                reader->rest = rest;
        }
        if (!take(&rest, &number))
                return -EBADMSG;
        if (number == (uint32_t)END) {
                if (!take(&rest, &paths) || rest.size || paths < reader->next || paths > RPM_FILES_PATHS_MAX)
                        return -EBADMSG;
                *ret_paths = paths;
                return 0;
        }
        if (!take_record(&reader->rest, &file) || file.number >= RPM_FILES_PATHS_MAX || file.number + 1 < reader->next)
                return -EBADMSG;
        reader->next = file.number + 1;
        *ret = file;
        return 1;
}

bool rpm_files_question_next(struct bytes *rest, struct bytes *ret) {
        const uint8_t *end = rest->size ? memchr(rest->data, '\0', rest->size) : NULL;
        size_t size = end ? (size_t)(end - rest->data) : 0;

        if (size == 0 || rest->data[0] != '/')
                return false;
        *ret = bytes_of(rest->data, size);
        *rest = bytes_of(rest->data + size + 1, rest->size - size - 1);
        return true;
}
