#!/usr/bin/env bash
# Power goes, on a real host: what ext4 has written to its device at that moment is copied, mounted elsewhere, and the store in it
# opened as after a new start of the machine. The host writes nothing by itself meanwhile (it commits every five minutes), so only
# what a sync brought there is there. The crash tests (tests/crash) cut everywhere; here real calls meet a real host.
# shellcheck source=tests/mount/lib.sh
. "$(dirname "$0")/lib.sh"

# powered_store [cowfs options…]: a store on an ext4 of its own, mounted at $MNT.
powered_store() {
  only_cowfs
  need_cowfs
  need_root
  need_tool mkfs.ext4
  truncate -s 256M "$T/device"
  mkfs.ext4 -q -F -m 0 "$T/device"
  mkdir "$T/host" "$T/cut.host" "$T/cut"
  mount -o loop,commit=300 "$T/device" "$T/host"
  STORE=$T/host/store
  make_store
  sync -f "$T/host"
  start_cowfs "$STORE" "$MNT" "$@"
  ALIVE=$DAEMON
}
# power_cut: what would be there if power went now is mounted at $T/cut. The machine goes on.
power_cut() {
  [ ! -e cut.device ] || cut_away
  cp --sparse=always "$T/device" "$T/cut.device"
  mount -o loop "$T/cut.device" "$T/cut.host"
  cat /proc/sys/kernel/random/uuid >"$T/boot_id"
  mount --bind "$T/boot_id" /proc/sys/kernel/random/boot_id
  start_cowfs "$T/cut.host/store" "$T/cut"
  umount /proc/sys/kernel/random/boot_id
}
cut_away() {
  "$COWFS" --unmount "$T/cut"
  wait "$DAEMON"
  DAEMON=$ALIVE
  umount "$T/cut.host"
  rm "$T/cut.device"
}

promise_what_was_synced_in_any_way_is_there() {
  powered_store -o commit=300
  need_tool python3
  head -c 300000 /dev/urandom >expected
  cp expected "$MNT/by_fsync" && sync "$MNT/by_fsync"
  dd if=expected of="$MNT/by_o_sync" bs=100000 oflag=sync status=none
  dd if=expected of="$MNT/by_o_dsync" bs=100000 oflag=dsync status=none
  cp expected "$MNT/by_fdatasync" && sync -d "$MNT/by_fdatasync"
  python3 -c '
import mmap, os, sys
data = open("expected", "rb").read()
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, len(data))
os.fsync(fd)
place = mmap.mmap(fd, len(data))
place[:] = data
place.flush()
' "$MNT/by_msync"
  echo not yet >"$MNT/not_synced"
  power_cut
  same_bytes expected cut/by_fsync
  same_bytes expected cut/by_o_sync
  same_bytes expected cut/by_o_dsync
  same_bytes expected cut/by_fdatasync
  same_bytes expected cut/by_msync
  absent cut/not_synced  # else this test could show nothing
}

promise_a_synced_directory_has_its_names() {
  powered_store -o commit=300
  mkdir "$MNT/old" "$MNT/gone"
  sync "$MNT"
  mkdir "$MNT/made"
  mv "$MNT/old" "$MNT/new"
  rmdir "$MNT/gone"
  sync "$MNT"
  mkdir "$MNT/later"
  power_cut
  present cut/made cut/new
  absent cut/old cut/gone cut/later
}

promise_cowsnap_sync_makes_all_durable() {
  powered_store -o commit=300
  small_tree "$MNT"
  snapshot s
  digest --no-dir-links "$MNT" >expected.digest
  "$COWSNAP" sync "$MNT"
  rm -rf "$MNT/dir"
  power_cut
  digest --no-dir-links cut >seen.digest
  same_digest expected.digest seen.digest "before the sync and after the cut"
  digest --no-dir-links cut/.cowfs/s >seen.digest
  same_digest expected.digest seen.digest "the snapshot"
}

promise_what_was_done_some_seconds_ago_is_there_without_a_sync() {
  powered_store -o commit=1
  small_tree "$MNT"
  digest "$MNT" >expected.digest
  sleep 4  # twice the interval, and the work itself
  power_cut
  digest cut >seen.digest
  same_digest expected.digest seen.digest "before and after the cut"
}

promise_a_rename_over_a_file_leaves_the_old_or_the_whole_new_one() {
  local i
  powered_store -o commit=300
  head -c 100000 /dev/urandom >old
  cp old "$MNT/config"
  sync "$MNT/config" "$MNT"
  for i in 1 2 3; do
    head -c 150000 /dev/urandom >new
    cp new "$MNT/config.new"
    mv "$MNT/config.new" "$MNT/config"
    # Another program's sync takes the rename along or not: never without the bytes.
    echo "$i" >"$MNT/other"
    [ "$i" = 1 ] || sync "$MNT/other"
    power_cut
    if [ "$i" = 1 ]; then same_bytes old cut/config
    else cmp -s old cut/config || same_bytes new cut/config; fi
    cp cut/config old
  done
}

promise_a_deleted_snapshot_that_comes_back_has_its_bytes() {
  powered_store -o commit=300
  head -c 3000000 /dev/urandom >large
  head -c 30000 /dev/urandom >small
  cp large small "$MNT"
  snapshot s
  "$COWSNAP" sync "$MNT"
  delete_volume s
  head -c 3000000 /dev/urandom | dd of="$MNT/large" conv=notrunc bs=64k status=none
  head -c 30000 /dev/urandom | dd of="$MNT/small" conv=notrunc bs=4k status=none
  truncate -s 12345 "$MNT/small"
  # The host happens to write all data, and not yet the record of the deletion.
  find "$T/host/store/objects" -type f -exec sync {} +
  power_cut
  present cut/.cowfs/s
  same_bytes large cut/.cowfs/s/large
  same_bytes small cut/.cowfs/s/small
}

run_promises "$@"
