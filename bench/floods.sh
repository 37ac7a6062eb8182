#!/bin/bash
# floods.sh - more than can be read: two workers do one thing as fast as they can, and meanwhile a file in another tree is written every
# 50 ms. Memory before, meanwhile and afterwards; and how long the one change that matters took to its line in the ledger.
# shellcheck source=bench/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=bench/acts.sh
. "$(dirname "${BASH_SOURCE[0]}")/acts.sh"

if quick; then
  seconds=${BENCH_SECONDS:-10}
else
  seconds=${BENCH_SECONDS:-30}
fi
pause=50 acts=$((seconds * 18))
work=$BENCH_SCRATCH/floods
tree=$work/quiet
program=$work/bench-true
mkdir -p "$tree" "$work"/{low,high}/{0,1}
cp /bin/true "$program"
for ((i = 0; i < 16; i++)); do
  echo "$i" >"$tree/bench-$i.conf"
done

# memory: $pss of all roles in KiB
memory() {
  local pid name value
  pss=0
  for pid in "${pids[@]}"; do
    while read -r name value _; do
      [[ $name != Pss: ]] || pss=$((pss + value))
    done <"/proc/$pid/smaps_rollup"
  done
}

count() {
  zcat -f "$folder"/state/ledger/events-*.jsonl* | grep -c "$1" || true
}

row='%-34s %8s %10s %10s %10s %9s %6s %12s %8s %8s %8s\n'
# shellcheck disable=SC2059 # the row is the format
printf "$row" "two workers, $seconds s" rate/s 'PSS before' meanwhile after events lost 'others told' p50 p99 most

# flood TEXT KIND PATH
flood() {
  local before most=0 things us spawner acting events after
  configure "$work/daemon" '[Log]' 'SegmentSize=1T' 'MaxSize=1G' '[Watch "boot"]' Path= "Path=$tree" \
    '[Watch "low"]' Kind=files Priority=low "Path=$work/low" '[Watch "high"]' Kind=files Priority=high "Path=$work/high"
  start
  rest 3
  roles
  memory
  before=$pss
  ledger_file
  follow_file "$REPLY"
  "$BENCH_SCRATCH/spawn" "$2" 2 "$seconds" "$3" >"$work/spawned" &
  spawner=$!
  act "file $tree" &
  acting=$!
  while kill -0 "$spawner" 2>/dev/null; do
    rest 0.2
    memory
    ((pss <= most)) || most=$pss
  done
  wait "$spawner" "$acting"
  await_last 3
  end "$follower"
  rest 5
  memory
  after=$pss
  : >"$work/told"
  matched ledger "$work/told"
  quantiles "$work/told"
  events=$(count '"sequence":')
  read -r things us _ <"$work/spawned"
  # shellcheck disable=SC2059
  printf "$row" "$1" $((things * 1000000 / us)) "$before" "$most" "$after" "$events" "$(count '"action":"events-lost"')" \
    "$n/$acts" "$p50" "$p99" "$(sort -n "$work/told" | tail -n 1 | sed 's/...$//')"
  stop
  rm -rf "$work/daemon"
}

flood 'files made and removed, low' files "$work/low"
flood 'files made and removed, high' files "$work/high"
flood 'programs started' processes "$program"
flood 'connections' connections none
