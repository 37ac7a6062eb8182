# shellcheck shell=bash
# lib.sh - what the system tests share. A system test is a bash script, tests/system/NAME.test, that begins with
#
#     # shellcheck source=tests/system/lib.sh
#     . "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
#
# stages something on the real host as root, and says line by line what it saw: "ok - ...", "not ok - ...", "skip - ...".
# tests/system/run runs it against an installed copy ($NEPHRONIX_PREFIX). A command that fails where none was expected to ends
# the test, as a failure. Nothing here measures time: waiting is bounded only so that a test cannot hang.
#
#     instance main modules users     # a scratch daemon with these watches alone (none named: all); $NEPHRONIX_SOURCES, if it is
#                                     # set, says which sources it may use
#     configure <<<'[Watch "boot"]...' # more lines for its configuration, before or after the start
#     start; mark                     # runs it, waits until it is ready; from here on is new
#     ...change the host...
#     wait_event 'a login is seen' '.event.action == "session-started" and .user.name == "root"'
#     settle                          # an event is told at once; text log and workspace/ follow
#     expect 'the text log says so' log_has 'Change in logged in users detected! Diff:'
#     no_event 'nothing else' '.nephronix.watch == "modules"'
#     stop
#
# What must be undone on the host even if the test fails: at_end COMMAND ARGUMENT...
set -Eeuo pipefail

: "${NEPHRONIX_PREFIX:?is set by tests/system/run: where the copy under test is installed}"
test_name=$(basename "$0" .test)
# shellcheck disable=SC2034 # for the tests
source_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
nephronixd=$NEPHRONIX_PREFIX/bin/nephronixd
nephronix=$NEPHRONIX_PREFIX/bin/nephronix
polls=${NEPHRONIX_POLLS:-400} # of 0.1 s and what a look costs

# Not below /tmp when that is what a test watches: TMPDIR says where.
scratch=$(mktemp -d "${TMPDIR:-/tmp}/nephronix-system-$test_name-XXXXXX")
chmod 0755 "$scratch"
export LC_ALL=C.UTF-8
unset NOTIFY_SOCKET

# --- saying what was seen --------------------------------------------------------------------------------------------

ok() {
  printf 'ok - %s\n' "$*"
}

not_ok() {
  printf 'not ok - %s\n' "$*"
}

skip() {
  printf 'skip - %s\n' "$*"
}

# Ends the test: it cannot be made here, and this is why.
skip_all() {
  skip "$test_name: $*"
  exit 0
}

# Programs without which the test cannot be made.
need() {
  local program
  for program in "$@"; do
    command -v "$program" >/dev/null || skip_all "there is no $program here"
  done
}

# What a reader of a failure wants to see, set off from the results.
show() {
  sed -e 's/^/#   /' -e 61,\$d
}

# expect TEXT COMMAND...: the command succeeds.
expect() {
  local text=$1 output status=0
  shift
  output=$("$@" 2>&1) || status=$?
  if ((status == 0)); then
    ok "$text"
  else
    not_ok "$text"
    printf 'exit status %d of: %s\n%s\n' "$status" "$*" "$output" | show
  fi
}

# For expect and wait_until: the command fails.
not() {
  ! "$@"
}

# expect_status STATUS TEXT COMMAND...: the command ends with this status; what it said is in $output.
expect_status() {
  local expected=$1 text=$2 status=0
  shift 2
  output=$("$@" 2>&1) || status=$?
  if ((status == expected)); then
    ok "$text"
  else
    not_ok "$text"
    printf 'exit status %d, not %d, of: %s\n%s\n' "$status" "$expected" "$*" "$output" | show
  fi
}

# expect_equal TEXT ACTUAL EXPECTED
expect_equal() {
  if [[ $2 == "$3" ]]; then
    ok "$1"
  else
    not_ok "$1"
    printf 'expected:\n%s\nfound:\n%s\n' "$3" "$2" | show
  fi
}

# expect_match TEXT ACTUAL REGULAR-EXPRESSION (bash's)
expect_match() {
  if [[ $2 =~ $3 ]]; then
    ok "$1"
  else
    not_ok "$1"
    printf 'expected to match: %s\nfound:\n%s\n' "$3" "$2" | show
  fi
}

# until COMMAND...: asks until the command succeeds; 1 when it never did.
until_true() {
  local i
  for ((i = 0; i < polls; i++)); do
    "$@" >/dev/null 2>&1 && return 0
    sleep 0.1
  done
  return 1
}

# wait_until TEXT COMMAND...: a check that the command succeeds sooner or later.
wait_until() {
  local text=$1
  shift
  if until_true "$@"; then
    ok "$text"
  else
    not_ok "$text"
    printf 'never true: %s\n' "$*" | show
  fi
}

# --- undoing ---------------------------------------------------------------------------------------------------------

ending=()               # commands, quoted for eval
daemons=()              # pids of daemons that were started

at_end() {
  ending+=("$(printf '%q ' "$@")")
}

