#!/bin/bash
# Plain cp, cp -a, install and copy_file_range share blocks, within a volume and between volumes; each side changes alone.
. "$(dirname "$0")/lib.sh"

shares() { case $COWFS_TARGET in cowfs | btrfs | xfs) ;; *) skip "$COWFS_TARGET does not share blocks" ;; esac; }

# costs_nothing BEFORE: the bytes used have hardly grown since.
costs_nothing() { at_most $(($1 + 4194304)) "$(used_bytes)" "bytes used after the copy"; }

large_file() {  # large_file MiB
  head -c $(($1 * 1048576)) /dev/urandom >"$MNT/large"
}

# A way of copying shares the blocks of a 64 MiB file, and neither side sees the other's changes.
copies_share() {  # copies_share COMMAND…: with source and target appended
  local before
  shares
  mount_fresh
  large_file 64
  printf 'tail' >>"$MNT/large"
  cp "$MNT/large" expected
  before=$(used_bytes)
  "$@" "$MNT/large" "$MNT/copy"
  costs_nothing "$before"
  same_bytes expected "$MNT/copy"
  printf 'changed' | dd of="$MNT/copy" bs=1 seek=5000000 conv=notrunc status=none
  same_bytes expected "$MNT/large"
  printf 'changed' | dd of="$MNT/large" bs=1 seek=9000001 conv=notrunc status=none
  printf 'changed' | dd of=expected bs=1 seek=5000000 conv=notrunc status=none
  same_bytes expected "$MNT/copy"
  truncate -s 100 "$MNT/large"
  same_bytes expected "$MNT/copy"
  rm "$MNT/large"
  same_bytes expected "$MNT/copy"
  remount
  same_bytes expected "$MNT/copy"
}
promise_plain_cp_shares_blocks() { copies_share cp; }
promise_cp_a_shares_blocks() { copies_share cp -a; }
promise_install_shares_blocks() { copies_share install -m 644; }
promise_a_copy_of_a_copy_shares_blocks() {
  local i before
  shares
  mount_fresh
  large_file 16
  before=$(used_bytes)
  cp "$MNT/large" "$MNT/copy0"
  for i in $(seq 30); do cp "$MNT/copy$((i - 1))" "$MNT/copy$i"; done
  costs_nothing "$before"
  same_bytes "$MNT/large" "$MNT/copy30"
  rm "$MNT/large" "$MNT"/copy?
  rm "$MNT"/copy1? "$MNT"/copy2?
  at_least 16777216 "$(used_bytes)" "bytes used by the last copy"
  head -c 1000 "$MNT/copy30" >/dev/null
  rm "$MNT/copy30"
  space_back $((before - 16777216 + 1048576))
}

promise_a_large_file_is_copied_at_no_cost() {
  local before size=256M
  long && size=1G
  shares
  mount_fresh
  { yes 0123456 || true; } | head -c "$size" >"$MNT/large"
  before=$(used_bytes)
  cp "$MNT/large" "$MNT/copy"
  costs_nothing "$before"
  same_bytes "$MNT/large" "$MNT/copy"
}

promise_cp_keeps_holes_and_blocks_are_reported_truly() {
  mount_fresh
  truncate -s 4G "$MNT/sparse"
  head -c 1048576 /dev/urandom | dd of="$MNT/sparse" bs=1M seek=2048 conv=notrunc status=none
  cp "$MNT/sparse" "$MNT/copy"
  same_tree "$MNT/sparse" "$MNT/copy" --no-times
  at_most 8192 "$(stat -c %b "$MNT/copy")" "512-byte blocks of a sparse copy"
  at_least 2048 "$(stat -c %b "$MNT/copy")" "512-byte blocks of a sparse copy"
  head -c 1048576 /dev/urandom >"$MNT/dense"
  cp "$MNT/dense" "$MNT/dense.copy"
  at_least 2048 "$(stat -c %b "$MNT/dense.copy")" "512-byte blocks of a shared copy"
}

promise_ranges_are_copied_exactly_within_a_volume() {
  local seed
  mount_fresh
  for seed in $(seq "$(long && echo 200 || echo 12)"); do
    "$(program clone_ranges)" "$seed" 250 "$MNT" "$MNT" || fail "clone_ranges $seed 250"
  done
}

promise_ranges_are_copied_exactly_between_volumes() {
  local seed
  need_snapshots
  mount_fresh
  fork f
  for seed in $(seq 100 "$(long && echo 200 || echo 106)"); do
    "$(program clone_ranges)" "$seed" 250 "$MNT" "$(volume f)" || fail "clone_ranges $seed 250 between volumes"
  done
}

promise_ranges_are_copied_exactly_while_snapshots_come_and_go() {
  local seed taker
  need_snapshots
  mount_fresh
  (
    i=0
    while [ ! -e stop ]; do
      i=$((i + 1))
      snapshot "s$i"
      [ "$i" -le 3 ] || delete_volume "s$((i - 3))"
    done
  ) &
  taker=$!
  for seed in $(seq 300 "$(long && echo 400 || echo 306)"); do
    "$(program clone_ranges)" "$seed" 250 "$MNT" "$MNT" || { touch stop; fail "clone_ranges $seed 250 under snapshots"; }
  done
  touch stop
  wait "$taker"
}

promise_cp_between_volumes_shares_blocks_and_keeps_everything() {
  local before
  need_snapshots
  mount_fresh
  mkdir "$MNT/tree"
  small_tree "$MNT/tree"
  large_file 32
  snapshot s
  fork f
  before=$(used_bytes)
  cp "$(volume s)/large" "$MNT/from.snapshot"
  cp "$MNT/large" "$(volume f)/to.fork"
  cp "$(volume f)/large" "$MNT/from.fork"
  costs_nothing "$before"
  same_bytes "$MNT/large" "$MNT/from.snapshot"
  same_bytes "$MNT/large" "$(volume f)/to.fork"
  printf 'changed' | dd of="$MNT/from.snapshot" bs=1 seek=777777 conv=notrunc status=none
  same_bytes "$MNT/large" "$(volume s)/large"
  cp -a "$(volume s)/tree" "$MNT/tree.copy"
  same_tree "$MNT/tree" "$MNT/tree.copy"
  delete_volume s
  delete_volume f
  same_bytes "$MNT/large" "$MNT/from.fork"
}

promise_mv_between_volumes_keeps_everything() {
  need_snapshots
  mount_fresh
  mkdir "$MNT/tree"
  small_tree "$MNT/tree"
  digest "$MNT/tree" >expected.digest
  fork f
  mv "$MNT/tree" "$(volume f)/moved"
  digest "$(volume f)/moved" >seen.digest
  same_digest expected.digest seen.digest "before and after mv"
  absent "$MNT/tree"
}

promise_copies_survive_the_death_of_the_daemon_when_synced() {
  only_cowfs
  mount_fresh
  large_file 8
  cp "$MNT/large" "$MNT/copy"
  cp "$MNT/large" expected
  sync "$MNT/copy"
  printf 'x' | dd of="$MNT/large" bs=1 seek=4097 conv=notrunc status=none
  sync "$MNT/large"
  kill_cowfs
  mount_again
  same_bytes expected "$MNT/copy"
  printf 'x' | dd of=expected bs=1 seek=4097 conv=notrunc status=none
  same_bytes expected "$MNT/large"
}

run_promises "$@"
