#!/bin/bash
# growth.sh - how a look and a round grow with what there is to see: connections, then processes. Beside them, turn by turn on the
# same state, the command that shows the same. A connection is two records here, for both of its ends are on this host.
# shellcheck source=bench/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if quick; then
  interval=200ms poll=0.02 turns=2 rounds=3
else
  interval=1s poll=0.05 turns=4 rounds=6
fi

# sample WATCH: $look, the median of its looks, and $round, in microseconds
sample() {
  declare -n looks=costs_$1
  looks=()
  measure_rounds "$rounds"
  round=$((cpu_per_round / 1000))
  while ((${#looks[@]} == 0)); do # it is due less often than every round
    measure_rounds 1
  done
  median "${looks[@]}"
  look=$REPLY
}

# each FIRST NOW: microseconds for each record more than in the first line
each() {
  ratio $(($2 - $1)) $((records - first_records))
}

row='%8s %8s | %10s %8s | %10s %8s | %10s %8s | %9s\n'

# grow WATCH KIND RECORDS-EACH COMMAND COUNT...
grow() {
  local watch=$1 kind=$2 each=$3 command=$4 count turn records cadence look round still stills rounds_still tool tools
  local first_records=0 first_still=0 first_tool=0 still_each tool_each
  shift 4
  noted=("$watch")
  # shellcheck disable=SC2059
  printf "$row" "$kind" records look 'a record' round cadence "$command" 'a record' 'tool/look'
  for count in 0 "$@"; do
    if ((count > 0)); then
      crowd "$kind" "$count"
      await_records "$watch" $((count * each + first_records)) 1000000
    fi
    stills=() rounds_still=() tools=()
    for ((turn = 0; turn < turns; turn++)); do
      sample "$watch"
      stills+=("$look") rounds_still+=("$round")
      pause_daemon
      # shellcheck disable=SC2086 # it is words
      cpu_of_command $command
      resume_daemon
      tools+=("$((REPLY / 1000))")
    done
    number records "$watch"
    records=$REPLY
    number cadence_ms "$watch"
    cadence=${REPLY}ms
    median "${stills[@]}"
    still=$REPLY
    median "${rounds_still[@]}"
    round=$REPLY
    median "${tools[@]}"
    tool=$REPLY
    if ((count == 0)); then
      first_records=$records first_still=$still first_tool=$tool
    fi
    each "$first_still" "$still"
    still_each=$REPLY
    each "$first_tool" "$tool"
    tool_each=$REPLY
    ratio "$tool" "$still"
    # shellcheck disable=SC2059
    printf "$row" "$count" "$records" "$still" "$still_each" "$round" "$cadence" "$tool" "$tool_each" \
      "$REPLY"
    if ((count > 0)); then
      crowd_end "$kind"
      await_records "$watch" 0 "$first_records"
    fi
  done
}

if [[ $BENCH_ROOM == no ]]; then
  echo 'growth: only in a room of its own'
  exit 0
fi
configure "$BENCH_SCRATCH/growth" "Interval=$interval" '[Watch "boot"]' "Path=$BENCH_TREE"
start
cat <<TEXT
Interval=$interval; medians of microseconds of CPU time.
look      of this watch, when nothing happened
a record  how much more for each record more than in the first line
round     of all watches and both roles, as often as each is due; cadence: how often this one is
tool/look the command beside the look
TEXT
printf '\n'
grow processes processes 1 'ps auxwww' 300 3000
printf '\n'
grow connections connections 2 'ss -tulpan' 100 1000 10000
printf '\n'
for role in guard observer; do
  while read -r name value _; do
    case $name in
      VmHWM:) printf 'The most that was ever resident of the %s: %d KiB' "$role" "$value" ;;
      VmRSS:) printf '; at the end: %d KiB\n' "$value" ;;
    esac
  done <"/proc/${!role}/status"
done
stop
