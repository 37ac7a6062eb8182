#include "section.h"

#include <errno.h>

#include "watch.h"

const struct section_kind section_nephronix = { "Nephronix", false, key_nephronix };
const struct section_kind section_log = { "Log", false, key_log };
const struct section_kind section_watch = { "Watch", true, key_watch };
const struct section_kind section_alert = { "Alert", true, key_alert };

static const struct section_kind *const section_kinds[] = {
        &section_nephronix, &section_log, &section_watch, &section_alert,
};

/* Watches that are there without a section, in the order of the classic round. Others come where the name is NULL. */
struct built_in {
        const char *name, *kind;
        const char *const *paths;
        enum priority priority; /* where there are paths: the kind alone does not say how much it matters */
        bool off, optional, crosses_mounts, text;
        unsigned telling;       /* of two that are on and have a file in common, the one with more of it tells; 0: both */
};

static const char *const boot_paths[] = { "/boot", NULL };
static const char *const setuid_paths[] = { "/", NULL };
static const char *const config_paths[] = { "/etc", NULL };
static const char *const system_paths[] = { "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", NULL };

/* Wherever something can be put so that it is run again. Not /run/systemd/transient and ~/.ssh as a whole: those move with use. */
static const char *const persistence_paths[] = {
        /* systemd */
        "/etc/systemd", "/usr/lib/systemd/system", "/usr/lib/systemd/user", "/usr/lib/systemd/system-generators",
        "/usr/lib/systemd/user-generators", "/usr/lib/systemd/system-environment-generators",
        "/usr/lib/systemd/user-environment-generators", "/usr/lib/systemd/system-sleep", "/usr/lib/systemd/system-shutdown",
        "/usr/local/lib/systemd", "/run/systemd/system", "/usr/share/dbus-1/system-services", "/etc/dbus-1/system-services",
        /* by the clock */
        "/etc/crontab", "/etc/anacrontab", "/etc/cron.d", "/etc/cron.hourly", "/etc/cron.daily", "/etc/cron.weekly",
        "/etc/cron.monthly", "/etc/cron.yearly", "/etc/cron.allow", "/etc/cron.deny", "/etc/at.allow", "/etc/at.deny",
        "/var/spool/cron", "/var/spool/at",
        /* at login and in every shell or program */
        "/etc/profile", "/etc/profile.d", "/etc/bash.bashrc", "/etc/bashrc", "/etc/bash_completion.d", "/etc/csh.cshrc",
        "/etc/csh.login", "/etc/zsh", "/etc/zshenv", "/etc/zshrc", "/etc/zprofile", "/etc/zlogin", "/etc/fish", "/etc/environment",
        "/etc/environment.d", "/etc/skel", "/etc/ld.so.preload", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/xdg/autostart",
        "/usr/share/autostart", "/etc/X11/Xsession.d", "/etc/update-motd.d",
        /* who may do what */
        "/etc/pam.conf", "/etc/pam.d", "/usr/lib/pam.d", "/etc/security", "/etc/sudoers", "/etc/sudoers.d", "/etc/doas.conf",
        "/etc/polkit-1", "/usr/share/polkit-1/rules.d", "/etc/ssh",
        /* by the kernel and by devices */
        "/etc/udev", "/usr/lib/udev/rules.d", "/run/udev/rules.d", "/etc/modprobe.d", "/usr/lib/modprobe.d", "/etc/modules",
        "/etc/modules-load.d", "/usr/lib/modules-load.d", "/etc/binfmt.d", "/usr/lib/binfmt.d", "/etc/sysctl.conf", "/etc/sysctl.d",
        /* by package managers and the network */
        "/etc/apt/apt.conf", "/etc/apt/apt.conf.d", "/etc/dpkg/dpkg.cfg", "/etc/dpkg/dpkg.cfg.d", "/etc/dnf/plugins",
        "/etc/dnf/libdnf5-plugins", "/etc/yum/pluginconf.d", "/usr/lib/yum-plugins", "/etc/kernel", "/etc/initramfs-tools",
        "/etc/NetworkManager/dispatcher.d", "/usr/lib/NetworkManager/dispatcher.d", "/etc/network", "/etc/dhcp",
        "/etc/networkd-dispatcher",
        /* as of old */
        "/etc/rc.local", "/etc/rc.d", "/etc/init.d", "/etc/inittab", "/etc/logrotate.d", "/etc/inetd.conf", "/etc/xinetd.d",
#define OF_HOMES(path) "/root/" path, "/home/*/" path
        OF_HOMES(".ssh/authorized_keys"), OF_HOMES(".ssh/authorized_keys2"), OF_HOMES(".ssh/rc"), OF_HOMES(".ssh/environment"),
        OF_HOMES(".profile"), OF_HOMES(".bashrc"), OF_HOMES(".bash_profile"), OF_HOMES(".bash_login"), OF_HOMES(".bash_logout"),
        OF_HOMES(".zshenv"), OF_HOMES(".zshrc"), OF_HOMES(".zprofile"), OF_HOMES(".zlogin"), OF_HOMES(".config/fish/config.fish"),
        OF_HOMES(".config/systemd/user"), OF_HOMES(".local/share/systemd/user"), OF_HOMES(".config/environment.d"),
        OF_HOMES(".config/autostart"), OF_HOMES(".xsessionrc"), OF_HOMES(".xprofile"), OF_HOMES(".forward"),
#undef OF_HOMES
        NULL,
};

