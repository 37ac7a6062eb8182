#!/bin/bash
# latency.sh - from the act to its line in the ledger, beside a bare reader of the same facility of the kernel and beside what an admin
# has instead: turn by turn, first all acts with the bare readers and no nephronixd, then all acts with nephronixd and no bare reader, then
# those that they can tell of with auditd, bpftrace and inotifywait, one after the other. BENCH_ACTS says how many of each kind;
# BENCH_FOLLOW=--awake keeps one CPU awake (see follow.c).
# shellcheck source=bench/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if quick; then
  turns=2 acts=${BENCH_ACTS:-100}
else
  turns=5 acts=${BENCH_ACTS:-1000}
fi
acts=$((acts / turns))
pause=20
follow=("$BENCH_SCRATCH/follow")
[[ -z ${BENCH_FOLLOW:-} ]] || follow+=("$BENCH_FOLLOW")
work=$BENCH_SCRATCH/latency
tree=$work/tree
fixture=$work/host
mkdir -p "$tree" "$fixture"

# A host of its own for what must not happen to this one. tmpfs: its filesystem mark sees nobody else.
mount -t tmpfs -o mode=0755 bench "$fixture"
at_end umount "$fixture"
mkdir -p "$fixture"/{etc,proc/1,run,sys,boot,dev} "$fixture/var/lib/dpkg/info"
cp /var/lib/dpkg/status "$fixture/var/lib/dpkg/status"
: >"$fixture/run/utmp"
for ((i = 0; i < 16; i++)); do
  echo "$i" >"$tree/bench-$i.conf"
done

# Each message is to get through (act() sees to it); what was set is set again.
at_end sysctl -q "kernel.printk_devkmsg=$(sysctl -n kernel.printk_devkmsg)"

#       what the table says              the bare reader                                   the act
kinds=(
  "file closed after write|fanotify $tree closed|file $tree"
  "program executed|processes|exec /bin/true"
  "connection established|connections|connect"
  "BPF program loaded|perf|bpf"
  "kernel message|kmsg|kmsg"
)
kinds_of_fixture=(
  "login|inotify $fixture/run modified|login $fixture/run/utmp"
  "package installed|fanotify $fixture/var/lib/dpkg moved|package $fixture/var/lib/dpkg"
)

# What each peer says of an act, where % is what a bare reader calls it. Of those without it a line is about the last act. auditd tells of a
# file that is opened for writing, not that it was written.
declare -A says=(
  [file inotifywait]='CLOSE_WRITE,CLOSE %'
  [exec bpftrace]='exec %;' [exec auditd]=' pid=% '
  [connect bpftrace]='port %;' [connect auditd]='comm="act"'
  [bpf bpftrace]='act loads;' [bpf auditd]='prog-id=% op=LOAD'
  [kmsg dmesg]='%'
  [login inotifywait]='MODIFY utmp'
  [package inotifywait]='MOVED_TO status' [package auditd]='name="status"'
)
peers=(bpftrace auditd inotifywait dmesg)
declare -A texts=([bpftrace]='bpftrace' [auditd]='auditd, its log' [inotifywait]='inotifywait -m' [dmesg]='dmesg -w')

# act KIND: does the acts of this turn; "$work/acts" says what they were
act() {
  local kind arguments pause=$pause
  read -r kind arguments <<<"$1"
  # A look at a whole database rests ten times as long as it took, and no host installs fifty packages a second.
  [[ $kind != package ]] || pause=100
  [[ $kind != kmsg ]] || sysctl -q kernel.printk_devkmsg=on
  # shellcheck disable=SC2086 # none, or a path of our own
  "$BENCH_SCRATCH/act" "$kind" "$acts" "$pause" $arguments >"$work/acts"
}

# follow_file FILE: as "$work/followed"
follow_file() {
  : >"$work/followed"
  "${follow[@]}" "$1" >"$work/followed" &
  follower=$!
  await_line "$work/followed" ready
}

# end PID: ends it, whatever it was
end() {
  kill "$1"
  wait "$1" || true
}

