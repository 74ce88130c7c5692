#!/bin/bash
# The life of the daemon: start, refusals, options, the ways to unmount, strange paths.
. "$(dirname "$0")/lib.sh"

# mounted_daemon [options…]: daemonizes; its pid in $DAEMON.
mounted_daemon() {
  "$COWFS" "$STORE" "$MNT" "$@"
  mounted "$MNT" || fail "cowfs returned before it was mounted"
  DAEMON=$(processes_naming "$STORE" | head -n 1)
  [ -n "$DAEMON" ] || fail "no daemon runs"
}
gone() { ! kill -0 "$1" 2>/dev/null; }
released() {  # the store can be mounted again at once
  start_cowfs "$STORE" "$MNT"
  stop_cowfs "$MNT"
}
# untouched STORE COMMAND…: the command fails and leaves every byte, name, mode and time of the store as it was.
untouched() {
  local store=$1 pattern=$2
  shift 2
  digest "$store" >before.digest
  refused "$pattern" "$@"
  digest "$store" >after.digest
  same_digest before.digest after.digest "the store after '$*'"
}

promise_mkfs_makes_a_private_store_in_a_new_or_empty_directory() {
  only_cowfs
  need_cowfs
  (umask 000; "$MKFS" new)
  same 700 "$(stat -c %a new)" "mode of the store"
  mkdir empty
  chmod 755 empty
  "$MKFS" empty >mkfs.log
  same 700 "$(stat -c %a empty)" "mode of the store in a directory that existed"
  has_not "$(find new -perm /077 ! -type d)" . "files that others may read"
}

promise_mkfs_refuses_a_directory_that_is_not_empty() {
  only_cowfs
  need_cowfs
  mkdir full
  echo keep >full/file
  untouched full 'not empty' "$MKFS" full
  "$MKFS" store2 >mkfs.log
  untouched store2 'not empty|already' "$MKFS" store2
  echo x >plain
  refused 'directory' "$MKFS" plain
  refused '.' "$MKFS" missing/parent/store
  refused '.' "$MKFS"
  refused '.' "$MKFS" --unknown new
  absent new
  exit_code 0 "$MKFS" --help
  exit_code 0 "$MKFS" --version
}

promise_a_new_store_takes_16_mib_and_24_in_use() {
  only_cowfs
  mount_fresh
  unmount
  make_store new
  at_most 16500 "$(du -sk new | cut -f1)" "KiB of a new store"
  at_most 16500 "$(du -sk --apparent-size new | cut -f1)" "KiB of a new store, by its sizes"
  mount_again
  echo hello >"$MNT/file"
  mkdir "$MNT/.cowfs/s"
  "$COWSNAP" sync "$MNT"
  at_most 25000 "$(du -sk --apparent-size "$STORE" | cut -f1)" "KiB of a store in use, by its sizes"
  unmount
}

promise_what_a_mount_point_holds_is_covered() {
  only_cowfs
  need_cowfs
  make_store
  echo below >"$MNT/below"
  start_cowfs "$STORE" "$MNT"
  absent "$MNT/below"
  stop_cowfs "$MNT"
  same below "$(cat "$MNT/below")" "what the mount covered"
}

promise_cowfs_returns_when_the_mount_is_ready() {
  only_cowfs
  need_cowfs
  make_store
  mounted_daemon
  echo hello >"$MNT/file"
  "$COWFS" --unmount "$MNT"
  unmounted "$MNT" || fail "still mounted"
  released
}

promise_create_makes_a_missing_store() {
  only_cowfs
  need_cowfs
  refused 'No such file|not a store|not a cowfs store|missing' "$COWFS" "$STORE" "$MNT"
  absent "$STORE"
  mounted_daemon --create
  echo hello >"$MNT/file"
  "$COWFS" --unmount "$MNT"
  mounted_daemon --create
  same hello "$(cat "$MNT/file")" "file in the store that existed"
  "$COWFS" --unmount "$MNT"
  same 700 "$(stat -c %a "$STORE")" "mode of the store"
  mkdir full
  echo keep >full/file
  untouched full '.' "$COWFS" --create full "$MNT"
}

