#!/bin/bash
# volume.sh - what is written while two workers start programs without pause, scaled to an hour. Measured over whole windows of folding.
# shellcheck source=bench/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if quick; then
  window=20
else
  window=60
fi
work=$BENCH_SCRATCH/volume
program=$work/bench-true
mkdir -p "$work/tree"
cp /bin/true "$program"
configure "$work/daemon" "FoldWindow=${window}s" '[Watch "boot"]' "Path=$work/tree"
start
roles
rest 2

# Bytes handed to write(2) and the like by all roles, bytes sent to a disk, bytes in ledger, text log and archive.
written() {
  local pid name value all=0 disk=0
  for pid in "${pids[@]}"; do
    while read -r name value; do
      case $name in
        wchar:) all=$((all + value)) ;;
        write_bytes:) disk=$((disk + value)) ;;
      esac
    done <"/proc/$pid/io"
  done
  REPLY="$all $disk $(cat "$folder"/state/ledger/events-* | wc -c)"
}

# hourly BYTES: MiB in an hour, one digit
hourly() {
  ratio $(($1 * 3600 / seconds)) $((1 << 20))
}

seconds=$((2 * window))
"$BENCH_SCRATCH/spawn" processes 2 $((seconds + 10)) "$program" >"$work/spawned" &
spawner=$!
at_end kill "$spawner"
rest 5
written
read -r all disk ledger <<<"$REPLY"
rest "$seconds"
written
read -r all_now disk_now ledger_now <<<"$REPLY"
wait "$spawner"
read -r done_things us _ <"$work/spawned"
stop

printf 'Two workers, %d programs started a second, for %d seconds; FoldWindow=%ds. In an hour that makes:\n' \
  $((done_things * 1000000 / us)) "$seconds" "$window"
hourly $((all_now - all))
printf '  handed to write(2), all roles   %10s MiB\n' "$REPLY"
hourly $((disk_now - disk))
printf '  sent to a disk, all roles       %10s MiB\n' "$REPLY"
hourly $((ledger_now - ledger))
printf '  lines in the ledger             %10s MiB\n' "$REPLY"
