#!/bin/bash
# round.sh - one quiet round of all roles beside one round of shell-round.sh, turn by turn on the same state; what a round asks of
# the kernel; what it writes.
# shellcheck source=bench/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if quick; then
  interval=200ms pause=0.2 poll=0.02 turns=5 rounds=15 loops=2
else
  interval=2s pause=2 poll=0.1 turns=7 rounds=10 loops=3
fi

if [[ $BENCH_ROOM == yes ]]; then
  crowd processes 150
  crowd connections 40
fi
configure "$BENCH_SCRATCH/round" "Interval=$interval" '[Watch "boot"]' "Path=$BENCH_TREE"
start
mkdir -p "$BENCH_SCRATCH/loop"
"$here/shell-round.sh" "$BENCH_SCRATCH/loop" "$BENCH_TREE" 2 0.1

daemon_times=() loop_times=() ratios=()
noted=("${all_watches[@]}")
for ((turn = 0; turn < turns; turn++)); do
  measure_rounds "$rounds"
  pause_daemon
  cpu_of_command "$here/shell-round.sh" "$BENCH_SCRATCH/loop" "$BENCH_TREE" "$loops" "$pause"
  REPLY=$((REPLY / loops))
  resume_daemon
  daemon_times+=("$cpu_per_round")
  loop_times+=("$REPLY")
  ratios+=($((REPLY * 10 / cpu_per_round)))
done

show_times() {
  local text=$1 middle
  shift
  median "$@"
  ms "$REPLY"
  middle=$REPLY
  spread "$@"
  ms "$least"
  least=$REPLY
  ms "$most"
  printf '%-44s %10s ms  (%s to %s)\n' "$text" "$middle" "$least" "$REPLY"
}

printf 'CPU time of one quiet round, Interval=%s, median of %d turns of %d and %d rounds:\n' "$interval" "$turns" "$rounds" "$loops"
show_times '  nephronixd, guard and observer' "${daemon_times[@]}"
show_times '  shell loop' "${loop_times[@]}"
median "${ratios[@]}"
spread "${ratios[@]}"
printf '%-44s %8d.%d     (%d.%d to %d.%d)\n' '  the loop is this many times as much' \
  $((REPLY / 10)) $((REPLY % 10)) $((least / 10)) $((least % 10)) $((most / 10)) $((most % 10))
printf 'Of it, by watch (microseconds a look):'
for watch in "${all_watches[@]}"; do
  # shellcheck disable=SC2178 # a name for an array, not one
  declare -n list=costs_${watch//-/_}
  ((${#list[@]})) || continue
  median "${list[@]}"
  printf ' %s %s' "$watch" "$REPLY"
done
printf '\n'
stop

# --- what it asks of the kernel ---------------------------------------------------------------------------------------

# count_calls FROM TO LOG: of these lines of strace's: all calls, new processes, programs started
count_calls() {
  REPLY=$(awk -v from="$1" -v to="$2" '
    NR <= from || NR > to || !match($0, /^[0-9]+ +[a-z_0-9]+\(/) { next }
    { calls++ }
    / (clone|clone3|fork|vfork)\(/ && !/CLONE_THREAD/ { forks++ }
    / execve(at)?\(.* = 0$/ { execs++ }
    END { printf "%d %d %d", calls, forks, execs }' "$3")
}

if ! command -v strace >/dev/null; then
  echo 'System calls: not counted, there is no strace here'
else
  poll=0.05
  configure "$BENCH_SCRATCH/calls" Interval=200ms '[Watch "boot"]' "Path=$BENCH_TREE"
  start
  log=$BENCH_SCRATCH/strace
  strace -f -o "$log" -p "$guard" -p "$observer" 2>/dev/null &
  tracer=$!
  at_end kill "$tracer"
  for ((try = 0; try < 20; try++)); do
    await_quiet
    mapfile -t lines <"$log"
    from=${#lines[@]} first_rounds=$seen_rounds first_events=$seen_events
    until ((seen_rounds >= first_rounds + 10)); do
      await_round
    done
    mapfile -t lines <"$log"
    ((seen_events != first_events)) || break
  done
  ((seen_events == first_events)) || echo 'bench: no ten rounds in a row without an event' >&2
  counted=$((seen_rounds - first_rounds))
  kill "$tracer"
  wait "$tracer" || true
  count_calls "$from" "${#lines[@]}" "$log"
  read -r calls forks execs <<<"$REPLY"
  printf 'Of the kernel, nephronixd in %d quiet rounds: %d forks, %d execs, %d system calls a round\n' \
    "$counted" "$forks" "$execs" "$((calls / counted))"
  stop
  strace -f -o "$log" "$here/shell-round.sh" "$BENCH_SCRATCH/loop" "$BENCH_TREE" 1 0 2>/dev/null
  mapfile -t lines <"$log"
  count_calls 0 "${#lines[@]}" "$log"
  read -r calls forks execs <<<"$REPLY"
  # Of the last three, the shell that runs the loop was one.
  printf 'Of the kernel, the shell loop in one round:   %d forks, %d execs, %d system calls\n' "$forks" "$((execs - 1))" "$calls"
fi

# --- what it writes ---------------------------------------------------------------------------------------------------

# Bytes handed to write(2) and the like by both roles, and bytes sent to a disk.
written() {
  local file name value all=0 disk=0
  for file in /proc/"$guard"/io /proc/"$observer"/io; do
    while read -r name value; do
      case $name in
        wchar:) all=$((all + value)) ;;
        write_bytes:) disk=$((disk + value)) ;;
      esac
    done <"$file"
  done
  REPLY="$all $disk"
}

poll=0.02
configure "$BENCH_SCRATCH/written" Interval=100ms '[Watch "boot"]' "Path=$BENCH_TREE"
start
await_quiet
gathered=0 all=0 disk=0
while ((gathered < 100 && loud_rounds < 1000)); do
  written
  read -r all_before disk_before <<<"$REPLY"
  first_rounds=$seen_rounds first_events=$seen_events
  await_round
  written
  read -r all_now disk_now <<<"$REPLY"
  if ((seen_events == first_events)); then
    gathered=$((gathered + seen_rounds - first_rounds))
    all=$((all + all_now - all_before)) disk=$((disk + disk_now - disk_before))
  else
    await_quiet
  fi
done
printf 'Written by nephronixd in %d quiet rounds: %d bytes, %d to a disk\n' "$gathered" "$all" "$disk"
stop
