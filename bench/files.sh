#!/bin/bash
# files.sh - trees of files: the first baseline, reading all of it again, a pass that finds nothing, and one file that changes among the
# many; beside the commands that read the same, AIDE, and what the kernel alone takes for it. One run, turn by turn, on the same tree.
# shellcheck source=bench/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

poll=0.05 turns=3 many=1000000 acts=200
if quick; then
  many=100000 acts=100
fi
turns=${BENCH_TURNS:-$turns}
many=${BENCH_FILES:-$many}
read -r -a trees <<<"${BENCH_TREES:-boot usr made}"
in_flight=24 # the pool: eight lanes and sixteen files that are read ahead
work=$BENCH_SCRATCH/files
mkdir -p "$work"
mapfile -t no_others < <(only)

has_aide=no has_b3sum=no
! command -v aide >/dev/null || has_aide=yes
! command -v b3sum >/dev/null || has_b3sum=yes
[[ $has_aide == yes ]] || echo 'files: there is no aide here (Debian: apt-get install aide-common aide): its rows are left out'
[[ $has_b3sum == yes ]] || echo 'files: there is no b3sum here (Debian: apt-get install b3sum): its rows are left out'

# --- what is measured ------------------------------------------------------------------------------------------------

# cost ROW COMMAND...: CPU and wall time in microseconds and peak PSS in KiB, one more turn of this row
declare -A cpus walls sizes
cost() {
  local row=$1 cpu wall size
  shift
  read -r cpu wall size < <("$BENCH_SCRATCH/cost" "$@" 2>"$work/said" || true)
  cpus[$row]+=" $cpu" walls[$row]+=" $wall" sizes[$row]+=" $size"
}

# as_one COMMAND: a shell's, with the tree as its first argument
as_one() {
  cost "$1" bash -c "$2" bench "$tree"
}

configure_files() {
  configure "$work/state-$name" "$@" "${no_others[@]}" '[Watch "persistence"]' Enabled=no '[Watch "tree"]' Kind=files "Path=$tree" Policy=full
}

once() {
  cost "$1" "$BENCH_PROGRAMS/nephronixd" --config "$folder/nephronix.conf" --once
}

# The daemon looks again by itself when fifty times what the look before cost has passed. Nothing else is due meanwhile.
verify() {
  local before turn passes=$turns
  ! quick || [[ $name == boot ]] || passes=1
  configure_files Interval=100ms Rehash=never Sources=timer
  start
  await_looks tree 1
  for ((turn = 0; turn < passes; turn++)); do
    cpu_of_daemon
    before=$REPLY
    await_looks tree 1
    cpu_of_daemon
    cpus[verify]+=" $(((REPLY - before) / 1000))"
  done
  stop
}

# A small tree is read in full at each start; what the daemon itself takes for that, without its own start.
start_small() {
  local turn
  for ((turn = 0; turn < turns; turn++)); do
    configure_files Rehash=never Sources=timer # its own RunDirectory: no page of the one before
    start
    number cost_us tree
    cpus[daemon]+=" $REPLY"
    stop
  done
}

configure_aide() {
  printf '%s\n' "database_in=file:$work/aide-$1" "database_out=file:$work/aide-$1" gzip_dbout=no report_url=stdout \
    "Everything = p+u+g+s+m+c+i+n+ftype$2" "$tree Everything" >"$work/aide-$1.conf"
}

aide_turn() {
  cost "aide-init-$1" aide --config="$work/aide-$1.conf" --init
  cost "aide-check-$1" aide --config="$work/aide-$1.conf" --check
}

drop_caches() {
  sync
  { echo 3 >/proc/sys/vm/drop_caches; } 2>/dev/null
}

# The microseconds from the beginning of a write to its line in the ledger.
verdict() {
  local follower
  configure_files Rehash=never
  start
  ledger_file
  "$BENCH_SCRATCH/follow" "$REPLY" >"$work/followed" &
  follower=$!
  await_line "$work/followed" ready
  "$BENCH_SCRATCH/act" file "$acts" 20 "$tree" >"$work/acts"
  rest 2
  kill "$follower"
  wait "$follower" || true
  stop
  awk -F '\t' '
    FNR == NR { start[FNR] = $1; text[FNR] = $3; count = FNR; next }
    /^[0-9]/ {
      at = substr($0, 1, index($0, " ") - 1)
      while (last < count && start[last + 1] + 0 <= at + 0) last++
      for (i = last; i > 0 && i > last - 16; i--)
        if (index($0, text[i])) { if (!told[i]++) printf "%.0f\n", (at - start[i]) / 1000; break }
    }' "$work/acts" "$work/followed" | sort -n >"$work/times"
  awk -v acts="$acts" '
    { time[NR] = $1 }
    function at(share) { i = int(NR * share + 0.999999); return time[i < 1 ? 1 : i] }
    END { printf "One file of 10 KiB among them written to, to its line in the ledger: %d of %d seen; microseconds p50 %d, p90 %d, p99 %d\n",
      NR, acts, at(0.5), at(0.9), at(0.99) }' "$work/times"
}

# --- what is said ----------------------------------------------------------------------------------------------------

# seconds MICROSECONDS
seconds() {
  printf -v REPLY '%d.%03d' $(($1 / 1000000)) $(($1 / 1000 % 1000))
}

# of ARRAY ROW: the median of its turns; - if there are none
of() {
  declare -n values=$1
  REPLY=-
  [[ -n ${values[$2]:-} ]] || return 0
  # shellcheck disable=SC2086 # they are words
  median ${values[$2]}
}

