#!/bin/bash
# memory.sh - what the roles hold in memory on this host, as it is, with the default configuration after a while.
# shellcheck source=bench/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

poll=0.1
idle=60
! quick || idle=15

configure "$BENCH_SCRATCH/memory" '[Watch "boot"]' "Path=$BENCH_TREE"
start

# kilobytes PID FILE NAME
kilobytes() {
  local name value
  while read -r name value _; do
    if [[ $name == "$3:" ]]; then
      REPLY=$value
      return 0
    fi
  done <"/proc/$1/$2"
  return 1
}

measure() {
  local role pid all=0 pss private peak
  printf '%s:\n' "$1"
  for role in guard observer; do
    pid=${!role}
    kilobytes "$pid" smaps_rollup Pss
    pss=$REPLY all=$((all + REPLY))
    kilobytes "$pid" smaps_rollup Private_Dirty
    private=$REPLY
    kilobytes "$pid" status VmHWM
    peak=$REPLY
    printf '  %-9s PSS %6d KiB   private and written to %6d KiB   most resident ever (VmHWM) %6d KiB\n' "$role" "$pss" "$private" "$peak"
  done
  printf '  together  PSS %6d KiB\n' "$all"
}

measure 'After the first round'
rest "$idle"
measure "After $idle seconds"
read_page
printf 'Records held in the baseline:'
for watch in "${all_watches[@]}"; do
  ! number records "$watch" || printf ' %s %s' "$watch" "$REPLY"
done
printf '\n'
stop
