# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # names that those who source this give and use
# acts.sh - acts (act.c) whose lines are followed, for those that measure how long that takes. Who sources it sets $work, $acts, how many of
# a kind, and $pause between two, in ms.
follow=("$BENCH_SCRATCH/follow")
[[ -z ${BENCH_FOLLOW:-} ]] || follow+=("$BENCH_FOLLOW")

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

# quantiles FILE: p50 p90 p99 in microseconds, and how many there are
quantiles() {
  local sorted=()
  [[ ! -e $1 ]] || mapfile -t sorted < <(sort -n "$1")
  n=${#sorted[@]}
  p50=- p90=- p99=-
  ((n > 0)) || return 0
  p50=$((sorted[n / 2] / 1000)) p90=$((sorted[n * 9 / 10] / 1000)) p99=$((sorted[n * 99 / 100] / 1000))
}