promise_a_second_daemon_on_the_same_store_is_refused() {
  only_cowfs
  mount_fresh
  mkdir second
  echo hello >"$MNT/file"
  refused '[Ii]n use|already|another|locked' "$COWFS" "$STORE" "$T/second"
  refused '[Ii]n use|already|another|locked' "$COWFS" "$STORE" "$T/second" -f
  refused '[Ii]n use|already|another|locked' "$COWFS" "$STORE" "$T/second" -o ro
  same hello "$(cat "$MNT/file")" "the first mount"
  unmounted "$T/second" || fail "the second is mounted"
}

promise_what_is_no_store_is_refused_and_left_untouched() {
  only_cowfs
  need_cowfs
  mkdir other
  echo keep >other/file
  mkdir other/superblock other/objects
  untouched other 'not a (cowfs )?store|no (cowfs )?store' "$COWFS" other "$MNT"
  mkdir empty
  untouched empty 'not a (cowfs )?store|no (cowfs )?store|empty' "$COWFS" empty "$MNT"
  echo x >plain
  refused '.' "$COWFS" plain "$MNT"
  refused '.' "$COWFS" missing "$MNT"
  unmounted "$MNT" || fail "something was mounted"
}

superblocks() { find "$STORE" -type f -iname '*super*' | sort; }

promise_a_damaged_store_is_refused_and_left_untouched() {
  local file
  only_cowfs
  mount_fresh
  small_tree "$MNT"
  unmount
  [ -n "$(superblocks)" ] || fail "no file named *super* in the store: $(find "$STORE" -maxdepth 2 | head)"
  for file in $(superblocks); do head -c "$(stat -c %s "$file")" /dev/urandom | dd of="$file" conv=notrunc status=none; done
  untouched "$STORE" 'damaged|corrupt|superblock' "$COWFS" "$STORE" "$MNT"
  untouched "$STORE" 'damaged|corrupt|superblock' "$COWFS" "$STORE" "$MNT" -o ro
  for file in $(superblocks); do truncate -s 0 "$file"; done
  untouched "$STORE" 'damaged|corrupt|superblock|not a' "$COWFS" "$STORE" "$MNT"
}

promise_one_damaged_superblock_slot_does_no_harm() {
  only_cowfs
  mount_fresh
  small_tree "$MNT"
  digest "$MNT" >before.digest
  unmount
  # Two slots, in one file or two: the older one is overwritten. Which it is, is found by trying.
  cp -a "$STORE" saved
  local file size half kept=0
  for file in $(superblocks); do
    size=$(stat -c %s "$file")
    for half in 0 1; do
      head -c $((size / 2)) /dev/urandom | dd of="$file" bs=1 seek=$((half * (size / 2))) conv=notrunc status=none
      if "$COWFS" "$STORE" "$MNT" 2>words; then
        has "$(<words)" 'one of the two slots of the superblock cannot be read' "the daemon's words"
        digest "$MNT" >after.digest
        "$COWFS" --unmount "$MNT"
        if cmp -s before.digest after.digest; then kept=$((kept + 1)); fi
      fi
      rm -rf "$STORE"
      cp -a saved "$STORE"
    done
  done
  at_least 1 "$kept" "slots without which the store still opens"
}

# Else the lowest numbers go to files of the store, and what is logged on stderr goes into one of them.
promise_closed_standard_descriptors_are_no_files_of_the_store() {
  local fd closed
  only_cowfs
  for closed in '<&-' '>&-' '2>&-' '<&- >&-' '<&- 2>&-' '>&- 2>&-' '<&- >&- 2>&-'; do
    rm -rf "$STORE"
    eval "\"\$MKFS\" -q \"\$STORE\" $closed"
    eval "\"\$COWFS\" \"\$STORE\" \"\$MNT\" -f >out 2>err $closed &"
    DAEMON=$!
    eventually 20 "a mount with $closed" mounted "$MNT"
    echo text >"$MNT/f"
    for fd in 0 1 2; do
      has_not "$(readlink "/proc/$DAEMON/fd/$fd")" '/store' "descriptor $fd with $closed"
    done
    kill_cowfs
    "$(program fsck.cowfs)" -nf "$STORE" >checked || fail "with $closed: $(<checked)"
  done
}

