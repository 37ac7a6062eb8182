# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # names that those who source this give and use
# lib.sh - what the measurements share: a daemon of one's own, its CPU time, its status page.
# While a daemon is measured nothing here starts a process: that would be a change on the host, and this is about quiet rounds.
set -Eeuo pipefail
trap 'printf "bench: line %s of %s: %s\n" "$LINENO" "${BASH_SOURCE[0]}" "$BASH_COMMAND" >&2' ERR

: "${BENCH_PROGRAMS:?is set by bench/run: the folder of nephronixd}"
: "${BENCH_SCRATCH:?is set by bench/run}"
: "${BENCH_TREE:?is set by bench/run: a folder with a kernel in it}"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# find -exec tries each folder of PATH for each file; this is what a service gets.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
unset NOTIFY_SOCKET

all_watches=(packages modules bpf kernel-messages boot connections users processes self)
exec {never}<> <(:)

# Without a process for it, as sleep(1) would be.
rest() {
  read -r -t "$1" -u "$never" || true
}

quick() {
  [[ ${BENCH_QUICK:-no} == yes ]]
}

# --- numbers ---------------------------------------------------------------------------------------------------------

# median NUMBER...
median() {
  local sorted
  mapfile -t sorted < <(printf '%s\n' "$@" | sort -n)
  REPLY=${sorted[$((${#sorted[@]} / 2))]}
}

# spread NUMBER...: the least and the most
spread() {
  local sorted
  mapfile -t sorted < <(printf '%s\n' "$@" | sort -n)
  least=${sorted[0]} most=${sorted[-1]}
}

# ms NANOSECONDS: milliseconds with three digits behind the point
ms() {
  printf -v REPLY '%d.%03d' $(($1 / 1000000)) $(($1 / 1000 % 1000))
}

# ratio A B: A / B with one digit, - when there is nothing to divide by
ratio() {
  local tenths
  REPLY=-
  (($2 != 0)) || return 0
  tenths=$(($1 * 10 / $2))
  REPLY=$((tenths / 10)).$((tenths % 10))
}

# --- a daemon --------------------------------------------------------------------------------------------------------

# configure FOLDER [LINE...]: the default configuration but for its places. RunDirectory= is on tmpfs, as /run is.
configure() {
  folder=$1
  shift
  run=$(mktemp -d /dev/shm/nephronix-bench-XXXXXX)
  at_end rm -rf "$run"
  mkdir -p "$folder"
  {
    printf '[Nephronix]\nStateDirectory=%s\nLogFile=%s\nRunDirectory=%s\n' "$folder/state" "$folder/nephronix.log" "$run"
    # The terminals belong to the people on this host.
    printf '%s\n' "$@" '[Alert "wall"]' 'Enabled=no'
  } >"$folder/nephronix.conf"
  chmod 0600 "$folder/nephronix.conf"
}

# only WATCH...: lines for configure() that leave the other watches out
only() {
  local watch
  for watch in "${all_watches[@]}"; do
    [[ " $* " == *" $watch "* ]] || printf '[Watch "%s"]\nEnabled=no\n' "$watch"
  done
}

start() {
  "$BENCH_PROGRAMS/nephronixd" --config "$folder/nephronix.conf" --foreground >"$folder/said" 2>&1 </dev/null &
  guard=$!
  at_end kill -CONT "$guard"
  at_end kill "$guard"
  until read_page && number rounds && ((REPLY >= 1)); do
    kill -0 "$guard" 2>/dev/null || {
      cat "$folder/said" >&2
      return 1
    }
    rest 0.1
  done
  number pid
  observer=$REPLY
}

stop() {
  kill -CONT "$observer" "$guard"
  kill "$guard"
  wait "$guard" || true
}

# It stands still while something else is measured, and does not see it.
pause_daemon() {
  kill -STOP "$observer" "$guard"
}

resume_daemon() {
  kill -CONT "$guard" "$observer"
}

# The status page as it lies in RunDirectory=: a head with zero bytes in it, then JSON.
read_page() {
  local part parts
  [[ -e $run/status ]] || return 1
  mapfile -d '' -t parts <"$run/status"
  for part in "${parts[@]}"; do
    if [[ $part == *'{"daemon":'* ]]; then
      page=$part
      return 0
    fi
  done
  return 1
}

# number NAME [WATCH]: of the page that was read
number() {
  local text=$page
  if (($# > 1)); then
    [[ $page =~ \"$2\":\{([^}]*)\} ]] || return 1
    text=${BASH_REMATCH[1]}
  fi
  [[ $text =~ \"$1\":([0-9]+) ]] || return 1
  REPLY=${BASH_REMATCH[1]}
}

# CPU time of both roles in nanoseconds, from the scheduler: exact for a process that sleeps, as they do between two rounds.
cpu_of_daemon() {
  local file run_ns others total=0
  for file in /proc/"$guard"/task/*/schedstat /proc/"$observer"/task/*/schedstat; do
    read -r run_ns others <"$file"
    total=$((total + run_ns))
  done
  REPLY=$total
}

# Returns just after a round; fills $seen_rounds and $seen_events, what the daemon counted so far.
await_round() {
  local before
  read_page && number rounds
  before=$REPLY
  until read_page && number rounds && ((REPLY > before)); do
    rest "$poll"
  done
  seen_rounds=$REPLY
  number events
  seen_events=$REPLY
}

# await_looks WATCH N
await_looks() {
  local looks
  read_page
  number looks "$1"
  looks=$REPLY
  until read_page && number looks "$1" && ((REPLY >= looks + $2)); do
    rest "$poll"
  done
}

# await_records WATCH LEAST MOST: it has found so many, and looked once more since: what it costs now is the cost of looking
await_records() {
  until read_page && number records "$1" && ((REPLY >= $2 && REPLY <= $3)); do
    rest "$poll"
  done
  await_looks "$1" 1
}

# await_quiet: three rounds without an event
await_quiet() {
  local quiet=0 before=-1 i
  for ((i = 0; i < 200 && quiet < 3; i++)); do
    await_round
    quiet=$((seen_events == before ? quiet + 1 : 0))
    before=$seen_events
  done
}

# measure_rounds N: N rounds in which nothing happened; $cpu_per_round in ns, their mean. The host may not be as quiet as we would
# like: rounds in which an event was told do not count, and are in $loud_rounds.
loud_rounds=0
measure_rounds() {
  local wanted=$1 gathered=0 total=0 cpu rounds events
  await_quiet
  while ((gathered < wanted && loud_rounds < 1000)); do
    cpu_of_daemon
    cpu=$REPLY rounds=$seen_rounds events=$seen_events
    await_round
    cpu_of_daemon
    if ((events == seen_events)); then
      gathered=$((gathered + seen_rounds - rounds))
      total=$((total + REPLY - cpu))
      note_costs
    else
      loud_rounds=$((loud_rounds + 1))
    fi
  done
  cpu_per_round=$((total / gathered))
}

# What each look of the watches in $noted cost, in microseconds: the array costs_WATCH. measure_rounds calls it every round.
noted=()
note_costs() {
  local watch name
  for watch in "${noted[@]}"; do
    name=${watch//-/_}
    declare -n list=costs_$name last=looks_$name
    number looks "$watch"
    ((REPLY != ${last:-0})) || continue
    last=$REPLY
    number cost_us "$watch"
    list+=("$REPLY")
  done
}

# cpu_of_command COMMAND...: its CPU time with all its children, in ns; $REPLY
cpu_of_command() {
  local TIMEFORMAT='%3U %3S' times user system
  times=$({ time "$@" >/dev/null 2>&1; } 2>&1)
  read -r user system <<<"$times"
  REPLY=$((10#${user/./} * 1000000 + 10#${system/./} * 1000000))
}

# --- events ---------------------------------------------------------------------------------------------------------------

# await_line FILE TEXT: a line of it begins so; a program writes it that was just started
await_line() {
  local line try
  for ((try = 0; try < 300; try++)); do
    if [[ -e $1 ]]; then
      while read -r line; do
        [[ $line != "$2"* ]] || return 0
      done <"$1"
    fi
    rest 0.05
  done
  printf 'bench: no "%s" in %s\n' "$2" "$1" >&2
  return 1
}

# All processes of the daemon that start() started: $pids
roles() {
  local i children
  pids=("$guard")
  for ((i = 0; i < ${#pids[@]}; i++)); do
    mapfile -t children < <(pgrep -P "${pids[i]}" || true)
    pids+=("${children[@]}")
  done
}

# cpu_of PID...: CPU time of all their threads in nanoseconds, from the scheduler; $REPLY
cpu_of() {
  local pid file run_ns others total=0
  for pid in "$@"; do
    for file in /proc/"$pid"/task/*/schedstat; do
      read -r run_ns others <"$file"
      total=$((total + run_ns))
    done
  done
  REPLY=$total
}

# The file of the ledger that is written to now; $REPLY
ledger_file() {
  local files=("$folder"/state/ledger/events-*.jsonl)
  REPLY=${files[-1]}
}

# --- a peer ---------------------------------------------------------------------------------------------------------------

# start_bpftrace FILE ARGUMENT...: what it prints goes to FILE. It looks for tracepoints where debugfs should be.
start_bpftrace() {
  # shellcheck disable=SC2016 # not this shell's
  unshare --mount bash -c 'mount -t debugfs bench /sys/kernel/debug && exec bpftrace "$@"' bench "${@:2}" >"$1" 2>"$1-said" &
  pids=("$!")
  at_end kill "$!"
}

# start_auditd FOLDER: with Debian's configuration, but its log is FOLDER/log and is not cut; no rules; $pids are it and the kernel's
# thread. Audit is off again, and as it was, after stop_auditd or at the end.
start_auditd() {
  rm -rf "$1"
  mkdir -p "$1/plugins.d"
  chmod 0700 "$1"
  sed -e "s|^log_file *=.*|log_file = $1/log|" -e 's|^max_log_file_action *=.*|max_log_file_action = IGNORE|' \
    -e "s|^plugin_dir *=.*|plugin_dir = $1/plugins.d|" /etc/audit/auditd.conf >"$1/auditd.conf"
  chmod 0600 "$1/auditd.conf"
  [[ $(auditctl -s) == *$'\npid 0\n'* ]] || {
    echo 'bench: there is an auditd on this host already' >&2
    return 1
  }
  audit_backlog=$(auditctl -s | sed -n 's/^backlog_limit //p')
  at_end auditctl -b "$audit_backlog"
  at_end auditctl -e 0
  at_end auditctl -D
  auditd -n -c "$1" >"$1/said" 2>&1 &
  pids=("$!" "$(pgrep -xo kauditd)")
  at_end kill "$!"
  await_line "$1/log" type=DAEMON_START
  auditctl -b 8192 >/dev/null
}

stop_auditd() {
  auditctl -D >/dev/null
  auditctl -e 0 >/dev/null
  auditctl -b "$audit_backlog" >/dev/null
  kill "${pids[0]}"
  wait "${pids[0]}" || true
}

# --- a crowd ---------------------------------------------------------------------------------------------------------

# crowd KIND N: holds N processes or connections until crowd_end; one of a kind at a time
declare -A crowds=()
crowd() {
  local output word
  exec {output}< <(exec "$BENCH_SCRATCH/crowd" "$1" "$2" <&"$never")
  crowds[$1]=$!
  at_end kill "$!"
  read -r -u "$output" word && [[ $word == ready ]]
  exec {output}<&-
}

# crowd_end KIND
crowd_end() {
  kill "${crowds[$1]}"
  wait "${crowds[$1]}" || true
}

# --- what must be undone ---------------------------------------------------------------------------------------------

ending=()

at_end() {
  ending+=("$(printf '%q ' "$@")")
}

end_of_bench() {
  local status=$? i
  trap - EXIT ERR
  set +e
  for ((i = ${#ending[@]} - 1; i >= 0; i--)); do
    eval "${ending[i]}" >/dev/null 2>&1
  done
  wait
  exit "$status"
}
trap end_of_bench EXIT