# Until the last act was told of, or for three seconds: what is not there then counts as missed. In what is said % is its column.
#   await_last COLUMN [SAID]
await_last() {
  local last try
  last=$(tail -n 1 "$work/acts" | cut -f "$1")
  [[ -z ${2:-} ]] || last=${2/\%/"$last"}
  for ((try = 0; try < 30; try++)); do
    grep -qF -- "$last" "$work/followed" && break
    rest 0.1
  done
}

# What was told of which act, and how long after it began: appended to FILE, in nanoseconds. A line belongs to the last act before it
# that it may be about, so an act that is told together with a later one counts as missed.
#   matched COLUMN FILE: times from that column of "$work/followed", the rest of the line names the act, as bare readers do
#   matched ledger FILE
#   matched peer FILE SAID: with % in it for what a bare reader calls the act
matched() {
  awk -F '\t' -v column="$1" -v said="${3:-}" '
    FNR == NR {
      start[FNR] = $1; bare[FNR] = $2; ledger[FNR] = $3; count = FNR
      if (column == "peer") { ledger[FNR] = said; sub(/%/, $2, ledger[FNR]) }
      next
    }
    /^[0-9]/ {
      space = index($0, " ")
      at = substr($0, 1, space - 1); rest = substr($0, space + 1)
      if (column + 0) {
        space = index(rest, " ")
        if (!space) next
        if (column == 2) at = substr(rest, 1, space - 1)
        rest = substr(rest, space + 1)
      }
      while (last < count && start[last + 1] + 0 <= at + 0) { last++; latest[bare[last]] = last }
      i = 0
      if (column + 0) i = latest[rest]
      else for (j = last; j > 0 && j > last - 200; j--) if (index(rest, ledger[j])) { i = j; break }
      if (i && !told[i]++) printf "%.0f\n", at - start[i]
    }' "$work/acts" "$work/followed" >>"$2"
}

