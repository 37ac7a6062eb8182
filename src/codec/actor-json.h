/* actor-json.h - who did it, as fields of an event (ECOSYSTEM §3: process.*, user.*, container.*). */
#pragma once

struct event;
struct json;
struct buffer;

/* Adds what is known of event->actor; nothing if that is NULL. What the record says of a process or a user stays as it is:
 *  - it names no process, or the actor itself: the actor is process.*, its parent process.parent.*;
 *  - it is a child of the actor: the actor is process.parent.*;
 *  - it names another process: the actor is nephronix.author.*.
 * Likewise the actor's user is user.*, or, where the record speaks of another user, that process's real_user and user.
 * nephronix.ancestors.{entity_id,executable,name} are all those above process.*, the nearest first, each value once. An
 * entity_id is the pid and the start in ticks after boot: with host.boot.id it names one process for ever.
 * scratch: used, and its failure kept. */
void actor_json_add(struct json *json, const struct event *event, struct buffer *scratch);
