#!/bin/bash
# Snapshots never change; forks change alone; what was written before is in, what is written after is not; deletion.
. "$(dirname "$0")/lib.sh"

# frozen NAME: takes snapshot NAME of a mount and remembers what it must be for ever.
frozen() {
  digest "$MNT" --no-dir-links >"$T/$1.digest"
  snapshot "$1"
  still_frozen "$1"
}
still_frozen() {
  digest "$(volume "$1")" --no-dir-links >"$T/seen.digest"
  same_digest "$T/$1.digest" "$T/seen.digest" "snapshot $1 and what it was"
}
fresh_tree() {
  need_snapshots
  mount_fresh "$@"
  small_tree "$MNT"
}

promise_a_snapshot_is_the_tree_at_its_instant() {
  fresh_tree
  frozen s
  same_tree "$MNT" "$(volume s)" --no-dir-links
}

promise_a_snapshot_keeps_its_bytes_when_files_are_overwritten() {
  fresh_tree
  frozen s
  printf 'HELLO' | dd of="$MNT/hello" conv=notrunc status=none
  head -c 3145728 /dev/urandom >"$MNT/dir/sub/big"
  printf 'x' | dd of="$MNT/dir/odd" bs=1 seek=50001 conv=notrunc status=none
  printf 'x' | dd of="$MNT/sparse" bs=1 seek=77777 conv=notrunc status=none
  echo more >>"$MNT/dir/sub/deep/file1"
  still_frozen s
  same 'HELLO' "$(head -c 5 "$MNT/hello")" "live file"
}

promise_a_snapshot_keeps_its_bytes_when_files_are_cut_and_punched() {
  fresh_tree
  frozen s
  truncate -s 4097 "$MNT/dir/sub/big"
  truncate -s 0 "$MNT/dir/odd"
  truncate -s 200000 "$MNT/dir/odd"
  fallocate -p -o 0 -l 1 "$MNT/hello"
  fallocate -p -o 33554000 -l 8192 "$MNT/sparse"
  fallocate -l 100000 "$MNT/nothing"
  still_frozen s
}

promise_a_snapshot_keeps_names_when_files_are_renamed_removed_and_linked() {
  fresh_tree
  frozen s
  mv "$MNT/dir/sub/deep" "$MNT/moved"
  rm "$MNT/hello"
  mv "$MNT/dir/odd" "$MNT/dangling"
  ln "$MNT/moved/file1" "$MNT/another"
  ln -s x "$MNT/link"
  mkdir "$MNT/hello"
  touch "$MNT/moved/new"
  rm -rf "$MNT/moved" "$MNT/empty"
  still_frozen s
}

promise_a_snapshot_keeps_attributes_when_they_change() {
  fresh_tree
  frozen s
  chmod 000 "$MNT/hello" "$MNT/dir"
  touch -d 1999-01-01 "$MNT/dir/odd" "$MNT/fifo"
  setfattr -x user.colour "$MNT/hello"
  setfattr -n user.colour -v green "$MNT/dir"
  setfattr -n user.new -v new "$MNT/nothing"
  if [ "$(id -u)" = 0 ]; then chown -hR 7:8 "$MNT/dir" "$MNT/dangling"; fi
  still_frozen s
}

