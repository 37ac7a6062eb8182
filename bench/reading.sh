#!/bin/bash
# reading.sh - the watches that have most to read, when they do read: everything for the first time, and the package database after
# it was written. Beside them, turn by turn, the commands that read the same.
# shellcheck source=bench/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

poll=0.02 turns=9
! quick || turns=3

if [[ ! -r /var/lib/dpkg/status ]]; then
  echo 'reading: there is no dpkg database here'
  exit 0
fi
root=$BENCH_SCRATCH/root
database=$root/var/lib/dpkg
mkdir -p "$root/proc" "$root/var/lib" "$root/boot"
cp -a /var/lib/dpkg "$root/var/lib/"
cp -a "$BENCH_TREE/." "$root/boot/"
mapfile -t lines < <(only packages boot)

digest_each() {
  find "$root/boot" -type f -exec b2sum {} \;
}

digest_all() {
  find "$root/boot" -type f -print0 | xargs -0 b2sum
}

first_packages=() again_packages=() first_boot=() again_boot=() list=() each=() all=()
for ((turn = 0; turn < turns; turn++)); do
  configure "$BENCH_SCRATCH/reading-$turn" Interval=100ms "HostRoot=$root" "${lines[@]}"
  start
  number cost_us packages
  first_packages+=("$REPLY")
  number cost_us boot
  first_boot+=("$REPLY")
  number records packages
  packages=$REPLY
  await_looks boot 3
  number cost_us boot
  again_boot+=("$REPLY")
  # The stamp of the file is new, its text is what it was: all is read and compared.
  read_page
  number looks packages
  looks=$REPLY
  touch "$database/status"
  until read_page && number looks packages && ((REPLY > looks)); do
    rest "$poll"
  done
  number cost_us packages
  again_packages+=("$REPLY")
  stop

  cpu_of_command dpkg --admindir="$database" -l
  list+=("$((REPLY / 1000))")
  cpu_of_command digest_each
  each+=("$((REPLY / 1000))")
  cpu_of_command digest_all
  all+=("$((REPLY / 1000))")
done

show() {
  local text=$1
  shift
  median "$@"
  spread "$@"
  printf '  %-58s %8d   (%d to %d)\n' "$text" "$REPLY" "$least" "$most"
}

mapfile -t files < <(find "$root/boot" -type f)
printf 'Microseconds of CPU time, median of %d turns; %d packages, %d files of %d KiB together:\n' "$turns" "$packages" "${#files[@]}" \
  "$(du -sk "$root/boot" | cut -f1)"
show 'packages, first look (read, learnt)' "${first_packages[@]}"
show 'packages, the database was written (read, compared)' "${again_packages[@]}"
show 'dpkg -l' "${list[@]}"
show 'boot, first look (digested, learnt)' "${first_boot[@]}"
show 'boot, nothing happened' "${again_boot[@]}"
show 'find -type f -exec b2sum {} \;' "${each[@]}"
show 'find -type f -print0 | xargs -0 b2sum' "${all[@]}"