bare_turn() {
  local i row reader
  for ((i = 0; i < $#; i++)); do
    IFS='|' read -r _ row act <<<"${*:i+1:1}"
    : >"$work/bare"
    # shellcheck disable=SC2086 # words, and paths of our own
    "$BENCH_SCRATCH/bare" $row >"$work/bare" &
    reader=$!
    await_line "$work/bare" ready
    follow_file "$work/bare"
    act "$act"
    await_last 2
    end "$reader"
    end "$follower"
    matched 2 "$work/${act%% *}.bare"
    matched 1 "$work/${act%% *}.line"
  done
}

daemon_turn() {
  local i act
  start
  rest 2
  for ((i = 0; i < $#; i++)); do
    IFS='|' read -r _ _ act <<<"${*:i+1:1}"
    ledger_file
    follow_file "$REPLY"
    act "$act"
    await_last 3
    end "$follower"
    matched ledger "$work/${act%% *}.ledger"
  done
  stop
}

# begin_PEER: starts it, sets $said: the file of what it says. end_PEER.

begin_bpftrace() {
  said=$work/bpftrace
  # Each line at once.
  start_bpftrace "$said" -B line -e 'tracepoint:sched:sched_process_exec { printf("exec %d;\n", pid) }
    tracepoint:sock:inet_sock_set_state /args->newstate == 1/ { printf("port %d;\n", args->sport) }
    tracepoint:syscalls:sys_enter_bpf /args->cmd == 5/ { printf("%s loads;\n", comm) }
    BEGIN { printf("ready\n") }'
  await_line "$said" ready
}

end_bpftrace() {
  kill -INT "${pids[0]}"
  wait "${pids[0]}" || true
}

begin_auditd() {
  said=$work/audit/log
  start_auditd "$work/audit"
  auditctl -a always,exit -F arch=b64 -S execve >/dev/null
  auditctl -a always,exit -F arch=b64 -S connect -F "exe=$BENCH_SCRATCH/act" >/dev/null
  auditctl -w "$fixture/var/lib/dpkg" -p wa >/dev/null
}

end_auditd() { stop_auditd; }

begin_inotifywait() {
  said=$work/inotifywait
  inotifywait -m -e close_write,modify,moved_to --format '%e %f' "$tree" "$fixture/run" "$fixture/var/lib/dpkg" \
    >"$said" 2>"$said-said" &
  pids=("$!")
  at_end kill "$!"
  await_line "$said-said" 'Watches established.'
}

end_inotifywait() { end "${pids[0]}"; }

begin_dmesg() {
  said=$work/dmesg
  dmesg -w >"$said" &
  pids=("$!")
  at_end kill "$!"
  await_line "$said" ''
}

end_dmesg() { end "${pids[0]}"; }

# peer_turn PEER KIND...
peer_turn() {
  local peer=$1 row act what
  shift
  "begin_$peer"
  rest 1
  for row in "$@"; do
    IFS='|' read -r _ _ act <<<"$row"
    what=${says[${act%% *} $peer]:-}
    [[ -n $what ]] || continue
    follow_file "$said"
    act "$act"
    await_last 2 "$what"
    end "$follower"
    matched peer "$work/${act%% *}.$peer" "$what"
  done
  "end_$peer"
}

# Every event for itself, and one ledger file to follow.
detail=('[Log]' 'SegmentSize=1T' '[Watch "processes"]' 'Detail=full' '[Watch "connections"]' 'Detail=full')
for ((turn = 0; turn < turns; turn++)); do
  bare_turn "${kinds[@]}" "${kinds_of_fixture[@]}"
  configure "$work/daemon" "${detail[@]}" '[Watch "boot"]' Path= "Path=$tree"
  daemon_turn "${kinds[@]}"
  configure "$work/daemon-of-fixture" "HostRoot=$fixture" '[Log]' 'SegmentSize=1T' \
    "$(only packages users | sed '/^$/d')"
  daemon_turn "${kinds_of_fixture[@]}"
  for peer in "${peers[@]}"; do
    ! command -v "$peer" >/dev/null || peer_turn "$peer" "${kinds[@]}" "${kinds_of_fixture[@]}"
  done
done

# quantiles FILE: p50 p90 p99 in microseconds, and how many there are
quantiles() {
  local sorted=()
  [[ ! -e $1 ]] || mapfile -t sorted < <(sort -n "$1")
  n=${#sorted[@]}
  p50=- p90=- p99=-
  ((n > 0)) || return 0
  p50=$((sorted[n / 2] / 1000)) p90=$((sorted[n * 9 / 10] / 1000)) p99=$((sorted[n * 99 / 100] / 1000))
}

of_bare() {
  REPLY=
  [[ $p50 == - || $bare == - ]] || ratio "$p50" "$bare"
}

row='%-24s %-34s %9s %8s %8s %8s %7s\n'
printf 'Microseconds from the beginning of the act, %d of each kind, %d ms apart, packages 100:\n' "$((acts * turns))" "$pause"
# shellcheck disable=SC2059 # the row is the format
printf "$row" act 'told by' seen p50 p90 p99 ratio
for kind in "${kinds[@]}" "${kinds_of_fixture[@]}"; do
  IFS='|' read -r name reader act <<<"$kind"
  quantiles "$work/${act%% *}.bare"
  bare=$p50
  # shellcheck disable=SC2059
  printf "$row" "$name" "bare reader, ${reader%% *}" "$n" "$p50" "$p90" "$p99" 1
  quantiles "$work/${act%% *}.line"
  of_bare
  # shellcheck disable=SC2059
  printf "$row" '' '  its line in a file, followed' "$n" "$p50" "$p90" "$p99" "$REPLY"
  quantiles "$work/${act%% *}.ledger"
  of_bare
  # shellcheck disable=SC2059
  printf "$row" '' 'nephronixd, ledger line, followed' "$n" "$p50" "$p90" "$p99" "$REPLY"
  for peer in "${peers[@]}"; do
    [[ -e $work/${act%% *}.$peer ]] || continue
    quantiles "$work/${act%% *}.$peer"
    of_bare
    # shellcheck disable=SC2059
    printf "$row" '' "${texts[$peer]}, followed" "$n" "$p50" "$p90" "$p99" "$REPLY"
  done
done
for peer in "${peers[@]}"; do
  command -v "$peer" >/dev/null || printf 'skip: there is no %s here\n' "$peer"
done
