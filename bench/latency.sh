#!/bin/bash
# latency.sh - from the act to its line in the ledger, beside a bare reader of the same facility of the kernel and beside what an admin
# has instead: turn by turn, first all acts with the bare readers and no nephronixd, then all acts with nephronixd and no bare reader, then
# those that they can tell of with auditd, bpftrace and inotifywait, one after the other. BENCH_ACTS says how many of each kind;
# BENCH_FOLLOW=--awake keeps one CPU awake (see follow.c).
# shellcheck source=bench/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=bench/acts.sh
. "$(dirname "${BASH_SOURCE[0]}")/acts.sh"

if quick; then
  turns=2 acts=${BENCH_ACTS:-100}
else
  turns=5 acts=${BENCH_ACTS:-1000}
fi
acts=$((acts / turns))
pause=20
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
