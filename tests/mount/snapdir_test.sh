#!/bin/bash
# The virtual directory `.cowfs`: volumes at the root of the mount, links in every other directory, hidden from listings.
. "$(dirname "$0")/lib.sh"

fresh_tree() {
  only_cowfs
  mount_fresh "$@"
  small_tree "$MNT"
}
names_in() { ls -A "$1" | sort | tr '\n' ' '; }

promise_mkdir_takes_a_snapshot_and_ls_shows_its_root() {
  fresh_tree
  mkdir "$MNT/.cowfs/monday"
  same "$(names_in "$MNT")" "$(names_in "$MNT/.cowfs/monday")" "names in the snapshot"
  same_tree "$MNT" "$MNT/.cowfs/monday"
  refused 'File exists' mkdir "$MNT/.cowfs/monday"
  refused 'File exists' mkdir "$MNT/.cowfs/main"
}

promise_cowfs_at_the_root_lists_every_volume() {
  local i
  fresh_tree
  mkdir "$MNT/.cowfs/monday"
  "$COWSNAP" fork "$MNT" tuesday
  same "main monday tuesday " "$(names_in "$MNT/.cowfs")" "volumes"
  for i in $(seq 1000 1150); do mkdir "$MNT/.cowfs/s$i"; done
  same 154 "$(ls "$MNT/.cowfs" | wc -l)" "count of volumes"
  same "main monday s1000 s1001 " "$(names_in "$MNT/.cowfs" | cut -d' ' -f1-4) " "the first volumes"
}

promise_rmdir_deletes_a_snapshot() {
  fresh_tree
  mkdir "$MNT/.cowfs/monday"
  rmdir "$MNT/.cowfs/monday"
  absent "$MNT/.cowfs/monday"
  same "main " "$(names_in "$MNT/.cowfs")" "volumes"
  refused 'No such file' rmdir "$MNT/.cowfs/monday"
  mkdir "$MNT/.cowfs/monday"
  same_tree "$MNT" "$MNT/.cowfs/monday"
}