end_of_test() {
  local status=$? i pid
  trap - EXIT ERR
  set +e
  for pid in "${daemons[@]}"; do
    end_process "$pid"
  done
  for ((i = ${#ending[@]} - 1; i >= 0; i--)); do
    eval "${ending[i]}" >/dev/null 2>&1
  done
  if ((status)); then
    not_ok "$test_name goes on to its end (exit status $status)"
    [[ -z ${folder:-} ]] || tail -n 20 "$folder/stderr" 2>/dev/null | show
  fi
  rm -rf -- "$scratch"
  exit "$status"
}
trap end_of_test EXIT
trap 'printf "# line %s: %s\n" "$LINENO" "$BASH_COMMAND" >&2' ERR

gone() {
  ! kill -0 "$1" 2>/dev/null
}

end_process() {
  gone "$1" && return 0
  kill -TERM "$1" 2>/dev/null || true
  until_true gone "$1" || kill -KILL "$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
}

# --- a scratch daemon ------------------------------------------------------------------------------------------------

all_watches=(packages modules bpf kernel-messages boot persistence config system connections users processes self)

# instance NAME [WATCH...]: a daemon with folders of its own, and of the built-in watches these alone. It does not run yet. From
# here on $folder, $config, $state, $log, $run, $workspace and all functions below mean this one; instance NAME again comes
# back to it.
# shellcheck disable=SC2034 # some of them are for the tests alone
instance() {
  local watch
  folder=$scratch/instances/$1 # not where a test may have a folder of the same name
  config=$folder/nephronix.conf
  state=$folder/state
  log=$folder/nephronix.log
  run=$folder/run
  workspace=$state/workspace
  marked_sequence=0 marked_line=0
  pid=
  [[ ! -f $folder/pid ]] || pid=$(<"$folder/pid")
  [[ ! -e $folder ]] || return 0
  shift
  mkdir -p "$folder/conf.d"
  chmod 0755 "$folder" "$folder/conf.d"
  {
    printf '[Nephronix]\nStateDirectory=%s\nLogFile=%s\nRunDirectory=%s\nInterval=200ms\nReconcile=1s\n' "$state" "$log" "$run"
    [[ -z ${NEPHRONIX_SOURCES:-} ]] || printf 'Sources=%s\n' "$NEPHRONIX_SOURCES"
    # The terminals belong to the people on this host.
    printf '[Alert "wall"]\nEnabled=no\n'
    for watch in "${all_watches[@]}"; do
      (($# == 0)) || [[ " $* " == *" $watch "* ]] || printf '[Watch "%s"]\nEnabled=no\n' "$watch"
    done
  } >"$config"
  chmod 0644 "$config"
}

# Appends standard input to the configuration.
configure() {
  cat >>"$config"
}

# run_daemon [ARGUMENT...]: runs it in the foreground of the background, without waiting.
run_daemon() {
  # shellcheck disable=SC2086 # one or none
  "$nephronixd" --config "$config" --foreground ${NEPHRONIX_CONFINEMENT:+--confinement $NEPHRONIX_CONFINEMENT} "$@" >>"$folder/stdout" 2>>"$folder/stderr" </dev/null &
  pid=$!
  daemons+=("$pid")
  printf '%s\n' "$pid" >"$folder/pid"
}

is_ready() {
  [[ $(status '.daemon.guard_pid') == "$pid" ]] && (($(status '.daemon.rounds') >= 1))
}

ready_or_gone() {
  gone "$pid" || is_ready
}

# start [ARGUMENT...]: runs it and waits until its first round is over.
start() {
  run_daemon "$@"
  until_true ready_or_gone || true
  if gone "$pid" || ! is_ready; then
    printf 'the daemon did not get ready\n' | show
    return 1
  fi
}

# Ends the daemon in an orderly way; its exit status is in $ended.
# shellcheck disable=SC2034
stop() {
  kill -TERM "$pid"
  ended=0
  wait "$pid" || ended=$?
}

# Kills all of its processes at once, as a power cut would.
kill_hard() {
  local victims
  mapfile -t victims < <(pgrep -P "$pid" || true)
  kill -KILL "$pid" "${victims[@]}"
  wait "$pid" 2>/dev/null || true
}

# nephronix VERB... for this instance.
command_of() {
  "$nephronix" --config "$config" "$@"
}

# status FILTER: of what "nephronix status --json" says, by jq.
status() {
  command_of status --json 2>/dev/null | jq -r "$1" || true
}

# --- what it found ---------------------------------------------------------------------------------------------------

# The whole ledger, in order; ledger SEQUENCE: from the segment on that holds this one, if any does.
ledger() {
  local segment segments first=0
  # Named by sequence; one that is packed while we read is there under one of the two names.
  segments=$(find "$state/ledger" -name 'events-*.jsonl*' -printf '%f\n' 2>/dev/null | sed 's/\.jsonl.*//' | sort -u)
  for segment in $segments; do
    ((10#${segment#events-} > ${1:-0})) || first=$segment
  done
  for segment in $segments; do
    # shellcheck disable=SC2071 # names with leading zeros are ordered as text
    [[ $segment < $first ]] || cat "$state/ledger/$segment.jsonl" 2>/dev/null || zcat "$state/ledger/$segment.jsonl.gz"
  done
}

# The whole text log, in order.
text_log() {
  local archive
  for archive in "$state"/archive/nephronix_*.log.gz; do
    [[ ! -e $archive ]] || zcat "$archive"
  done
  cat "$log"
}

last_sequence() {
  ledger | jq -R 'fromjson? | .event.sequence' | tail -n 1
}

# What comes later is new: events, log_since and the checks below look only at that.
mark() {
  marked_sequence=$(last_sequence)
  marked_sequence=${marked_sequence:-0}
  marked_line=$(text_log | wc -l)
}

# events [FILTER]: the new events for which the jq expression is true, one a line.
events() {
  ledger "$marked_sequence" | jq -Rc --argjson mark "$marked_sequence" "fromjson? | select(.event.sequence > \$mark) | select(${1:-true})"
}

has_event() {
  [[ -n $(events "$1") ]]
}

log_since() {
  text_log | tail -n "+$((marked_line + 1))"
}

# log_has STRING: one of the new lines of the text log holds it.
log_has() {
  log_since | grep -F -- "$1" >/dev/null
}

show_events() {
  {
    echo 'events:'
    events | jq -r '"\(.event.sequence) \(.nephronix.watch) \(.event.action): \(.message)"'
    tail -n 5 "$folder/stderr"
  } | show
}

# The text log and the .dat files follow an event when it is settled; where they cannot, nobody waits for ever.
wait_settled() {
  local i mark_of_event
  mark_of_event="; event $(jq -r 'select(.nephronix.seen_by) | .event.sequence' <<<"$1")"
  [[ $mark_of_event != '; event ' ]] || return 0
  for ((i = 0; i < 40; i++)); do
    log_since | grep -E "$mark_of_event( |\$|;)" >/dev/null && break
    sleep 0.1
  done
  sleep 0.05
}

# wait_event TEXT FILTER: sooner or later there is such an event; the first one is then in $event, and in the text log.
event=
wait_event() {
  if until_true has_event "$2"; then
    event=$(events "$2" | sed -n 1p) # reads to the end: nobody writes to a closed pipe
    wait_settled "$event"
    ok "$1"
  else
    event=
    not_ok "$1"
    printf 'no new event with: %s\n' "$2" | show
    show_events
  fi
}

# The oldest "last look" of the watches that work.
oldest_look() {
  status '[.watches[] | select(.state == "watched") | .last_look] | min // ""'
}

# A watch that only has to ask whether its place moved looks too, so this is not about how often it looked.
looked_since() {
  [[ $(oldest_look) > $1 ]]
}

# Returns when every watch has begun and ended a look since now: what is on the host now has been seen.
wait_looks() {
  until_true looked_since "$(date -u +%Y-%m-%dT%H:%M:%S.%6NZ)"
}

# Returns when what was told so far is in the text log and in workspace/ too.
settle() {
  wait_looks
}

# --- who told it, and who did it -------------------------------------------------------------------------------------

# What tells of the changes of this watch: "bpf", "fanotify inode marks", ...; "poll" when nothing does.
mechanism_of() {
  status ".watches[\"$1\"].mechanism // \"poll\""
}

# told_by WATCH PATTERN: true if what tells of its changes matches (bash's pattern).
told_by() {
  # shellcheck disable=SC2053
  [[ $(mechanism_of "$1") == $2 ]]
}

# seen_as_it_happened TEXT: of $event. What polls does not say more than that it polled.
seen_as_it_happened() {
  local watch expected=event
  watch=$(jq -r .nephronix.watch <<<"$event")
  ! told_by "$watch" poll || expected=poll
  event_is "$1" .nephronix.seen_by "$expected"
}

# done_by TEXT NAME [PID]: of $event, who did it, or, where nothing tells, that this is not guessed.
done_by() {
  local watch
  watch=$(jq -r .nephronix.watch <<<"$event")
  if told_by "$watch" '*fanotify*' || told_by "$watch" '*bpf*'; then
    event_is "$1" .process.name "$2"
    [[ -z ${3:-} ]] || event_is "$1, by number" .process.pid "$3"
    expect_match "$1, in words" "$(jq -r .nephronix.actor <<<"$event")" "^$2 \\("
  else
    event_is "$1: not known, and not guessed" .nephronix.actor unknown
  fi
}

# no_event TEXT FILTER: every watch looks again, and there is no such event.
no_event() {
  wait_looks
  if has_event "$2"; then
    not_ok "$1"
    show_events
  else
    ok "$1"
  fi
}

# event_is TEXT PATH VALUE: of the event that wait_event found, e.g. event_is 'by name' .package.name hello
event_is() {
  expect_equal "$1" "$(jq -r "$2" <<<"$event")" "$3"
}
