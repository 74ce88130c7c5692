#!/bin/bash
# Ordinary users: files belong to the caller, permissions hold, a user mounts and owns a store without root.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/users.sh"

promise_new_files_belong_to_the_caller() {
  need_root
  mount_fresh -o allow_other
  chmod 1777 "$MNT"
  as 61001 touch "$MNT/file"
  as 61001 mkdir "$MNT/dir"
  as 61001 ln -s x "$MNT/link"
  as 61001 mkfifo "$MNT/fifo"
  same 61001:61001 "$(stat -c %u:%g "$MNT/file")" "owner of a file"
  same 61001:61001 "$(stat -c %u:%g "$MNT/dir")" "owner of a directory"
  same 61001:61001 "$(stat -c %u:%g "$MNT/link")" "owner of a link"
  same 61001:61001 "$(stat -c %u:%g "$MNT/fifo")" "owner of a FIFO"
  mkdir "$MNT/shared"
  chown 0:61002 "$MNT/shared"
  chmod 2777 "$MNT/shared"
  as 61001 touch "$MNT/shared/file"
  as 61001 mkdir "$MNT/shared/dir"
  same 61001:61002 "$(stat -c %u:%g "$MNT/shared/file")" "owner of a file in a setgid directory"
  same 2755 "$(stat -c %a "$MNT/shared/dir")" "mode of a directory in a setgid directory"
}

promise_permissions_hold_between_users() {
  need_root
  mount_fresh -o allow_other
  chmod 1777 "$MNT"
  as 61001 sh -c "echo secret >'$MNT/secret'; chmod 600 '$MNT/secret'; mkdir -m 700 '$MNT/private'; echo x >'$MNT/private/x'"
  denied 61002 cat "$MNT/secret"
  denied 61002 sh -c "echo x >'$MNT/secret'"
  denied 61002 rm -f "$MNT/secret"
  denied 61002 mv "$MNT/secret" "$MNT/stolen"
  denied 61002 chmod 666 "$MNT/secret"
  denied 61002 chown 61002 "$MNT/secret"
  denied 61002 ls "$MNT/private"
  denied 61002 cat "$MNT/private/x"
  denied 61002 touch -d 2000-01-01 "$MNT/secret"
  denied 61002 setfattr -n user.x -v y "$MNT/secret"
  denied 61002 mknod "$MNT/null" c 1 3
  same secret "$(as 61001 cat "$MNT/secret")" "the owner reads"
  same secret "$(cat "$MNT/secret")" "root reads"
}

promise_without_allow_other_only_the_owner_of_the_mount_enters() {
  only_cowfs
  need_root
  mount_fresh
  echo x >"$MNT/file"
  chmod 777 "$MNT" "$MNT/file"
  denied 61001 ls "$MNT"
  denied 61001 cat "$MNT/file"
}

promise_setuid_and_capabilities_go_when_a_file_is_written() {
  local way
  need_root
  mount_fresh -o allow_other
  for way in "echo x >>" "truncate -s 1" "fallocate -l 8192" "cp /bin/true"; do
    printf 'content' >"$MNT/program"
    chown 61001:61001 "$MNT/program"
    chmod 6777 "$MNT/program"
    as 61001 sh -c "$way '$MNT/program'"
    same 777 "$(stat -c %a "$MNT/program")" "mode after '$way' by its owner"
    rm "$MNT/program"
  done
  printf 'content' >"$MNT/program"
  chmod 6777 "$MNT/program"
  chown 61001:61001 "$MNT/program"
  same 777 "$(stat -c %a "$MNT/program")" "mode after chown"
  chmod 4755 "$MNT/program"
  setfattr -n security.capability -v 0sAQAAAgAEAAAAAAAAAAAAAAAAAAA= "$MNT/program"
  getfattr -n security.capability "$MNT/program" >/dev/null
  echo x >>"$MNT/program"
  refused 'No such attribute' getfattr -n security.capability "$MNT/program"
  same 4755 "$(stat -c %a "$MNT/program")" "mode after a write by root"
}