static const struct built_in built_ins[] = {
        { "connections", "connections" },
        { "processes", "processes" },
        { "users", "users" },
        { "modules", "modules" },
        { "bpf", "bpf" },
        { "kernel-messages", "kernel-messages" },
        { "boot", "files", boot_paths, PRIORITY_HIGH, .crosses_mounts = true, .telling = 3 },
        { "persistence", "files", persistence_paths, PRIORITY_HIGH, .optional = true, .text = true, .telling = 4 },
        { "config", "files", config_paths, PRIORITY_HIGH, .off = true, .optional = true, .text = true, .telling = 2 },
        { "system", "files", system_paths, PRIORITY_HIGH, .off = true, .optional = true, .telling = 1 },
        { "setuid", "setuid", setuid_paths, PRIORITY_HIGH, .off = true, .crosses_mounts = true },
        { NULL },
        { "packages", "packages" },
        { "self", "self" },
};

enum { RANK_NEPHRONIX, RANK_LOG, RANK_WATCH, RANK_ALERT = RANK_WATCH + ELEMENTS(built_ins) };

static unsigned rank_of(const struct section_kind *kind, const struct built_in *built_in) {
        unsigned rank = RANK_WATCH;

        if (kind == &section_nephronix)
                return RANK_NEPHRONIX;
        if (kind == &section_log)
                return RANK_LOG;
        if (kind == &section_alert)
                return RANK_ALERT;
        if (built_in)
                return RANK_WATCH + (unsigned)(built_in - built_ins);
        while (built_ins[rank - RANK_WATCH].name)
                rank++;
        return rank;
}

void section_take_back(struct given *given) {
        for (size_t i = 0; i < given->count; i++)
                free(given->items[i].text);
        free(given->items);
        *given = (struct given){ .items = NULL };
}

int section_give(struct given *given, const char *text, struct position origin) {
        char *copy = strdup(text);
        struct item *items = copy ? reallocarray(given->items, given->count + 1, sizeof(*items)) : NULL;

        if (!items) {
                free(copy);
                return -ENOMEM;
        }
        items[given->count++] = (struct item){ .text = copy, .origin = origin };
        given->items = items;
        return 0;
}

void section_done(struct sections *sections) {
        for (size_t i = 0; i < sections->count; i++) {
                struct section *section = sections->items[i];

                for (size_t j = 0; j < KEYS_MAX; j++)
                        section_take_back(&section->given[j]);
                free(section->label);
                free(section);
        }
        free(sections->items);
        sections->items = NULL;
        sections->count = 0;
}

const struct section_kind *section_find_kind(const char *name) {
        for (size_t i = 0; i < ELEMENTS(section_kinds); i++)
                if (strcmp(section_kinds[i]->name, name) == 0)
                        return section_kinds[i];
        return NULL;
}

struct section *section_find(const struct sections *sections, const struct section_kind *kind, const char *label) {
        for (size_t i = 0; i < sections->count; i++) {
                struct section *section = sections->items[i];

                if (section->kind == kind && (!kind->labelled || strcmp(section->label, label) == 0))
                        return section;
        }
        return NULL;
}

static int add(struct sections *sections, const struct section_kind *kind, const char *label,
               const struct built_in *built_in, struct position origin, struct section **ret) {
        unsigned rank = rank_of(kind, built_in);
        struct section *section, **items;
        size_t place;

        items = reallocarray(sections->items, sections->count + 1, sizeof(*items));
        if (!items)
                return -ENOMEM;
        sections->items = items;
        section = calloc(1, sizeof(*section));
        if (!section)
                return -ENOMEM;
        *section = (struct section){ .kind = kind, .origin = origin, .rank = rank, .built_in = built_in };
        section->label = label ? strdup(label) : NULL;
        if (label && !section->label) {
                free(section);
                return -ENOMEM;
        }

        for (place = sections->count; place > 0 && items[place - 1]->rank > rank; place--)
                items[place] = items[place - 1];
        items[place] = section;
        sections->count++;
        *ret = section;
        return 0;
}