promise_a_limit_of_file_sizes_is_an_error_and_kills_nobody() {
  only_cowfs
  make_store
  (ulimit -f 30000 && exec "$COWFS" "$STORE" "$MNT" -f >>"$T/daemon.log" 2>&1) &
  DAEMON=$!
  eventually 20 "a mount" mounted "$MNT"
  echo before >"$MNT/before"
  refused 'File too large' dd if=/dev/zero of="$MNT/f" bs=1M count=100
  rm "$MNT/f"
  echo after >"$MNT/after"
  stop_cowfs "$MNT"
  start_cowfs "$STORE" "$MNT"
  same 'before after' "$(cat "$MNT/before" "$MNT/after" | xargs)" "what was written beside it"
  refused 'File too large' bash -c 'ulimit -f 1000 && exec "$1" "$2"' _ "$MKFS" "$T/limited"
}

promise_files_of_the_store_that_went_are_reported_not_invented() {
  only_cowfs
  mount_fresh
  head -c 5000000 /dev/urandom >"$MNT/large"
  unmount
  local largest
  largest=$(find "$STORE" -type f -printf '%s %p\n' | sort -n | tail -n 1 | cut -d' ' -f2)
  mv "$largest" lost
  if "$COWFS" "$STORE" "$MNT" 2>refusal; then
    refused 'error' cat "$MNT/large"
    touch "$MNT/new"
    mounted "$MNT" || fail "the daemon died"
    "$COWFS" --unmount "$MNT"
  else
    has "$(cat refusal)" 'damaged|corrupt|missing|No such' "the refusal"
  fi
}

promise_startup_errors_come_to_the_terminal_of_the_caller() {
  local code=0
  only_cowfs
  need_cowfs
  make_store
  "$COWFS" "$STORE" "$T/no-such-directory" >out 2>err || code=$?
  different 0 "$code" "exit code"
  has "$(cat err)" '^cowfs: .*no-such-directory' "stderr"
  same "" "$(cat out)" "stdout"
  echo x >file
  refused 'cowfs: .*file' "$COWFS" "$STORE" "$T/file"
  exit_code 0 "$COWFS" --help
  exit_code 0 "$COWFS" --version
  released
}

promise_unknown_options_are_refused() {
  local option
  only_cowfs
  need_cowfs
  make_store
  for option in frobnicate cache=none volume= commit=-1 "ro,frobnicate" cache=99999999999999999999 log= commit ro=1; do
    refused 'cowfs: ' "$COWFS" "$STORE" "$MNT" -o "$option"
  done
  refused 'cowfs: ' "$COWFS" "$STORE" "$MNT" --frobnicate
  refused 'cowfs: ' "$COWFS" "$STORE" "$MNT" third
  refused 'cowfs: ' "$COWFS" "$STORE"
  refused 'cowfs: ' "$COWFS"
  refused 'cowfs: .*(no|not|No).*' "$COWFS" "$STORE" "$MNT" -o volume=missing
  unmounted "$MNT" || fail "something was mounted"
  released
}

promise_a_store_whose_main_was_renamed_says_what_it_holds() {
  only_cowfs
  mount_fresh
  snapshot old
  snapshot gone
  delete_volume gone
  mv "$MNT/.cowfs/main" "$MNT/.cowfs/trunk"
  unmount
  refused "no volume 'main' in it; .*: old, trunk\$" "$COWFS" "$STORE" "$MNT"
  mount_again -o volume=trunk
  unmount
}