promise_a_snapshot_outlives_rm_rf_of_everything() {
  fresh_tree
  frozen s
  rm -rf "${MNT:?}"/*
  same "" "$(ls "$MNT")" "the live tree"
  still_frozen s
  small_tree "$MNT"
  still_frozen s
}

promise_snapshots_survive_a_remount() {
  fresh_tree
  frozen one
  rm -rf "$MNT/dir"
  frozen two
  echo changed >"$MNT/hello"
  remount
  still_frozen one
  still_frozen two
  same changed "$(cat "$MNT/hello")" "live file"
}

promise_many_snapshots_each_keep_their_own_state() {
  local i count=24
  long && count=400
  fresh_tree
  rm "$MNT"/dir/sub/deep/file?? "$MNT/sparse"
  for i in $(seq $count); do
    echo "$i" >"$MNT/counter"
    head -c 20000 /dev/urandom | dd of="$MNT/dir/sub/big" bs=4096 seek=$((i * 7 % 600)) conv=notrunc status=none
    mkdir -p "$MNT/made/$i"
    rm -f "$MNT/dir/sub/deep/file$((i % 10))"
    frozen "s$i"
  done
  for i in $(seq $count); do
    same "$i" "$(cat "$(volume "s$i")/counter")" "counter in s$i"
    still_frozen "s$i"
  done
  for i in $(seq 1 3 $count) $(seq 3 3 $count); do delete_volume "s$i"; done
  for i in $(seq 2 3 $count); do still_frozen "s$i"; done
}

promise_every_change_in_a_snapshot_is_refused_as_read_only() {
  local s said='[Rr]ead-only file system'
  fresh_tree
  frozen s
  s=$(volume s)
  refused "$said" touch "$s/new"
  refused "$said" sh -c "echo x >'$s/hello'"
  refused "$said" sh -c "echo x >>'$s/hello'"
  refused "$said" truncate -s 1 "$s/hello"
  refused "$said" fallocate -p -o 0 -l 4096 "$s/hello"
  refused "$said" mkdir "$s/new"
  refused "$said" rmdir "$s/empty"
  refused "$said" rm -f "$s/hello"
  refused "$said" mv "$s/hello" "$s/renamed"
  refused "$said" ln "$s/hello" "$s/linked"
  refused "$said" ln -s x "$s/linked"
  refused "$said" mkfifo "$s/pipe"
  refused "$said" chmod 600 "$s/hello"
  refused "$said" chown 1:1 "$s/hello"
  refused "$said" touch -d 2000-01-01 "$s/hello"
  refused "$said" setfattr -n user.x -v y "$s/hello"
  refused "$said" setfattr -x user.colour "$s/hello"
  refused "$said" cp "$MNT/hello" "$s/copy"
  still_frozen s
}

promise_stores_to_mappings_before_the_snapshot_are_in_it_and_later_ones_not() {
  need_snapshots
  mount_fresh
  snapshot_script "$T/take"
  "$(program mapped_snapshot)" "$MNT" "$MNT/.cowfs" "$T/take" m
}

promise_stores_to_mappings_are_in_a_snapshot_of_cowsnap() {
  only_cowfs
  mount_fresh
  "$(program mapped_snapshot)" "$MNT" "$MNT/.cowfs" "$COWSNAP create $MNT" m >create.log
}

promise_stores_to_mappings_are_in_a_fork() {
  only_cowfs
  mount_fresh
  "$(program mapped_snapshot)" "$MNT" "$MNT/.cowfs" "$COWSNAP fork $MNT" m >fork.log
}

# Opened by its handle the flush tells the kernel nothing new about the file, so that it asks for no capabilities again.
promise_a_snapshot_costs_its_writers_no_further_request() {
  local node
  only_cowfs
  (($((16#$(awk '/^CapEff/ { print $2 }' /proc/self/status))) & 4)) || skip "needs CAP_DAC_READ_SEARCH"
  mount_fresh -d
  node=$(python3 - "$MNT" <<'EOF'
import os, sys
file = os.open(sys.argv[1] + "/f", os.O_RDWR | os.O_CREAT)
for snapshot in range(4):
    os.pwrite(file, b"x" * 4096, 0)
    os.mkdir(f"{sys.argv[1]}/.cowfs/s{snapshot}")
os.pwrite(file, b"x" * 4096, 0)
print(os.fstat(file).st_ino)
EOF
  )
  same 5 "$(grep -c "opcode: WRITE .*nodeid: $node," "$T/daemon.log")" "writes"
  same 4 "$(grep -c "opcode: FSYNC .*nodeid: $node," "$T/daemon.log")" "flushes of the file"
  same 1 "$(grep -c "opcode: GETXATTR .*nodeid: $node," "$T/daemon.log")" "questions for its capabilities"
}

promise_a_fork_is_writable_in_place_and_changes_alone() {
  local f
  fresh_tree
  frozen s
  fork f
  f=$(volume f)
  same_tree "$MNT" "$f" --no-dir-links
  echo fork >"$f/hello"
  rm -rf "$f/dir/sub/deep"
  mkdir -p "$f/new/dir"
  head -c 5000 /dev/urandom | dd of="$f/dir/sub/big" bs=1 seek=123456 conv=notrunc status=none
  mv "$f/empty" "$f/new/empty"
  truncate -s 10 "$f/sparse"
  digest "$f" >f.digest
  same hello "$(cat "$MNT/hello")" "the parent's file"
  still_frozen s
  same_tree "$(volume s)" "$MNT" --no-dir-links
  echo parent >"$MNT/hello"
  rm -rf "$MNT/dir"
  digest "$f" >seen.digest
  same_digest f.digest seen.digest "the fork after changes of its parent"
}

promise_inode_numbers_survive_a_fork() {
  only_cowfs
  local mask=$(((1 << 40) - 1)) f
  fresh_tree
  snapshot s
  for f in hello dir/odd dir/sub/big fifo; do
    same "$(($(stat -c %i "$MNT/$f") & mask))" "$(($(stat -c %i "$MNT/.cowfs/s/$f") & mask))" "inode number of $f"
    different "$(stat -c %i "$MNT/$f")" "$(stat -c %i "$MNT/.cowfs/s/$f")" "the whole number of $f"
  done
}

promise_a_snapshot_of_a_fork_and_a_fork_of_a_fork_are_independent() {
  only_cowfs
  fresh_tree
  fork f
  echo one >"$MNT/.cowfs/f/hello"
  "$COWSNAP" fork "$MNT/.cowfs/f" g
  "$COWSNAP" create "$MNT/.cowfs/f" fs
  echo two >"$MNT/.cowfs/g/hello"
  echo three >"$MNT/.cowfs/f/hello"
  same hello "$(cat "$MNT/hello")" main
  same three "$(cat "$MNT/.cowfs/f/hello")" f
  same two "$(cat "$MNT/.cowfs/g/hello")" g
  same one "$(cat "$MNT/.cowfs/fs/hello")" fs
  "$COWSNAP" delete "$MNT" f
  same two "$(cat "$MNT/.cowfs/g/hello")" "g after its parent went"
  same one "$(cat "$MNT/.cowfs/fs/hello")" "fs after its parent went"
}

promise_a_fork_can_be_mounted_as_root() {
  only_cowfs
  fresh_tree
  fork f
  echo fork >"$MNT/.cowfs/f/hello"
  snapshot s
  remount -o volume=f
  same fork "$(cat "$MNT/hello")" "file of the fork"
  same hello "$(cat "$MNT/.cowfs/main/hello")" "file of main"
  same hello "$(cat "$MNT/.cowfs/s/hello")" "file of the snapshot"
  echo again >"$MNT/hello"
  remount
  same hello "$(cat "$MNT/hello")" "file of main, mounted again"
  same again "$(cat "$MNT/.cowfs/f/hello")" "file of the fork"
}

promise_a_snapshot_mounted_as_root_is_read_only() {
  only_cowfs
  fresh_tree
  snapshot s
  remount -o volume=s
  same hello "$(cat "$MNT/hello")" "file of the snapshot"
  refused 'Read-only file system' touch "$MNT/new"
}

promise_an_unlinked_open_file_stays_readable_in_snapshots_of_others() {
  fresh_tree
  exec 8<>"$MNT/dir/odd"
  cp "$MNT/dir/odd" odd
  rm "$MNT/dir/odd"
  frozen s
  cmp odd - <&8 || fail "the unlinked file changed"
  printf 'after' >&8
  exec 8<&-
  still_frozen s
  absent "$(volume s)/dir/odd"
}

rename_only() { perl -e 'rename($ARGV[0], $ARGV[1]) or die "$!\n"' "$1" "$2"; }
promise_a_file_unlinked_while_open_takes_no_space_in_snapshots() {
  local before
  only_cowfs
  mount_fresh
  before=$(used_bytes)
  head -c 20000000 /dev/urandom >"$MNT/file"
  exec 8<"$MNT/file"
  rm "$MNT/file"
  snapshot s
  fork f
  head -c 100 <&8 >/dev/null
  exec 8<&-
  space_back $((before + 1048576))
  present "$(volume s)" "$(volume f)"
}

promise_renames_and_links_between_volumes_are_refused() {
  fresh_tree
  fork f
  refused 'Invalid cross-device link' ln "$MNT/hello" "$(volume f)/linked"
  refused 'Invalid cross-device link' ln "$(volume f)/hello" "$MNT/linked"
  refused 'Invalid cross-device link' rename_only "$MNT/hello" "$(volume f)/renamed"
  mv "$MNT/dir/odd" "$(volume f)/moved"
  absent "$MNT/dir/odd"
  same_bytes "$(volume f)/dir/odd" "$(volume f)/moved"
}

deleted_in_order() {
  local volume before
  need_snapshots
  mount_fresh
  small_tree "$MNT"
  before=$(used_bytes)
  for volume in 1 2 3 4; do
    snapshot "s$volume"
    head -c 16777216 /dev/urandom >"$MNT/large"
  done
  rm "$MNT/large"
  at_least $((before + 3 * 16000000)) "$(used_bytes)" "bytes used with the snapshots"
  for volume in "$@"; do delete_volume "s$volume"; done
  space_back $((before + 1048576))
  same hello "$(cat "$MNT/hello")" "live file"
}
promise_snapshots_deleted_oldest_first_give_back_their_space() { deleted_in_order 1 2 3 4; }
promise_snapshots_deleted_newest_first_give_back_their_space() { deleted_in_order 4 3 2 1; }
promise_snapshots_deleted_in_any_order_give_back_their_space() { deleted_in_order 2 4 1 3; }

promise_deleted_files_give_back_their_space() {
  local before
  mount_fresh
  small_tree "$MNT"
  before=$(used_bytes)
  head -c 67108864 /dev/urandom >"$MNT/large"
  at_least $((before + 67000000)) "$(used_bytes)" "bytes used with the file"
  truncate -s 10M "$MNT/large"
  space_back $((before + 11000000))
  rm "$MNT/large"
  space_back $((before + 1048576))
}

# The host's own view: the store shrinks too.
promise_the_store_shrinks_on_the_host_when_volumes_go() {
  only_cowfs
  local before
  mount_fresh
  before=$(du -sk "$STORE" | cut -f1)
  head -c 50000000 /dev/urandom >"$MNT/large"
  fork f
  rm "$MNT/large"
  head -c 50000000 /dev/urandom >"$MNT/.cowfs/f/other"
  sync "$MNT/.cowfs/f/other"
  at_least $((before + 90000)) "$(du -sk "$STORE" | cut -f1)" "KiB of the store"
  "$COWSNAP" delete "$MNT" f
  eventually 60 "the store shrinks" store_at_most $((before + 10000))
}
store_at_most() { [ "$(du -sk "$STORE" | cut -f1)" -le "$1" ]; }

promise_files_open_in_a_deleted_volume_stay_readable_and_refuse_writes() {
  only_cowfs
  fresh_tree
  fork f
  cp "$MNT/dir/sub/big" big
  exec 8<>"$MNT/.cowfs/f/dir/sub/big"
  "$COWSNAP" delete "$MNT" f
  absent "$MNT/.cowfs/f"
  has_not "$("$COWSNAP" list "$MNT")" '(^|[[:space:]])f([[:space:]]|$)' "list after delete"
  cmp big - <&8 || fail "the open file of the deleted volume changed"
  refused 'Stale file handle' bash -c 'echo x >&8'  # dash names no reason
  exec 8<&-
  mkdir "$MNT/.cowfs/f"
  same hello "$(cat "$MNT/.cowfs/f/hello")" "a new volume of the same name"
}

promise_background_deletion_goes_on_after_a_restart() {
  only_cowfs
  local before
  mount_fresh
  snapshot empty
  before=$(used_bytes)
  (cd "$MNT" && seq 5000 | split -l 1 -a 5 -)
  head -c 30000000 /dev/urandom >"$MNT/large"
  fork f
  rm -rf "${MNT:?}"/*
  "$COWSNAP" delete "$MNT" f
  kill_cowfs
  mount_again
  if [ -e "$MNT/.cowfs/f" ]; then "$COWSNAP" delete "$MNT" f; fi
  rm -rf "${MNT:?}"/*
  space_back $((before + 2097152))
}

run_promises "$@"
