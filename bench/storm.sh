#!/bin/bash
# storm.sh - two workers do the same thing as fast as they can: start a program, or make a file and delete it. With nobody watching and
# with a monitor, turn by turn: how much slower they get, what the monitor costs, what it can account for.
# BENCH_SECONDS: how long each turn takes. BENCH_STORM: which of "processes files". BENCH_MONITORS: which monitors.
# shellcheck source=bench/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if quick; then
  turns=2 seconds=${BENCH_SECONDS:-5}
else
  turns=${BENCH_TURNS:-3} seconds=${BENCH_SECONDS:-30}
fi
work=$BENCH_SCRATCH/storm
program=$work/bench-true
tree=$work/tree
mkdir -p "$tree"/{0,1}
cp /bin/true "$program"
declare -A texts=(
  [ring]='bare BPF ring, a wake-up for each record'
  [batch]='bare BPF ring, in batches'
  [connector]='bare proc connector'
  [fanotify]='bare fanotify'
  [nephronixd]='nephronixd'
  [auditd]='auditd'
  [bpftrace]='bpftrace'
  [inotifywait]='inotifywait -r'
  [ring_stopped]='bare BPF ring, stopped for a second'
  [fanotify_stopped]='bare fanotify, stopped for a second'
  [nephronixd_stopped]='nephronixd, stopped for a second'
)
declare -A of_storm=(
  [processes]='ring batch connector nephronixd auditd bpftrace ring_stopped nephronixd_stopped'
  [files]='fanotify nephronixd inotifywait auditd fanotify_stopped nephronixd_stopped'
)

# --- monitors ---------------------------------------------------------------------------------------------------------
# begin_NAME STORM: starts it, sets $pids. end_NAME STORM: ends it, sets $accounted and $lost.

begin_bare() {
  "$BENCH_SCRATCH/bare" --count "$@" >"$work/bare" &
  pids=("$!")
  at_end kill "$!"
  await_line "$work/bare" ready
}

end_bare() {
  local word
  kill "${pids[0]}"
  wait "${pids[0]}" || true
  while read -r word accounted _ lost _; do
    [[ $word != received ]] || return 0
  done <"$work/bare"
}

begin_ring() { begin_bare processes; }
begin_batch() { begin_bare --batch --ring $((8 << 20)) processes; }
begin_connector() { begin_bare connector; }
# Of a file it is told twice: it was made and closed (merged or not), it was deleted. Closing is what counts.
begin_fanotify() { begin_bare fanotify "$tree" closed; }
end_ring() { end_bare; }
end_batch() { end_bare; }
end_connector() { end_bare; }
end_fanotify() { end_bare; }

begin_nephronixd() {
  rm -rf "$work/daemon"
  # A tree in which programs write all the time is one of low priority: of what comes and goes there, like of processes, the first is
  # told and the others are counted.
  configure "$work/daemon" '[Watch "boot"]' Priority=low Path= "Path=$tree"
  start
  roles
  rest 1
}

# Folded events are told when their window closes, at the latest when it stops.
end_nephronixd() {
  stop
  local pattern='"executable":"'$program'"' action='"type":["start"]'
  [[ $1 == processes ]] || pattern='"path":"'$tree/ action='"action":"file-created"'
  accounted=$(zcat -f "$folder"/state/ledger/events-*.jsonl* | awk -v pattern="$pattern" -v action="$action" '
    index($0, pattern) && index($0, action) {
      n += match($0, /"count":[0-9]+/) ? substr($0, RSTART + 8, RLENGTH - 8) : 1
    }
    END { printf "%.0f", n }')
  lost=$(zcat -f "$folder"/state/ledger/events-*.jsonl* | grep -c '"action":"events-lost"') || true
}

begin_auditd() {
  start_auditd "$work/audit"
  case $1 in
    processes) auditctl -a always,exit -F arch=b64 -S execve >/dev/null ;;
    files) auditctl -w "$tree" -p wa >/dev/null ;;
  esac
  audit_lost=$(auditctl -s | sed -n 's/^lost //p')
}

end_auditd() {
  lost=$(($(auditctl -s | sed -n 's/^lost //p') - audit_lost))
  stop_auditd
  case $1 in
    processes) accounted=$(grep -c "^type=SYSCALL .*exe=\"$program\"" "$work/audit/log") || true ;;
    files) accounted=$(grep -c '^type=PATH .*name="bench-.*nametype=CREATE' "$work/audit/log") || true ;;
  esac
}

# What it writes into a file it keeps back, as it does by itself, so nothing says when it is ready.
begin_bpftrace() {
  start_bpftrace "$work/bpftrace" -e 'tracepoint:sched:sched_process_exec { printf("%d %s\n", pid, str(args->filename)) }'
  rest 5
}

end_bpftrace() {
  kill -INT "${pids[0]}"
  wait "${pids[0]}" || true
  accounted=$(grep -c "$program$" "$work/bpftrace") || true
  lost=$(cat "$work/bpftrace" "$work/bpftrace-said" | awk '/^Lost/ { n += $2 } END { print n + 0 }')
}