# row NAME TEXT BESIDE: times as much CPU as the row BESIDE
row() {
  local cpu wall=- size ratio=-
  of cpus "$1"
  [[ $REPLY != - ]] || return 0
  cpu=$REPLY
  of cpus "$3"
  [[ $REPLY == - ]] || ((REPLY == 0)) || ratio=$(awk -v a="$cpu" -v b="$REPLY" 'BEGIN { printf "%.2f", a / b }')
  of sizes "$1"
  size=$REPLY
  of walls "$1"
  if [[ $REPLY != - ]]; then
    seconds "$REPLY"
    wall=$REPLY
  fi
  seconds "$cpu"
  printf '  %-52s %10s %10s %9s %8s\n' "$2" "$REPLY" "$wall" "$size" "$ratio"
}

table() {
  printf '  %-52s %10s %10s %9s %8s\n' "$1" 'CPU s' 'wall s' 'PSS KiB' 'ratio'
}

# --- the trees -------------------------------------------------------------------------------------------------------

# A kernel and the one before it, and what a boot loader has beside them.
make_boot() {
  local file
  tree=$work/boot
  mkdir -p "$tree/grub"
  cp -a "$BENCH_TREE/." "$tree/"
  for file in "$BENCH_TREE"/*; do
    [[ ! -f $file ]] || cp -a "$file" "$tree/${file##*/}.before"
  done
  head -c 8M /dev/urandom | split -b 30K -d -a 3 - "$tree/grub/module-"
}

make_usr() {
  tree=${BENCH_FOLDER:-/usr}
}

# Files that will be written to lie at its top.
make_made() {
  local i
  tree=$work/made
  "$BENCH_SCRATCH/make" "$tree" "$many"
  for ((i = 0; i < 16; i++)); do
    head -c 10K /dev/urandom >"$tree/bench-$i.conf"
  done
}

warm() {
  local turn
  for ((turn = 0; turn < turns; turn++)); do
    "$BENCH_SCRATCH/walk" read "$tree" >/dev/null # into memory
    rm -rf "$work/state-$name"
    configure_files Rehash=never Sources=timer
    cost stat "$BENCH_SCRATCH/walk" stat "$tree"
    cost read "$BENCH_SCRATCH/walk" read "$tree"
    once first
    once again
    # shellcheck disable=SC2016 # for the other shell
    [[ $name != boot ]] || as_one each 'find "$1" -xdev -type f -exec b2sum {} \;'
    # shellcheck disable=SC2016
    as_one xargs 'find "$1" -xdev -type f -print0 | xargs -0 b2sum'
    # shellcheck disable=SC2016
    as_one parallel 'find "$1" -xdev -type f -print0 | xargs -0 -n 256 -P "$(nproc)" b2sum'
    # shellcheck disable=SC2016
    [[ $has_b3sum == no ]] || as_one b3sum 'find "$1" -xdev -type f -print0 | xargs -0 b3sum --num-threads 1'
    # It takes minutes a turn.
    if [[ $has_aide == yes ]] && { ((turn == 0)) || ! quick; }; then
      configure_aide sha512 +sha512
      configure_aide meta ''
      aide_turn sha512
      aide_turn meta
    fi
  done
  [[ $name != boot ]] || start_small
  verify
  table 'in memory'
  row stat 'floor: walk and statx' stat
  row verify 'nephronixd, a pass that finds nothing (daemon)' stat
  row aide-check-meta 'aide --check without checksums' verify
  row read 'floor: walk, statx and read' read
  row first 'nephronixd --once, first baseline' read
  row again 'nephronixd --once, all of it read again' read
  row daemon 'the same by the daemon at its start' read
  row each 'find -exec b2sum {} \;' again
  row xargs 'find | xargs b2sum' again
  row parallel 'find | xargs -P b2sum' again
  row b3sum 'find | xargs b3sum --num-threads 1' again
  row aide-init-sha512 'aide --init, sha512' first
  row aide-check-sha512 'aide --check, sha512' again
  row aide-init-meta 'aide --init without checksums' first
}

cold() {
  drop_caches || {
    echo '  (the page cache cannot be dropped here: nothing is measured cold)'
    return 0
  }
  "$BENCH_SCRATCH/walk" stat /lib >/dev/null
  cost cold-read "$BENCH_SCRATCH/walk" read "$tree" "$in_flight"
  drop_caches
  once cold-again
  drop_caches
  # shellcheck disable=SC2016
  as_one cold-xargs 'find "$1" -xdev -type f -print0 | xargs -0 b2sum'
  drop_caches
  # shellcheck disable=SC2016
  as_one cold-parallel 'find "$1" -xdev -type f -print0 | xargs -0 -n 64 -P 8 b2sum'
  table 'from the disk'
  row cold-read "floor: walk, then read, $in_flight in flight" cold-read
  row cold-again 'nephronixd --once, all of it read again' cold-read
  row cold-xargs 'find | xargs b2sum' cold-again
  row cold-parallel 'find | xargs -P 8 b2sum' cold-again
}

cat <<TEXT
Medians of $turns turns (with --quick one of aide). CPU time is user and system time of all processes. ratio: CPU time against the row it belongs to: a pass that
finds nothing against walk and statx, aide's check without checksums against that pass, reading all against walk and read, the others
against nephronixd reading all (aide --init: against its first baseline).
TEXT
for name in "${trees[@]}"; do
  cpus=() walls=() sizes=()
  "make_$name"
  printf '\n%s: %s\n' "$name" "$("$BENCH_SCRATCH/walk" read "$tree")"
  warm
  [[ $name == boot ]] || cold
  if [[ $name == made ]]; then
    verdict
    printf '\n'
    "$BENCH_SCRATCH/small" "$tree"
  fi
  [[ $name == usr ]] || rm -rf "$tree"
done