# Where the system's fusermount3 cannot do it, the option is refused and not ignored.
promise_auto_unmount_takes_the_mount_away_or_is_refused() {
  only_cowfs
  need_cowfs
  make_store
  if "$COWFS" "$STORE" "$MNT" -o auto_unmount 2>said; then
    kill -KILL "$(processes_naming "$STORE" | head -n 1)"
    eventually 20 "the mount goes with its daemon" unmounted "$MNT"
  else
    has "$(cat said)" 'auto_unmount: the installed fusermount3' "the refusal"
    unmounted "$MNT" || fail "mounted all the same"
  fi
}

promise_sigterm_unmounts_cleanly() {
  local signal code
  only_cowfs
  need_cowfs
  make_store
  for signal in TERM INT; do
    start_cowfs "$STORE" "$MNT"
    echo "$signal" >"$MNT/file"
    kill -"$signal" "$DAEMON"
    code=0
    wait "$DAEMON" || code=$?
    same 0 "$code" "exit code after SIG$signal"
    unmounted "$MNT" || fail "still mounted after SIG$signal"
    start_cowfs "$STORE" "$MNT"
    same "$signal" "$(cat "$MNT/file")" "what was written before SIG$signal"
    stop_cowfs "$MNT"
  done
}

promise_sigterm_ends_a_daemon_with_open_files_on_its_mount() {
  only_cowfs
  mount_fresh
  echo hello >"$MNT/file"
  exec 8<"$MNT/file"
  kill -TERM "$DAEMON"
  eventually 30 "the daemon ends" dead "$DAEMON"
  exec 8<&-
  ! mounted "$MNT" || umount -l "$MNT"
  mount_again
  same hello "$(cat "$MNT/file")" "file"
}

# dirty_mapping FILE SEED: a process of ours that keeps FILE mapped with dirty pages, until end_mapping.
dirty_mapping() {
  mkfifo hold.fifo ready.fifo
  "$(program dirty_mapping)" store "$1" 1234567 "$2" <hold.fifo >ready.fifo &
  MAPPER=$!
  exec 9>hold.fifo
  read -r _ <ready.fifo
}
end_mapping() {
  exec 9>&-
  wait "$MAPPER" || true
  rm hold.fifo ready.fifo
}

promise_sigterm_keeps_what_mappings_hold() {
  local signal mode
  only_cowfs
  mount_fresh
  for signal in TERM INT HUP; do
    mode=$([ "$signal" = HUP ] && echo 000 || echo 644)
    dirty_mapping "$MNT/mapped.$signal" 7
    chmod "$mode" "$MNT/mapped.$signal"
    kill -"$signal" "$DAEMON"
    wait "$DAEMON" || true
    end_mapping
    ! mounted "$MNT" || umount -l "$MNT"
    mount_again
    "$(program dirty_mapping)" check "$MNT/mapped.$signal" 1234567 7
  done
}

promise_umount_ends_the_daemon_and_keeps_everything() {
  only_cowfs
  need_root
  mount_fresh
  small_tree "$MNT"
  digest "$MNT" >before.digest
  umount "$MNT"
  local code=0
  wait "$DAEMON" || code=$?
  same 0 "$code" "exit code of the daemon"
  mount_again
  digest "$MNT" >after.digest
  same_digest before.digest after.digest "before and after umount"
}

promise_fusermount_ends_the_daemon_and_keeps_everything() {
  only_cowfs
  need_tool fusermount3
  mount_fresh
  echo hello >"$MNT/file"
  fusermount3 -u "$MNT"
  local code=0
  wait "$DAEMON" || code=$?
  same 0 "$code" "exit code of the daemon"
  mount_again
  same hello "$(cat "$MNT/file")" "file"
}

