#!/bin/bash
# crowded.sh - what an event costs and what is held in memory, on a host with few processes and connections and on one with many: two
# workers start programs without pause in both.
# shellcheck source=bench/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if quick; then
  seconds=${BENCH_SECONDS:-5} processes=1000 connections=1000
else
  seconds=${BENCH_SECONDS:-10} processes=5000 connections=10000
fi
work=$BENCH_SCRATCH/crowded
program=$work/bench-true
mkdir -p "$work/tree"
cp /bin/true "$program"

# memory: $pss and $peak of all roles in KiB
memory() {
  local pid name value
  pss=0 peak=0
  for pid in "${pids[@]}"; do
    while read -r name value _; do
      [[ $name != Pss: ]] || pss=$((pss + value))
    done <"/proc/$pid/smaps_rollup"
    while read -r name value _; do
      [[ $name != VmHWM: ]] || peak=$((peak + value))
    done <"/proc/$pid/status"
  done
}

row='%-44s %9s %15s %12s %12s %12s %6s\n'
# shellcheck disable=SC2059 # the row is the format
printf "$row" "two workers, $seconds s" 'execs/s' 'CPU us an exec' 'PSS before' 'PSS after' 'peak, KiB' lost

# measure TEXT
measure() {
  local before cpu things us before_pss lost
  roles
  memory
  before_pss=$pss
  cpu_of "${pids[@]}"
  before=$REPLY
  "$BENCH_SCRATCH/spawn" processes 2 "$seconds" "$program" >"$work/spawned"
  rest 3
  cpu_of "${pids[@]}"
  cpu=$((REPLY - before))
  read -r things us _ <"$work/spawned"
  ms $((cpu * 1000 / things))
  cpu=${REPLY%??}
  memory
  lost=$(zcat -f "$folder"/state/ledger/events-*.jsonl* | grep -c '"action":"events-lost"') || true
  # shellcheck disable=SC2059
  printf "$row" "$1" $((things * 1000000 / us)) "$cpu" "$before_pss" "$pss" "$peak" "$lost"
}

configure "$work/daemon" '[Watch "boot"]' Path= "Path=$work/tree"
start
rest 5
measure 'this host as it is'
crowd processes "$processes"
crowd connections "$connections"
rest 15
measure "and $processes processes, $connections connections"
crowd_end processes
crowd_end connections
stop
