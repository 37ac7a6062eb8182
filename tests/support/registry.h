/* registry.h - the kinds that a configuration may name, without the watches themselves. */
#pragma once

#include "configuration.h"
#include "source.h"
#include "watch.h"

#define TEST_WATCH(name, ...) static const struct watch test_##name = { __VA_ARGS__ }

TEST_WATCH(files, .kind = "files", .priority = PRIORITY_LOW, .light = true);
TEST_WATCH(setuid, .kind = "setuid", .priority = PRIORITY_HIGH, .light = true);
TEST_WATCH(packages, .kind = "packages", .priority = PRIORITY_HIGH, .built_in = true, .light = true);
TEST_WATCH(modules, .kind = "modules", .priority = PRIORITY_HIGH, .built_in = true, .light = true);
TEST_WATCH(bpf, .kind = "bpf", .priority = PRIORITY_HIGH, .built_in = true, .light = true);
TEST_WATCH(messages, .kind = "kernel-messages", .priority = PRIORITY_HIGH, .built_in = true, .light = true);
TEST_WATCH(connections, .kind = "connections", .built_in = true);
TEST_WATCH(users, .kind = "users", .built_in = true, .light = true);
TEST_WATCH(processes, .kind = "processes", .built_in = true);
TEST_WATCH(self, .kind = "self", .priority = PRIORITY_HIGH, .built_in = true, .light = true);

/* On purpose not in the order of the classic round. */
static const struct watch *const test_registry[] = {
        &test_self, &test_files, &test_setuid, &test_packages, &test_modules, &test_bpf, &test_messages, &test_connections,
        &test_users, &test_processes, NULL,
};
static const struct source test_bpf_source = { .name = "bpf" }, test_fanotify_source = { .name = "fanotify" },
                           test_timer_source = { .name = "timer" };
static const struct source *const test_sources[] = { &test_bpf_source, &test_fanotify_source, &test_timer_source, NULL };
static const char *const test_alert_kinds[] = { "wall", "exec", NULL };

static const struct configuration_options defaults_only = {
        .watches = test_registry,
        .sources = test_sources,
        .alert_kinds = test_alert_kinds,
};