promise_unmount_waits_until_the_store_is_released() {
  local i
  only_cowfs
  need_cowfs
  make_store
  for i in 1 2 3; do
    mounted_daemon
    head -c 50000000 /dev/urandom >"$MNT/large$i"
    "$COWFS" --unmount "$MNT"
    gone "$DAEMON" || ended "$DAEMON" || fail "the daemon still runs after --unmount"
    mounted_daemon
    same 50000000 "$(stat -c %s "$MNT/large$i")" "size after a remount at once"
    "$COWFS" --unmount "$MNT"
  done
}

# While another mount namespace holds the mount, the daemon goes on.
promise_waiting_for_the_daemon_is_said_once() {
  local program
  only_cowfs
  need_root
  need_cowfs
  make_store
  with_helpers
  for program in "$COWFS --unmount" umount; do
    mount -t cowfs -o uhelper=cowfs "$STORE" "$MNT"
    unshare --mount sleep 7 &
    eventually 5 "a second mount namespace" second_namespace $!
    $program "$MNT" >said 2>&1
    same 1 "$(grep -c 'waiting for the daemon' said)" "lines of '$program' ($(cat said))"
    wait $!
  done
  umount "$(realpath /sbin)"
}
second_namespace() { [ "$(readlink /proc/$1/ns/mnt)" != "$(readlink /proc/self/ns/mnt)" ]; }

promise_unmount_of_a_busy_mount_is_refused() {
  only_cowfs
  mount_fresh
  echo hello >"$MNT/file"
  exec 8<"$MNT/file"
  refused 'busy' "$COWFS" --unmount "$MNT"
  same hello "$(cat "$MNT/file")" "file"
  exec 8<&-
  unmount
  refused 'cowfs: ' "$COWFS" --unmount "$MNT"
  refused 'cowfs: ' "$COWFS" --unmount "$T/no-such-directory"
}

promise_store_and_mount_point_inside_each_other_are_refused() {
  only_cowfs
  need_cowfs
  mkdir -p outer/inner
  "$MKFS" outer/inner/store >mkfs.log
  "$MKFS" other >mkfs.log
  mkdir other/mnt 2>/dev/null || true
  refused 'inside|within|contain' "$COWFS" outer/inner/store outer/inner
  refused 'inside|within|contain' "$COWFS" outer/inner/store outer
  refused 'inside|within|contain|same' "$COWFS" outer/inner/store outer/inner/store
  refused 'inside|within|contain' "$COWFS" other other/mnt
  ln -s "$T/outer" link
  refused 'inside|within|contain' "$COWFS" link/inner/store outer/inner
}

promise_relative_paths_and_links_to_the_store_work() {
  only_cowfs
  need_cowfs
  make_store
  ln -s "$STORE" link
  "$COWFS" link mnt
  echo hello >mnt/file
  "$COWFS" --unmount mnt
  cd "$MNT"
  "$COWFS" ../store .
  cd "$T"
  same hello "$(cat mnt/file)" "file"
  "$COWFS" --unmount "$MNT"
}

promise_paths_with_strange_characters_work() {
  local name
  only_cowfs
  need_cowfs
  for name in 'with space' 'with,comma' $'with\nnewline' 'with\backslash' $'with\ttab' 'üñí' 'a=b'; do
    mkdir "mnt $name"
    "$MKFS" "store $name" >mkfs.log
    start_cowfs "store $name" "$T/mnt $name"
    echo hello >"mnt $name/file"
    mkdir "mnt $name/.cowfs/s"
    same hello "$(cat "mnt $name/.cowfs/s/file")" "file in a mount at '$name'"
    stop_cowfs "$T/mnt $name"
    unmounted "$T/mnt $name" || fail "still mounted at '$name'"
  done
}