promise_rmdir_never_deletes_a_fork_with_files() {
  fresh_tree
  "$COWSNAP" fork "$MNT" f
  refused 'not empty' rmdir "$MNT/.cowfs/f"
  same_tree "$MNT" "$MNT/.cowfs/f"
  rm -rf "$MNT"/.cowfs/f/*
  rmdir "$MNT/.cowfs/f"
  absent "$MNT/.cowfs/f"
  same hello "$(cat "$MNT/hello")" "file of main"
}

promise_rmdir_of_the_mounted_volume_is_refused() {
  fresh_tree
  refused 'busy|Not a directory' rmdir "$MNT/.cowfs/main"
  refused 'busy' "$COWSNAP" delete "$MNT" main
  same hello "$(cat "$MNT/hello")" "file of main"
}

promise_mv_renames_a_volume() {
  fresh_tree
  mkdir "$MNT/.cowfs/old" "$MNT/.cowfs/other"
  mv -T "$MNT/.cowfs/old" "$MNT/.cowfs/new"
  absent "$MNT/.cowfs/old"
  same_tree "$MNT" "$MNT/.cowfs/new"
  same "main new other " "$(names_in "$MNT/.cowfs")" "volumes"
  refused 'File exists|not empty' perl -e 'rename($ARGV[0], $ARGV[1]) or die "$!\n"' "$MNT/.cowfs/new" "$MNT/.cowfs/other"
  remount
  same "main new other " "$(names_in "$MNT/.cowfs")" "volumes after a remount"
}

promise_nothing_moves_into_or_out_of_the_virtual_directory() {
  fresh_tree
  mkdir "$MNT/.cowfs/s" "$MNT/dir2"
  local move='rename($ARGV[0], $ARGV[1]) or die "$!\n"'
  refused 'not permitted|cross-device|Permission' perl -e "$move" "$MNT/dir2" "$MNT/.cowfs/dir2"
  refused 'not permitted|cross-device|Permission' perl -e "$move" "$MNT/.cowfs/s" "$MNT/s"
  refused 'not permitted|cross-device|Permission' perl -e "$move" "$MNT/.cowfs" "$MNT/renamed"
  refused 'not permitted|cross-device|Permission|File exists|not empty' perl -e "$move" "$MNT/dir2" "$MNT/.cowfs"
  refused 'not permitted|cross-device|Permission' ln "$MNT/hello" "$MNT/.cowfs/linked"
  refused 'not permitted|Permission' touch "$MNT/.cowfs/file"
  refused 'not permitted|Permission' ln -s x "$MNT/.cowfs/link"
  refused 'not permitted|busy|not empty' rmdir "$MNT/.cowfs"
  refused '.' chmod 777 "$MNT/.cowfs"
  same "main s " "$(names_in "$MNT/.cowfs")" "volumes"
}

promise_the_name_cowfs_is_reserved_everywhere() {
  fresh_tree
  refused 'File exists' mkdir "$MNT/.cowfs"
  refused 'File exists' mkdir "$MNT/dir/.cowfs"
  refused 'not permitted|File exists|directory' ln -sT x "$MNT/dir/.cowfs"
  refused 'directory|not permitted|File exists' sh -c "echo x >'$MNT/dir/.cowfs'"
  refused '.' perl -e 'rename($ARGV[0], $ARGV[1]) or die "$!\n"' "$MNT/hello" "$MNT/dir/.cowfs"
  same hello "$(cat "$MNT/hello")" "the file"
}

promise_cowfs_in_a_directory_links_to_the_same_directory_in_each_volume() {
  fresh_tree
  mkdir "$MNT/.cowfs/s"
  echo changed >"$MNT/dir/sub/deep/file1"
  [ -L "$MNT/dir/sub/deep/.cowfs/s" ] || fail "not a symbolic link"
  same 1 "$(cat "$MNT/dir/sub/deep/.cowfs/s/file1")" "file through the link"
  same changed "$(cat "$MNT/dir/sub/deep/.cowfs/main/file1")" "file through the link to main"
  same "$(realpath "$MNT/.cowfs/s/dir/sub/deep")" "$(realpath "$MNT/dir/sub/deep/.cowfs/s")" "where the link leads"
  same "$(stat -c %d:%i "$MNT/.cowfs/s/dir/sub/deep")" "$(stat -Lc %d:%i "$MNT/dir/sub/deep/.cowfs/s")" "what it leads to"
  same "main s " "$(names_in "$MNT/dir/sub/deep/.cowfs")" "links"
}

promise_the_links_follow_a_renamed_directory() {
  fresh_tree
  mkdir "$MNT/.cowfs/s"
  mv "$MNT/dir/sub" "$MNT/renamed"
  same 1 "$(cat "$MNT/renamed/deep/.cowfs/s/file1")" "file by its old path in the snapshot"
  same "$(realpath "$MNT/.cowfs/s/dir/sub/deep")" "$(realpath "$MNT/renamed/deep/.cowfs/s")" "where the link leads"
}

promise_links_are_missing_where_the_volume_lacks_the_directory() {
  fresh_tree
  mkdir "$MNT/.cowfs/before"
  mkdir -p "$MNT/new/below"
  mkdir "$MNT/.cowfs/after"
  refused 'No such file' readlink -v "$MNT/new/below/.cowfs/before"
  refused 'No such file' ls "$MNT/new/below/.cowfs/before/"
  same "" "$(ls "$MNT/new/below/.cowfs/after/")" "the empty directory"
  refused 'No such file' ls "$MNT/new/.cowfs/never/"
  rmdir "$MNT/new/below"
  present "$MNT/new/.cowfs/after/below"
  refused 'No such file' ls "$MNT/.cowfs/after/new/below/.cowfs/main/"
}

promise_links_lead_to_forks_and_back() {
  fresh_tree
  "$COWSNAP" fork "$MNT" f
  echo fork >"$MNT/.cowfs/f/dir/here"
  absent "$MNT/dir/here"
  same fork "$(cat "$MNT/dir/.cowfs/f/here")" "from main to the fork"
  echo main >"$MNT/.cowfs/f/dir/.cowfs/main/there"
  same main "$(cat "$MNT/dir/there")" "from the fork to main"
  [ -L "$MNT/.cowfs/main" ] || fail "the mounted volume's own name is no link"
  same hello "$(cat "$MNT/.cowfs/main/hello")" "through the own name"
  same "$(realpath "$MNT")" "$(realpath "$MNT/.cowfs/main")" "where the own name leads"
  same "$(realpath "$MNT/dir")" "$(realpath "$MNT/.cowfs/f/dir/.cowfs/main")" "where it leads from a fork"
}

promise_mkdir_in_the_cowfs_of_a_lower_directory_is_not_permitted() {
  fresh_tree
  refused 'not permitted' mkdir "$MNT/dir/.cowfs/s"
  mkdir "$MNT/.cowfs/s"
  refused 'not permitted|Not a directory' rmdir "$MNT/dir/.cowfs/s"
  refused 'not permitted' rm "$MNT/dir/.cowfs/s"
  same "main s " "$(names_in "$MNT/.cowfs")" "volumes"
}

promise_no_listing_shows_cowfs() {
  fresh_tree
  mkdir "$MNT/.cowfs/s"
  ls "$MNT/.cowfs/s" "$MNT/dir/.cowfs/s/" >/dev/null
  has_not "$(ls -aR "$MNT")" '\.cowfs' "ls -aR"
  has_not "$(find "$MNT")" '\.cowfs' "find"
  has_not "$(tar -C "$MNT" -cf - . | tar -t)" '\.cowfs' "tar"
  has_not "$(cd "$MNT" && echo .* */.*)" '\.cowfs' "shell patterns"
  has_not "$(find "$MNT/.cowfs/s")" '\.cowfs.*\.cowfs' "find in a snapshot"
  rsync -a "$MNT/" copy/
  absent copy/.cowfs
  cp -a "$MNT" copied
  absent copied/.cowfs
}

