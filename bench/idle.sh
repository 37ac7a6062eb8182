#!/bin/bash
# idle.sh - a minute in which nothing is done on purpose: how often the monitor wakes up, the CPU time it takes, the memory it holds. One
# after the other, on this host as it is; how many processes were started on it in that minute says how quiet it was.
# shellcheck source=bench/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if quick; then
  seconds=15
else
  seconds=60
fi
work=$BENCH_SCRATCH/idle
mkdir -p "$work/loop" "$work/tree"

# switches_of PID...: context switches of all their threads, voluntary and not; $REPLY
switches_of() {
  local pid file name value total=0
  for pid in "$@"; do
    for file in /proc/"$pid"/task/*/status; do
      while read -r name value; do
        case $name in
          voluntary_ctxt_switches:) total=$((total + value)) ;;
        esac
      done <"$file"
    done
  done
  REPLY=$total
}

# memory_of PID...: proportional set size in KiB; $REPLY
memory_of() {
  local pid name value total=0
  for pid in "$@"; do
    while read -r name value _; do
      [[ $name != Pss: ]] || total=$((total + value))
    done < <(cat "/proc/$pid/smaps_rollup" 2>/dev/null || true) # a thread of the kernel has none
  done
  REPLY=$total
}

processes_started() {
  local name value
  while read -r name value _; do
    [[ $name != processes ]] || REPLY=$value
  done </proc/stat
}

row='%-28s %12s %14s %10s %10s %18s\n'
# shellcheck disable=SC2059 # the row is the format
printf "$row" "in $seconds seconds" wake-ups 'CPU time, ms' '% of a core' 'PSS, KiB' 'processes started'

# show TEXT PID...
show() {
  local text=$1 cpu switches started
  shift
  processes_started
  started=$REPLY
  switches_of "$@"
  switches=$REPLY
  cpu_of "$@"
  cpu=$REPLY
  rest "$seconds"
  cpu_of "$@"
  cpu=$((REPLY - cpu))
  switches_of "$@"
  switches=$((REPLY - switches))
  processes_started
  started=$((REPLY - started))
  memory_of "$@"
  show_row "$text" "$switches" "$cpu" "$REPLY" "$started"
}

# show_row TEXT SWITCHES NANOSECONDS KIB STARTED
show_row() {
  local share=$(($3 / seconds / 10)) # millionths of a hundredth of a core
  ms "$3"
  # shellcheck disable=SC2059
  printf "$row" "$1" "$2" "$REPLY" "$(printf '%d.%06d' $((share / 1000000)) $((share % 1000000)))" "$4" "$5"
}

configure "$work/daemon" '[Watch "boot"]' "Path=$work/tree"
start
rest 10
roles
show 'nephronixd' "${pids[@]}"
stop

if command -v auditd >/dev/null; then
  start_auditd "$work/audit"
  rest 2
  show 'auditd without rules' "${pids[@]}"
  stop_auditd
fi

# Its commands are gone when it ends: their CPU time is known, their memory is not. It rests as long as a round of nephronixd.
processes_started
started=$REPLY
cpu_of_command "$here/shell-round.sh" "$work/loop" "$BENCH_TREE" $((seconds / 2)) 2
cpu=$REPLY
processes_started
show_row "shell loop, $((seconds / 2)) rounds" - "$cpu" - $((REPLY - started))
