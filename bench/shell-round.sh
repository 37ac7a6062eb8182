#!/bin/bash
# shell-round.sh FOLDER TREE ROUNDS PAUSE - what the rounds of nephronixd are measured against: the usual commands in a shell
# loop. Each command's output is kept as FOLDER/NAME_current, the one before as FOLDER/NAME_previous; the digests of both say
# whether anything changed, diff says what, every line of the log FOLDER/log carries the date. PAUSE: seconds between rounds.
set -u

folder=$1
tree=$2
rounds=$3
pause=$4

say() {
  printf '%s %s\n' "$(date '+%Y-%m-%d %H:%M:%S')" "$1" >>"$folder/log"
}

check() {
  local name=$1 current=$folder/$1_current previous=$folder/$1_previous before now line
  shift
  [[ ! -e $current ]] || cp "$current" "$previous"
  "$@" >"$current" 2>/dev/null
  [[ -e $previous ]] || return 0
  before=$(b2sum <"$previous")
  now=$(b2sum <"$current")
  if [[ $before == "$now" ]]; then
    say "No changes in $name."
    return 0
  fi
  say "Change in $name detected! Diff:"
  while IFS= read -r line; do
    say "$line"
  done < <(diff "$previous" "$current")
}

connections() {
  ss -tulpan | grep EST
}

processes() {
  ps auxwww
}

logins() {
  users
  w
}

messages() {
  dmesg | grep -i 'module\|bpf'
}

files() {
  nice find "$tree" -type f -exec b2sum {} \;
}

packages() {
  dpkg -l
}

# Waiting costs nothing here: no process is started for it.
exec {never}<> <(:)
for ((round = 0; round < rounds; round++)); do
  ((round == 0)) || read -r -t "$pause" -u "$never"
  for name in connections processes logins messages files packages; do
    check "$name" "$name"
  done
done