promise_rm_rf_of_the_mount_leaves_every_snapshot() {
  fresh_tree
  mkdir "$MNT/.cowfs/s"
  "$COWSNAP" fork "$MNT" f
  digest "$MNT" >expected.digest
  rm -rf "$MNT" 2>rm.log || true
  has "$(cat rm.log)" 'busy' "what rm says of the mount point"
  same "" "$(ls -A "$MNT")" "live tree"
  digest "$MNT/.cowfs/s" >seen.digest
  same_digest expected.digest seen.digest "the snapshot"
  digest "$MNT/.cowfs/f" >seen.digest
  same_digest expected.digest seen.digest "the fork"
}

promise_rm_rf_of_cowfs_itself_deletes_forks_and_no_snapshot_that_holds_something() {
  fresh_tree
  mkdir "$MNT/.cowfs/s"
  "$COWSNAP" fork "$MNT" f
  echo more >"$MNT/.cowfs/f/more"
  digest "$MNT" >expected.digest
  rm -rf "$MNT/.cowfs" 2>rm.log || true
  has "$(cat rm.log)" 'main.*not permitted' "what rm says of the mounted volume"
  has "$(cat rm.log)" '\.cowfs/s/.*Read-only file system' "what rm says of the snapshot"
  same "main s " "$(ls "$MNT/.cowfs" | sort | tr '\n' ' ')" "volumes that are left"
  digest "$MNT/.cowfs/s" >seen.digest
  same_digest expected.digest seen.digest "the snapshot"
  digest "$MNT" >seen.digest
  same_digest expected.digest seen.digest "the mounted volume"
}

promise_a_removed_directory_may_have_had_a_used_cowfs() {
  fresh_tree
  mkdir "$MNT/.cowfs/s"
  ls -l "$MNT/empty/.cowfs" "$MNT/empty/.cowfs/s/" >/dev/null
  rmdir "$MNT/empty"
  absent "$MNT/empty"
  mkdir "$MNT/empty"
  ls "$MNT/empty/.cowfs/" >/dev/null
}

promise_nosnapdir_hides_and_disables_it() {
  fresh_tree -o nosnapdir
  refused 'No such file' ls "$MNT/.cowfs"
  refused 'No such file' ls "$MNT/dir/.cowfs"
  refused 'No such file|not permitted' mkdir "$MNT/.cowfs/s"
  absent "$MNT/.cowfs"
}