begin_inotifywait() {
  inotifywait -m -r -e create,close_write,delete --format '%e %f' "$tree" >"$work/inotifywait" 2>"$work/inotifywait-said" &
  pids=("$!")
  at_end kill "$!"
  await_line "$work/inotifywait-said" 'Watches established.'
}

end_inotifywait() {
  kill "${pids[0]}"
  wait "${pids[0]}" || true
  accounted=$(grep -c '^CLOSE_WRITE' "$work/inotifywait") || true
  lost=$(grep -c OVERFLOW "$work/inotifywait") || true
}

# ----------------------------------------------------------------------------------------------------------------------

# storm NAME [MONITOR]: $done_things, $rate (in a second), $work_ns (CPU time of the workers for each thing). A monitor whose name says
# so is stopped for a second in it.
storm() {
  local path=$program us cpu_us spawner
  [[ $1 == processes ]] || path=$tree
  "$BENCH_SCRATCH/spawn" "$1" 2 "$seconds" "$path" >"$work/spawned" &
  spawner=$!
  if [[ ${2:-} == *_stopped ]]; then
    rest 0.5
    kill -STOP "${pids[@]}"
    rest 1
    kill -CONT "${pids[@]}"
  fi
  wait "$spawner"
  read -r done_things us cpu_us <"$work/spawned"
  rate=$((done_things * 1000000 / us)) work_ns=$((cpu_us * 1000 / done_things))
}

# Until the monitor has read what is left.
await_calm() {
  local before=-1 i
  for ((i = 0; i < 40; i++)); do
    cpu_of "${pids[@]}"
    ((REPLY - before > 2000000)) || return 0
    before=$REPLY
    rest 0.25
  done
}

# Hundredths of A / B.
hundredths() {
  REPLY=$(($1 * 100 / ($2 ? $2 : 1)))
}

row='%-42s %9s %6s %13s %9s %6s %9s %10s %9s %6s\n'
for name in ${BENCH_STORM:-processes files}; do
  declare -A rates=() shares=() works=() growths=() costs=() things=() accounts=() losses=()
  free_rates=() free_works=()
  for ((turn = 0; turn < turns; turn++)); do
    for monitor in ${of_storm[$name]}; do
      [[ " ${BENCH_MONITORS:-$monitor} " == *" $monitor "* ]] || continue
      case $monitor in
        auditd | bpftrace | inotifywait) command -v "$monitor" >/dev/null || continue ;;
      esac
      storm "$name"
      free_rate=$rate free_work=$work_ns
      free_rates+=("$rate") free_works+=("$work_ns")
      "begin_${monitor%_stopped}" "$name"
      cpu_of "${pids[@]}"
      before=$REPLY
      storm "$name" "$monitor"
      await_calm
      cpu_of "${pids[@]}"
      costs[$monitor]+=" $(((REPLY - before) / done_things))"
      "end_${monitor%_stopped}" "$name"
      rates[$monitor]+=" $rate"
      works[$monitor]+=" $work_ns"
      hundredths "$rate" "$free_rate"
      shares[$monitor]+=" $REPLY"
      hundredths "$work_ns" "$free_work"
      growths[$monitor]+=" $REPLY"
      things[$monitor]=$((${things[$monitor]:-0} + done_things))
      accounts[$monitor]=$((${accounts[$monitor]:-0} + accounted))
      losses[$monitor]=$((${losses[$monitor]:-0} + lost))
    done
  done
  printf 'Two workers, %s, %d s a turn, median of %d turns (least to most); CPU time in microseconds for each:\n' "$name" "$seconds" "$turns"
  # shellcheck disable=SC2059 # the row is the format
  printf "$row" '' 'rate/s' share '' workers growth monitor 'done'  accounted lost
  median "${free_rates[@]}"
  free_rate=$REPLY
  median "${free_works[@]}"
  ms $((REPLY * 1000))
  # shellcheck disable=SC2059
  printf "$row" 'no monitor' "$free_rate" 1 '' "${REPLY%??}" 1 - - - -
  for monitor in ${of_storm[$name]}; do
    [[ -n ${rates[$monitor]:-} ]] || continue
    # shellcheck disable=SC2086 # lists of numbers
    {
      median ${rates[$monitor]}
      shown_rate=$REPLY
      median ${shares[$monitor]}
      printf -v share '%d.%02d' $((REPLY / 100)) $((REPLY % 100))
      spread ${shares[$monitor]}
      printf -v share_spread '(%d.%02d-%d.%02d)' $((least / 100)) $((least % 100)) $((most / 100)) $((most % 100))
      median ${works[$monitor]}
      ms $((REPLY * 1000))
      shown_work=${REPLY%??}
      median ${growths[$monitor]}
      printf -v growth '%d.%02d' $((REPLY / 100)) $((REPLY % 100))
      median ${costs[$monitor]}
      ms $((REPLY * 1000))
      cost=${REPLY%??}
    }
    # shellcheck disable=SC2059
    printf "$row" "${texts[$monitor]}" "$shown_rate" "$share" "$share_spread" "$shown_work" "$growth" "$cost" \
      "${things[$monitor]}" "${accounts[$monitor]}" "${losses[$monitor]}"
  done
done
