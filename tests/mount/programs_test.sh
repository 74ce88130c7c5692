#!/bin/bash
# Real programs do their work in a mount as on any filesystem: a compiler, git, sqlite3, fio, rsync, tar.
. "$(dirname "$0")/lib.sh"
. "$TEST_DIR/workloads.sh"

promise_a_project_is_untarred_built_and_run() {
  mount_fresh
  build_project "$MNT"
  digest "$MNT" >before.digest
  remount
  digest "$MNT" >after.digest
  same_digest before.digest after.digest "the build before and after a remount"
  "$(find "$MNT/build" -name sample1_unittest -type f)" >/dev/null
}

promise_git_clones_checks_and_packs() {
  need_git
  mount_fresh
  git_origin "$T/origin"
  git_work "$MNT" "$T/origin"
  remount
  git_here "$MNT/clone" fsck --full --strict >/dev/null 2>&1 || fail "git fsck after a remount"
  same "" "$(git_here "$MNT/clone" status --porcelain)" "git status after a remount"
}

promise_sqlite_keeps_its_database_with_a_rollback_journal() {
  mount_fresh
  sqlite_work "$MNT" delete
  remount
  same ok "$(sqlite3 "$MNT/work.db" 'PRAGMA integrity_check')" "integrity after a remount"
}

promise_sqlite_keeps_its_database_with_a_write_ahead_log() {
  mount_fresh
  sqlite_work "$MNT" wal
  remount
  same ok "$(sqlite3 "$MNT/work.db" 'PRAGMA integrity_check')" "integrity after a remount"
}

promise_fio_reads_back_what_it_wrote() {
  long && FIO_SIZE=512M
  mount_fresh
  fio_work "$MNT" sequential --ioengine=psync --rw=write --bs=128k
  fio_work "$MNT" random --ioengine=psync --rw=randwrite --bs=4k
  fio_work "$MNT" mixed --ioengine=psync --rw=randrw --bsrange=512-64k --bs_unaligned --norandommap --verify_backlog=64
  fio_work "$MNT" mapped --ioengine=mmap --rw=randwrite --bs=4k
  fio_work "$MNT" mapped_mixed --ioengine=mmap --rw=randrw --bs=4k --numjobs=2
  fio_work "$MNT" synced --ioengine=psync --rw=randwrite --bs=16k --fdatasync=64
  fio_work "$MNT" several --ioengine=psync --rw=randwrite --bs=8k --numjobs=4
}

promise_fio_reads_back_what_it_wrote_around_the_page_cache() {
  [ "$COWFS_TARGET" != tmpfs ] || skip "tmpfs has no O_DIRECT"
  long && FIO_SIZE=512M
  mount_fresh
  fio_work "$MNT" direct --ioengine=psync --direct=1 --rw=randwrite --bs=4k
  fio_work "$MNT" direct_large --ioengine=psync --direct=1 --rw=write --bs=1M
  fio_work "$MNT" direct_async --ioengine=libaio --iodepth=16 --direct=1 --rw=randwrite --bs=16k
  fio_work "$MNT" direct_mixed --ioengine=libaio --iodepth=8 --direct=1 --rw=randrw --bsrange=4k-128k --norandommap --verify_backlog=32
}

promise_rsync_in_and_out_keeps_everything() {
  need_tool rsync
  mount_fresh
  mkdir in
  small_tree in
  cp -a /usr/include/linux in/headers
  rsync -aHX --numeric-ids --modify-window=-1 in/ "$MNT/tree/"
  same_tree in "$MNT/tree"
  remount
  same_tree in "$MNT/tree"
  rsync -aHX --numeric-ids --modify-window=-1 "$MNT/tree/" out/
  same_tree in out
  same "" "$(rsync -aHXni --checksum --numeric-ids in/ "$MNT/tree/")" "what rsync finds to do again"
  echo changed >in/hello
  rm -rf in/dir/sub/deep
  mv in/empty in/moved
  rsync -aHX --modify-window=-1 --delete --inplace --numeric-ids in/ "$MNT/tree/"
  same_tree in "$MNT/tree"
}

promise_tar_in_and_out_keeps_everything() {
  mount_fresh
  mkdir in
  small_tree in
  local options="--xattrs --xattrs-include=* --numeric-owner --sparse"
  tar -C in $options -cf in.tar .
  tar -C "$MNT" $options -xpf in.tar
  same_tree in "$MNT"
  tar -C "$MNT" $options -cf out.tar .
  mkdir out
  tar -C out $options -xpf out.tar
  same_tree in out
}

promise_cp_a_in_and_out_keeps_everything() {
  mount_fresh
  mkdir in
  small_tree in
  cp -a in "$MNT/tree"
  same_tree in "$MNT/tree"
  cp -a "$MNT/tree" "$MNT/again"
  same_tree in "$MNT/again"
  cp -a "$MNT/again" out
  same_tree in out
}

# What container programs do: the changes of a sandbox lie in the mount, over a tree that stays as it is.
promise_a_mount_carries_the_upper_layer_of_an_overlay() {
  need_root
  need_snapshots
  mount_fresh
  small_tree "$T/lower"
  mkdir "$MNT/upper" "$MNT/work" over
  overlay() { mount -t overlay overlay -o "lowerdir=$T/lower,upperdir=$MNT/upper,workdir=$MNT/work" "$T/over"; }
  digest "$T/lower" --no-dir-links >lower.digest
  overlay || skip "no overlayfs here"
  same_tree "$T/lower/dir" over/dir --no-dir-links
  echo changed >>over/hello
  rm over/dir/odd
  mv over/dir/sub over/moved
  rm -rf over/moved/deep
  mkdir over/moved/deep
  snapshot between
  mv over/hello over/moved/deep/
  digest over >over.digest
  umount over
  [ "$(stat -c '%F %t:%T' "$MNT/upper/dir/odd")" = 'character special file 0:0' ] || fail "no whiteout"
  remount
  overlay
  digest over >seen.digest
  same_digest over.digest seen.digest "the overlay after a remount"
  umount over
  present "$(volume between)/upper/hello"
  digest "$T/lower" --no-dir-links >seen.digest
  same_digest lower.digest seen.digest "the lower layer"
}

run_promises "$@"
