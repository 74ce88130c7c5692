#!/bin/bash
# Stores on the host filesystems that cowfs is promised for.
. "$(dirname "$0")/lib.sh"

on_host() {
  local type=$1 size=$2 before
  only_cowfs
  need_cowfs
  host_image "$type" "$size" "$T/host"
  STORE=$T/host/store
  make_store
  start_cowfs "$STORE" "$MNT"
  before=$(used_bytes)
  small_tree "$MNT"
  head -c 20000000 /dev/urandom >"$MNT/large"
  digest --no-dir-links "$MNT" >s.digest
  snapshot s
  head -c 5000000 /dev/urandom | dd of="$MNT/large" bs=4k seek=700 conv=notrunc status=none
  printf x | dd of="$MNT/large" bs=1 seek=3 conv=notrunc status=none
  rm -rf "$MNT/dir"
  cp "$MNT/large" "$MNT/copy"
  cp "$MNT/large" expected
  fork f
  echo fork >"$(volume f)/hello"
  digest --no-dir-links "$(volume s)" >seen.digest
  same_digest s.digest seen.digest "the snapshot"
  sync "$MNT/large"
  kill_cowfs
  start_cowfs "$STORE" "$MNT"
  same_bytes expected "$MNT/copy"
  same_bytes expected "$MNT/large"
  digest --no-dir-links "$(volume s)" >seen.digest
  same_digest s.digest seen.digest "the snapshot after the daemon died"
  stop_cowfs "$MNT"
  start_cowfs "$STORE" "$MNT"
  same_bytes expected "$MNT/large"
  delete_volume s
  if [ -e "$(volume f)" ]; then delete_volume f; fi
  rm -rf "${MNT:?}"/*
  space_back $((before + 1048576))
  stop_cowfs "$MNT"
  umount "$T/host"
}

promise_a_store_works_on_ext4() { on_host ext4 256M; }
promise_a_store_works_on_xfs() { on_host xfs 512M; }
promise_a_store_works_on_btrfs() { on_host btrfs 512M; }
promise_a_store_works_on_tmpfs() { on_host tmpfs 256M; }

# failing_host TYPE SIZE: a store on a host of its own, with a file and a snapshot that were synced.
failing_host() {
  only_cowfs
  need_cowfs
  host_image "$1" "$2" "$T/host" "${3:-}"
  STORE=$T/host/store
  make_store
  start_cowfs "$STORE" "$MNT"
  head -c 3000000 /dev/urandom >expected
  cp expected "$MNT/kept"
  snapshot s
  "$COWSNAP" sync "$MNT"
}
# The host turns itself read-only, as ext4 does after an error of its disk.
promise_a_host_that_turns_read_only_is_told_and_loses_nothing() {
  failing_host ext4 256M errors=remount-ro
  local device
  device=$(basename "$(mount_source "$T/host")")
  [ -w "/sys/fs/ext4/$device/trigger_fs_error" ] || skip "this kernel has no trigger_fs_error"
  echo cowfs >"/sys/fs/ext4/$device/trigger_fs_error"
  refused 'Read-only file system|Input/output error' dd if=/dev/zero of="$MNT/new" bs=64k count=64 conv=fsync status=none
  refused 'Read-only file system|Input/output error' "$COWSNAP" sync "$MNT"
  refused 'Read-only file system|Input/output error' touch "$MNT/newer"
  same_bytes expected "$MNT/kept"
  same_bytes expected "$(volume s)/kept"
  at_least 1 "$(grep -c . "$T/daemon.log")" "lines in the log"
  at_most 6 "$(wc -l <"$T/daemon.log")" "lines in the log"
  "$COWFS" --unmount "$MNT" || true
  wait "$DAEMON" || true
  umount "$T/host"
}

# Somebody removes the store while it is mounted: errors, no lie, no hang.
promise_a_store_removed_underneath_is_told() {
  failing_host ext4 256M
  rm -rf "$STORE"
  local code=0
  (head -c 30000000 /dev/urandom >"$MNT/new" && sync "$MNT/new" && mkdir "$MNT/dir" && "$COWSNAP" sync "$MNT") 2>errors || code=$?
  [ "$code" != 0 ] || fail "all was written into a store that is gone"
  has "$(cat errors)" 'Input/output error|Read-only file system|No such file|Stale' "the error"
  at_most 6 "$(wc -l <"$T/daemon.log")" "lines in the log"
  code=0
  "$COWFS" --unmount "$MNT" || true
  wait "$DAEMON" || code=$?
  different 0 "$code" "exit code of a daemon that could not make all durable"
  refused 'no such|not a store|No such file|does not exist|there is no' "$COWFS" "$STORE" "$MNT" -f
  umount "$T/host"
}

# A quota of the host instead of a full disk: told as such, nothing that was synced is lost, and where it is lifted work goes on. (btrfs
# writes everything to a new place, so a delete needs room there, too: it may fail until then.)
promise_a_disk_quota_of_the_host_is_told_and_loses_nothing() {
  only_cowfs
  need_cowfs
  need_tool btrfs
  host_image btrfs 1G "$T/host"
  btrfs subvolume create "$T/host/limited" >/dev/null
  btrfs quota enable "$T/host" || skip "this kernel has no quota groups"
  btrfs qgroup limit 96M "$T/host/limited"
  STORE=$T/host/limited/store
  make_store
  start_cowfs "$STORE" "$MNT"
  head -c 3000000 /dev/urandom >expected
  cp expected "$MNT/kept"
  sync "$MNT/kept"
  refused 'Disk quota exceeded|No space left' dd if=/dev/urandom of="$MNT/big" bs=1M count=200 conv=fsync status=none
  same_bytes expected "$MNT/kept"
  has_not "$(cat "$T/daemon.log")" 'no more changes' "the daemon's log"
  has "$(cat "$T/daemon.log")" 'Disk quota exceeded|is full|No space' "the daemon's log"
  kill_cowfs
  start_cowfs "$STORE" "$MNT" -o ro
  same_bytes expected "$MNT/kept"
  stop_cowfs "$MNT"
  btrfs qgroup limit none "$T/host/limited"
  start_cowfs "$STORE" "$MNT"
  same_bytes expected "$MNT/kept"
  rm "$MNT/big"
  eventually 60 "room again" small_write_works
  stop_cowfs "$MNT"
  start_cowfs "$STORE" "$MNT"
  same_bytes expected "$MNT/kept"
  echo more >"$MNT/more"
  stop_cowfs "$MNT"
  umount "$T/host"
}
small_write_works() { head -c 2000000 /dev/urandom 2>/dev/null >"$MNT/small" && sync "$MNT/small"; }

# damage_block FILE N: changes a byte of the one block in the store that equals block N of FILE.
damage_block() {
  python3 - "$STORE/objects" "$1" "$2" <<'END'
import pathlib, sys
block = open(sys.argv[2], "rb").read()[int(sys.argv[3]) * 4096:][:4096]
for path in pathlib.Path(sys.argv[1]).rglob("*"):
    if not path.is_file():
        continue
    with open(path, "r+b") as array:
        at = array.read().find(block)
        if at >= 0:
            array.seek(at + 5)
            array.write(bytes([block[5] ^ 1]))
            sys.exit(0)
sys.exit("the block is not in the store")
END
}

# The block that was hit is an error, everything else is readable, the log has one line that says where.
promise_a_damaged_block_is_an_error_and_nothing_else_is() {
  only_cowfs
  need_cowfs
  local log
  make_store
  start_cowfs "$STORE" "$MNT"
  mkdir "$MNT/folder"
  head -c 400000 /dev/urandom >"$MNT/folder/file"
  cp "$MNT/folder/file" expected
  echo other >"$MNT/other"
  snapshot s
  stop_cowfs "$MNT"
  damage_block expected 20
  start_cowfs "$STORE" "$MNT"
  refused 'Input/output error' dd if="$MNT/folder/file" of=/dev/null bs=4096 skip=20 count=1
  dd if="$MNT/folder/file" of=front bs=4096 count=20 status=none
  dd if="$MNT/folder/file" of=back bs=4096 skip=21 status=none
  cmp -n 81920 front expected || fail "the blocks before it differ"
  tail -c +86017 expected | cmp - back || fail "the blocks after it differ"
  same other "$(cat "$MNT/other")" "another file"
  for _ in 1 2 3 4 5; do dd if="$MNT/folder/file" of=/dev/null bs=4096 skip=20 count=1 status=none 2>/dev/null || :; done
  log=$(grep -c 'main:/folder/file: offset 81920: .*does not match its checksum' "$T/daemon.log")
  same 1 "$log" "lines in the log"
  refused 'Input/output error' dd if="$(volume s)/folder/file" of=/dev/null bs=4096 skip=20 count=1
  has "$(cat "$T/daemon.log")" 's:/folder/file: offset 81920: ' "the snapshot's line in the log"
  head -c 4096 /dev/zero | dd of="$MNT/folder/file" bs=4096 seek=20 conv=notrunc status=none
  cat "$MNT/folder/file" >/dev/null || fail "a block that is written anew is whole"
  stop_cowfs "$MNT"
}

# The other side of mkfs.cowfs --no-data-checksums: bytes are what the host gives.
promise_a_store_without_data_checksums_does_not_verify_data() {
  only_cowfs
  need_cowfs
  "$MKFS" --no-data-checksums "$STORE" >/dev/null
  start_cowfs "$STORE" "$MNT"
  head -c 400000 /dev/urandom >"$MNT/file"
  cp "$MNT/file" expected
  stop_cowfs "$MNT"
  damage_block expected 20
  start_cowfs "$STORE" "$MNT"
  cat "$MNT/file" >seen || fail "a damaged block was noticed"
  same 1 "$(cmp -l expected seen | wc -l)" "bytes that differ"
  stop_cowfs "$MNT"
}

run_promises "$@"