promise_a_user_mounts_snapshots_and_unmounts_without_root() {

  only_cowfs
  need_cowfs
  user_place
  as 61001 "$MKFS" mine/store >mkfs.log
  same 61001 "$(stat -c %u mine/store)" "owner of the store"
  as 61001 "$COWFS" mine/store "$T/mine/mnt"
  as 61001 sh -c "cd '$T/mine/mnt' && echo hello >file && mkdir dir && cp file dir/copy && chmod 600 file && ln file link && mkdir .cowfs/s"
  as 61001 sh -c "echo changed >'$T/mine/mnt/file'"
  same hello "$(as 61001 cat "$T/mine/mnt/.cowfs/s/file")" "file in the snapshot"
  as 61001 "$COWSNAP" fork "$T/mine/mnt" f
  as 61001 sh -c "echo fork >'$T/mine/mnt/.cowfs/f/file'"
  as 61001 "$COWSNAP" delete "$T/mine/mnt" f
  denied 61002 ls "$T/mine/mnt"
  refused 'Permission denied' ls "$T/mine/mnt"
  refused 'Permission denied|not permitted|Operation not|not found' as 61002 fusermount3 -u "$T/mine/mnt"
  as 61001 "$COWFS" --unmount "$T/mine/mnt"
  unmounted "$T/mine/mnt" || fail "still mounted"
  as 61001 "$COWFS" mine/store "$T/mine/mnt"
  same changed "$(as 61001 cat "$T/mine/mnt/file")" "file after a remount"
  as 61001 fusermount3 -u "$T/mine/mnt"
  eventually 20 "the daemon ends" none_of mine/store
  denied 61002 "$COWFS" mine/store "$T/mnt"
  end_world
}
none_of() { [ -z "$(processes_naming "$1")" ]; }

# user_cycle MOUNTPOINT STORE PREFIX…: all that the issue's main job is, by commands that PREFIX runs as somebody else.
user_cycle() {
  local mnt=$1 store=$2
  shift 2
  "$@" "$COWFS" --create "$store" "$mnt"
  "$@" tar -C "$COWFS_SRC_DIR" -cf source.tar lib tools
  "$@" tar -C "$mnt" -xf source.tar
  "$@" "$COWSNAP" create "$mnt" before
  "$@" mkdir "$mnt/.cowfs/by.hand"
  "$@" sh -c "rm -r '$mnt/lib' && head -c 3000000 /dev/urandom >'$mnt/large' && cp '$mnt/large' '$mnt/copy' && cmp '$mnt/large' '$mnt/copy'"
  "$@" diff -r "$COWFS_SRC_DIR/lib" "$mnt/.cowfs/before/lib"
  refused 'Read-only' "$@" touch "$mnt/.cowfs/before/lib/x"
  "$@" "$COWSNAP" fork "$mnt/.cowfs/before" work
  "$@" sh -c "echo changed >'$mnt/.cowfs/work/lib/new' && mv '$mnt/.cowfs/work/lib' '$mnt/lib2' && mv '$mnt/.cowfs/work' '$mnt/.cowfs/renamed'"
  same changed "$("$@" cat "$mnt/lib2/new")" "file moved between volumes"
  "$@" "$COWSNAP" delete "$mnt" renamed
  "$@" rmdir "$mnt/.cowfs/by.hand"
  "$@" "$COWSNAP" sync "$mnt"
  "$@" sh -c "kill -KILL \$(pgrep -f '^$COWFS --create $store $mnt\$')"
  eventually 20 "the daemon dies" none_of "--create $store $mnt"
  "$@" "$COWFS" --unmount "$mnt"
  "$@" "$COWFS" "$store" "$mnt" -o ro,volume=before
  "$@" diff -r "$COWFS_SRC_DIR/lib" "$mnt/lib"
  "$@" "$COWFS" --unmount "$mnt"
  "$@" "$COWFS" "$store" "$mnt"
  "$@" cmp "$mnt/large" "$mnt/copy"
  same changed "$("$@" cat "$mnt/lib2/new")" "file after the death of the daemon"
}

promise_a_user_does_the_whole_job_without_root() {
  only_cowfs
  need_cowfs
  user_place
  cd mine
  user_cycle "$T/mine/mnt" "$T/mine/store" as 61001
  # The daemon ends by SIGTERM while a mapping of a file that its owner cannot open is dirty.
  mkfifo hold.fifo ready.fifo
  as 61001 "$(program dirty_mapping)" store "$T/mine/mnt/mapped" 1234567 7 <hold.fifo >ready.fifo &
  exec 9>hold.fifo
  read -r _ <ready.fifo
  as 61001 chmod 000 "$T/mine/mnt/mapped"
  kill -TERM "$(processes_naming "$T/mine/store" | head -n 1)"
  eventually 30 "the daemon ends" none_of "$T/mine/store"
  exec 9>&-
  wait $! || true
  ! mounted "$T/mine/mnt" || as 61001 fusermount3 -uz "$T/mine/mnt"
  as 61001 "$COWFS" "$T/mine/store" "$T/mine/mnt"
  as 61001 chmod 600 "$T/mine/mnt/mapped"
  as 61001 "$(program dirty_mapping)" check "$T/mine/mnt/mapped" 1234567 7
  as 61001 fusermount3 -u "$T/mine/mnt"
  eventually 20 "the daemon ends" none_of "$T/mine/store"
  cd "$T"
  end_world
}