int section_add(struct sections *sections, const struct section_kind *kind, const char *label, struct position origin,
                struct section **ret) {
        return add(sections, kind, label, NULL, origin, ret);
}

int section_add_defaults(struct sections *sections) {
        const struct position nowhere = { .file = NULL };
        struct section *section;
        int r;

        r = add(sections, &section_nephronix, NULL, NULL, nowhere, &section);
        if (r == 0)
                r = add(sections, &section_log, NULL, NULL, nowhere, &section);
        for (size_t i = 0; r == 0 && i < ELEMENTS(built_ins); i++) {
                const struct built_in *built_in = &built_ins[i];
                const struct watch *watch = built_in->name ? section_find_watch(sections, built_in->kind) : NULL;

                if (!watch || (!watch->built_in && !built_in->paths))
                        continue;
                r = add(sections, &section_watch, built_in->name, built_in, nowhere, &section);
                for (const char *const *path = built_in->paths; path && *path && r == 0; path++)
                        r = section_give(section_given(section, "Path"), *path, nowhere);
        }
        if (r == 0 && section_is_kind(sections, &section_alert, "wall"))
                r = add(sections, &section_alert, "wall", NULL, nowhere, &section);
        return r;
}

size_t section_key(const struct section_kind *kind, const char *name) {
        size_t i = 0;

        while (kind->keys[i].name && strcmp(kind->keys[i].name, name) != 0)
                i++;
        return i;
}

struct given *section_given(struct section *section, const char *name) {
        return &section->given[section_key(section->kind, name)];
}

const struct watch *section_find_watch(const struct sections *sections, const char *kind) {
        const struct watch *const *watch = sections->options->watches;

        for (; watch && *watch; watch++)
                if (strcmp((*watch)->kind, kind) == 0)
                        return *watch;
        return NULL;
}

bool section_is_kind(const struct sections *sections, const struct section_kind *kind, const char *name) {
        const char *const *known = sections->options->alert_kinds;

        if (kind == &section_watch)
                return section_find_watch(sections, name) != NULL;
        for (; known && *known; known++)
                if (strcmp(*known, name) == 0)
                        return true;
        return false;
}

const char *section_fixed_kind(const struct section *section) {
        return section->built_in ? section->built_in->kind : NULL;
}

const char *section_kind_in_force(const struct sections *sections, const struct section *section) {
        const struct given *given;

        if (!section->kind->labelled)
                return NULL;
        given = &section->given[section_key(section->kind, "Kind")];
        if (given->count > 0)
                return given->items[0].text;
        if (section->built_in)
                return section->built_in->kind;
        return section_is_kind(sections, section->kind, section->label) ? section->label : NULL;
}

bool section_has_key(const struct sections *sections, const struct section *section, const struct key *key) {
        const char *kind;

        if (!key->only)
                return true;
        kind = section_kind_in_force(sections, section);
        return kind && (strcmp(kind, key->only) == 0 || (key->also && strcmp(kind, key->also) == 0));
}

const char *section_default(const struct sections *sections, const struct section *section, const struct key *key) {
        const char *kind = section_kind_in_force(sections, section);
        const struct watch *watch;

        if (key->type == KEY_KIND)
                return kind;
        if (section->built_in && section->built_in->off && strcmp(key->name, "Enabled") == 0)
                return "no";
        if (section->built_in && section->built_in->crosses_mounts && strcmp(key->name, "CrossMounts") == 0)
                return "yes"; /* the EFI partition */
        if (section->built_in && section->built_in->text && strcmp(key->name, "Text") == 0)
                return "yes";
        if (key->type != KEY_WORD || key->initial)
                return key->initial;
        /* Priority=, the one word without a default of its own */
        if (section->built_in && section->built_in->paths)
                return key_word(key, section->built_in->priority);
        watch = kind ? section_find_watch(sections, kind) : NULL;
        return watch ? key_word(key, watch->priority) : NULL;
}

bool section_is_optional(const struct section *section) {
        return section->built_in && section->built_in->optional;
}

unsigned section_telling(const struct section *section) {
        return section->built_in ? section->built_in->telling : 0;
}
