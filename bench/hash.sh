#!/bin/bash
# hash.sh - how fast the digest is: of memory, and of a tree that is in memory, beside b2sum.
set -Eeuo pipefail
# shellcheck source=bench/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

folder=${BENCH_FOLDER:-/usr}
turns=3
! quick || turns=1
"$BENCH_SCRATCH/hash"
printf '\nAll files of %s, one thread:\n' "$folder"
"$BENCH_SCRATCH/hash" tree "$folder" >"$BENCH_SCRATCH/first" # into memory
TIMEFORMAT='  find | xargs b2sum: user %U s, system %S s, wall %R s'
for ((turn = 0; turn < turns; turn++)); do
  printf '  pool: '
  "$BENCH_SCRATCH/hash" tree "$folder"
  time find "$folder" -xdev -type f -print0 | xargs -0 b2sum >"$BENCH_SCRATCH/b2sum"
done