promise_a_users_daemon_killed_in_the_flush_of_a_snapshot_ends() {
  local i
  only_cowfs
  need_cowfs
  user_place
  as 61001 "$MKFS" mine/store >mkfs.log
  for i in 1 2 3 4 5; do
    as 61001 "$COWFS" "$T/mine/store" "$T/mine/mnt"
    kill_in_flush "$i" "$T/mine/mnt" "$(processes_naming "$T/mine/store" | head -n 1)" as 61001
    as 61001 fusermount3 -uz "$T/mine/mnt"
    wait
  done
  as 61001 "$COWFS" mine/store "$T/mine/mnt"
  as 61001 test -e "$T/mine/mnt/mapped.5" || fail "the file of the last round is missing"
  as 61001 fusermount3 -u "$T/mine/mnt"
  eventually 20 "the daemon ends" none_of "$T/mine/store"
  end_world
}

# In a user namespace of the user's own no helper with more rights is needed: mount(2) is allowed there.
promise_a_user_namespace_is_enough() {
  only_cowfs
  need_cowfs
  need_tool unshare
  user_place
  as 61001 unshare --user --map-root-user --mount true || skip "no user namespaces here"
  cat >inside.sh <<END
set -eu
cd "$T/mine"
"$COWFS" --create store mnt
echo hello >mnt/file
"$COWSNAP" create -q mnt s
echo changed >mnt/file
test "\$(cat mnt/.cowfs/s/file)" = hello
test "\$(stat -c %u mnt/file)" = 0
"$COWFS" --unmount mnt
"$COWFS" store mnt
test "\$(cat mnt/file)" = changed
umount mnt
END
  as 61001 unshare --user --map-root-user --mount --propagation private sh inside.sh
  eventually 20 "the daemon ends" none_of "$T/mine/store"
  same 61001 "$(stat -c %u mine/store)" "owner of the store, seen from outside"
  end_world
}

promise_a_user_may_let_others_in_where_the_machine_allows_it() {
  only_cowfs
  need_cowfs
  user_place user_allow_other
  as 61001 "$MKFS" mine/store >mkfs.log
  as 61001 "$COWFS" mine/store "$T/mine/mnt" -o allow_other
  as 61001 sh -c "echo hello >'$T/mine/mnt/file'; chmod 1777 '$T/mine/mnt'"
  same hello "$(as 61002 cat "$T/mine/mnt/file")" "file read by another user"
  as 61002 touch "$T/mine/mnt/of.two"
  same 61002 "$(as 61001 stat -c %u "$T/mine/mnt/of.two")" "owner of another user's file"
  denied 61002 mkdir "$T/mine/mnt/.cowfs/s"
  denied 61002 "$COWSNAP" create "$T/mine/mnt" s
  mkdir "$T/mine/mnt/.cowfs/by.root"
  present "$T/mine/mnt/.cowfs/by.root/file"
  as 61001 "$COWFS" --unmount "$T/mine/mnt"
  end_world
}

promise_a_user_is_told_when_allow_other_is_not_allowed() {
  only_cowfs
  need_cowfs
  user_place '# nothing'
  as 61001 "$MKFS" mine/store >mkfs.log
  refused 'allow_other' as 61001 "$COWFS" mine/store "$T/mine/mnt" -o allow_other
  end_world
}

promise_where_the_system_gives_no_threads_copies_are_made_and_a_mount_is_refused() {
  local processes
  user_place
  cp -r "$COWFS_SRC_DIR/docs" mine/tree
  chown -R 61001:61001 mine/tree
  for processes in 1 2 3; do
    as 61001 bash -c 'ulimit -u "$1" && exec "$2" -a -j4 --progress=always mine/tree "mine/copy.$1"' _ "$processes" "$(program cowcp)"
    same_tree mine/tree "mine/copy.$processes"
  done
  as 61001 "$MKFS" -q mine/store
  for processes in 1 2 3; do
    refused 'cowfs: cannot begin a thread: Resource temporarily unavailable' \
      as 61001 bash -c 'ulimit -u "$1" && exec "$2" -f mine/store mine/mnt' _ "$processes" "$COWFS"
  done
}

promise_the_store_is_closed_to_other_users() {
  only_cowfs
  need_root
  mount_fresh -o allow_other
  echo secret >"$MNT/file"
  denied 61001 ls "$STORE"
  has_not "$(find "$STORE" -perm /077)" . "files of the store that others may read"
}

run_promises "$@"