promise_names_of_volumes_have_limits() {
  local long255 long256
  fresh_tree
  long255=$(printf 'v%.0s' $(seq 255))
  long256=${long255}v
  mkdir "$MNT/.cowfs/$long255" "$MNT/.cowfs/with space" "$MNT/.cowfs/ünïcode" "$MNT/.cowfs/"$'new\nline'
  same hello "$(cat "$MNT/.cowfs/$long255/hello")" "file in the volume of the longest name"
  same hello "$(cat "$MNT/dir/.cowfs/$long255/../hello")" "file through its link"
  same hello "$(cat "$MNT/.cowfs/"$'new\nline'/hello)" "file in the volume with a newline"
  same hello "$(cat "$MNT/dir/.cowfs/"$'new\nline'/../hello)" "through a link"
  refused 'File name too long' mkdir "$MNT/.cowfs/$long256"
  refused 'Invalid argument|File exists|not permitted' mkdir "$MNT/.cowfs/.cowfs"
}

promise_what_was_cached_below_a_volume_goes_with_it() {
  local i
  fresh_tree
  for i in 1 2 3; do
    echo "$i" >"$MNT/hello"
    mkdir "$MNT/.cowfs/s"
    same "$i" "$(cat "$MNT/.cowfs/s/hello")" "file of snapshot $i of the same name"
    same "$i" "$(cat "$MNT/dir/.cowfs/s/../hello")" "file through a link, of snapshot $i"
    find "$MNT/.cowfs/s" -ls >/dev/null
    rmdir "$MNT/.cowfs/s"
    refused 'No such file' cat "$MNT/.cowfs/s/hello"
    refused 'No such file' ls "$MNT/dir/.cowfs/s/"
  done
}

promise_a_working_directory_in_a_deleted_snapshot_does_no_harm() {
  fresh_tree
  mkdir "$MNT/.cowfs/s"
  cd "$MNT/.cowfs/s/dir"
  rmdir "$MNT/.cowfs/s"
  ls >/dev/null 2>&1 || true
  ls .cowfs >/dev/null 2>&1 || true
  touch new 2>/dev/null && fail "a deleted snapshot was changed"
  cd "$T"
  same hello "$(cat "$MNT/hello")" "the live file"
}

promise_subvolume_links_keep_the_permissions_of_the_path() {
  need_root
  fresh_tree -o allow_other
  mkdir -m 700 "$MNT/private"
  mkdir -m 755 "$MNT/private/open"
  echo secret >"$MNT/private/open/file"
  mkdir "$MNT/.cowfs/s"
  local as_user='setpriv --reuid 61001 --regid 61001 --clear-groups'
  refused 'Permission denied' $as_user cat "$MNT/.cowfs/s/private/open/file"
  refused 'Permission denied' $as_user cat "$MNT/private/open/.cowfs/s/file"
  same hello "$($as_user cat "$MNT/.cowfs/s/hello")" "a public file"
  same hello "$($as_user cat "$MNT/dir/.cowfs/s/../hello")" "a public file through a link"
}

promise_only_root_and_the_owner_of_the_mount_may_change_volumes() {
  need_root
  fresh_tree -o allow_other
  chmod 777 "$MNT"
  mkdir "$MNT/.cowfs/s"
  local as_user='setpriv --reuid 61001 --regid 61001 --clear-groups'
  refused 'Permission denied' $as_user mkdir "$MNT/.cowfs/mine"
  refused 'Permission denied' $as_user rmdir "$MNT/.cowfs/s"
  refused 'Permission denied' $as_user mv -T "$MNT/.cowfs/s" "$MNT/.cowfs/t"
  refused 'Permission denied' $as_user touch "$MNT/.cowfs/file"
  refused 'not permitted' $as_user rmdir "$MNT/.cowfs"
  refused 'not permitted' $as_user mv -T "$MNT/.cowfs" "$MNT/moved"
  refused 'not permitted' $as_user chmod 777 "$MNT/.cowfs"
  refused 'not permitted' touch "$MNT/.cowfs/file"
  refused 'not permitted' $as_user "$COWSNAP" create "$MNT" mine
  refused 'not permitted' $as_user "$COWSNAP" fork "$MNT" mine
  refused 'not permitted' $as_user "$COWSNAP" delete "$MNT" s
  same "main s " "$($as_user ls "$MNT/.cowfs" | sort | tr '\n' ' ')" "volumes, listed by a user"
  has "$($as_user "$COWSNAP" list "$MNT")" '(^|[[:space:]])s([[:space:]]|$)' "volumes, listed by a user's cowsnap"
}

run_promises "$@"
