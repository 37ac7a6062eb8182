#include "package-manager.h"

#include "ownership.h"
#include "trusted-place.h"

static bool is_one_of(struct bytes name, const char *const *names, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (bytes_equal(name, bytes_of_string(names[i])))
                        return true;
        return false;
}

static bool take_word(struct bytes *text, struct bytes *ret) {
        size_t length = 0;

        while (text->size > 0 && text->data[0] == ' ')
                *text = bytes_of(text->data + 1, text->size - 1);
        while (length < text->size && text->data[length] != ' ')
                length++;
        *ret = bytes_of(text->data, length);
        *text = bytes_of(text->data + length, text->size - length);
        return length > 0;
}

/* "python3.11", "platform-python3.6", "sh" */
static bool is_interpreter(struct bytes name) {
        static const char *const beginnings[] = { "python", "platform-python", "perl" };
        static const char *const shells[] = { "sh", "bash", "dash" };

        for (size_t i = 0; i < ELEMENTS(beginnings); i++)
                if (bytes_starts_with(name, bytes_of_string(beginnings[i])))
                        return true;
        return is_one_of(name, shells, ELEMENTS(shells));
}

bool package_manager_is(const struct process_facts *facts) {
        static const char *const programs[] = {
                "dpkg", "apt", "apt-get", "aptitude", "aptd", "dselect", "synaptic", "apk",
                "rpm", "dnf", "dnf5", "dnf5daemon-server", "microdnf", "tdnf", "yum", "zypper", "rpm-ostreed", "rpm-ostree",
                "packagekitd", "pacman", "xbps-install", "xbps-remove", "xbps-reconfigure",
        };
        static const char *const scripts[] = {
                "unattended-upgrade", "unattended-upgrades", "apt.systemd.daily", "aptd", "dnf", "dnf-3", "dnf-automatic",
                "dnf-automatic-3", "yum", "emerge", "transactional-update", "yum-cron",
        };
        struct bytes rest = facts->command_line, word;

        if (!(facts->flags & PROCESS_HAS_USERS) || facts->effective_user != 0 ||
            (facts->flags & (PROCESS_KERNEL_THREAD | PROCESS_FROM_MEMFD)) || !path_is_trusted(facts->executable))
                return false;
        if (is_one_of(path_base(facts->executable), programs, ELEMENTS(programs)))
                return true;
        if (!is_interpreter(path_base(facts->executable)) || !take_word(&rest, &word))
                return false;
        while (take_word(&rest, &word))
                if (word.data[0] != '-')
                        return path_is_trusted(word) && is_one_of(path_base(word), scripts, ELEMENTS(scripts));
        return false;
}