promise_mount_cowfs_takes_the_flags_of_mount() {
  only_cowfs
  need_root
  need_cowfs
  make_store
  ln -s "$COWFS" mount.cowfs
  ln -s "$COWFS" umount.cowfs
  ./mount.cowfs "$STORE" "$MNT" -f
  unmounted "$MNT" || fail "-f (fake) mounted it"
  refused '.' ./mount.cowfs "$STORE" "$MNT" -o rw,frobnicate
  unmounted "$MNT" || fail "an unknown option was taken"
  ./mount.cowfs "$STORE" "$MNT" -s -n -v -o rw,frobnicate,noauto,user=root,_netdev,x-systemd.automount,defaults,nofail
  mounted "$MNT" || fail "-s (sloppy) did not mount"
  echo hello >"$MNT/file"
  ./umount.cowfs "$MNT"
  ./mount.cowfs "$STORE" "$MNT" -n -o ro,noexec,nosuid,nodev,noatime
  same hello "$(cat "$MNT/file")" "file"
  refused 'Read-only' touch "$MNT/new"
  ./umount.cowfs "$MNT" -n
  unmounted "$MNT" || fail "still mounted"
  released
}

# mount(8) and umount(8) look for helpers in /sbin: there, in this namespace only.
with_helpers() {
  need_root
  local helper
  mkdir sbin
  cp -a /sbin/. sbin/
  for helper in mount.cowfs mount.fuse.cowfs umount.cowfs umount.fuse.cowfs; do ln -sf "$COWFS" "sbin/$helper"; done
  mount --bind sbin "$(realpath /sbin)"
}
promise_mount_and_umount_find_their_helpers() {
  local type
  only_cowfs
  need_cowfs
  make_store
  with_helpers
  for type in cowfs fuse.cowfs; do
    # uhelper= makes umount(8) call umount.cowfs, which waits; by itself it makes the system call and no more.
    mount -t "$type" -o uhelper=cowfs "$STORE" "$MNT"
    mounted "$MNT" || fail "mount -t $type mounted nothing"
    echo "$type" >"$MNT/file"
    umount "$MNT"
    printf '%s %s %s rw,noauto,cache=32,uhelper=cowfs 0 0\n' "$STORE" "$MNT" "$type" >fstab
    mount -T "$T/fstab" "$MNT"
    same "$type" "$(cat "$MNT/file")" "file"
    umount "$MNT"
    unmounted "$MNT" || fail "umount left it mounted"
  done
  umount "$(realpath /sbin)"
}

promise_the_mount_tells_its_store_and_type() {
  only_cowfs
  mount_fresh
  has "$(grep -F " $MNT " /proc/self/mountinfo)" ' - fuse\.cowfs ' "/proc/self/mountinfo"
  has "$(df --output=fstype "$MNT")" 'fuse.cowfs' "df"
}

# Cold sequential reads take half the time with it.
promise_the_kernel_reads_ahead_far_enough() {
  need_root
  mount_fresh
  local device
  device=$(E="$MNT" awk '$5 == ENVIRON["E"] { print $3 }' /proc/self/mountinfo)
  at_least 512 "$(cat "/sys/class/bdi/$device/read_ahead_kb")" "KiB"
}

promise_a_log_file_can_be_asked_for() {
  only_cowfs
  need_cowfs
  make_store
  mounted_daemon --log "$T/log"
  "$COWFS" --unmount "$MNT"
  [ -s log ] || fail "the log is empty"
}

promise_a_background_daemon_holds_no_terminal_and_no_directory() {
  only_cowfs
  need_cowfs
  make_store
  mkdir here
  (cd here && "$COWFS" "$STORE" "$MNT") >out 2>&1 </dev/null
  DAEMON=$(processes_naming "$STORE" | head -n 1)
  same / "$(readlink "/proc/$DAEMON/cwd")" "working directory of the daemon"
  has_not "$(ls -l "/proc/$DAEMON/fd")" "$T/out" "descriptors of the daemon"
  rmdir here
  # A pipe's reader gets its end: the daemon must not hold the other side.
  "$COWFS" --unmount "$MNT"
  said=$("$COWFS" "$STORE" "$MNT" 2>&1)
  same "" "$said" "what a good start says"
  "$COWFS" --unmount "$MNT"
}

run_promises "$@"
