#!/bin/bash
# Several users and hostile ones on one mount: nobody gets what is not theirs, names and paths are data. docs/security.md names these
# promises. (syscalls_test.sh compares random calls of root and two users with ext4; acl_test.sh is for access control lists.)
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/users.sh"

promise_sticky_directories_protect_the_files_of_others() {
  need_root
  need_tool perl
  mount_fresh -o allow_other
  chmod 755 "$MNT"
  mkdir -m 1777 "$MNT/sticky"
  as 61001 sh -c "echo one >'$MNT/sticky/file' && mkdir '$MNT/sticky/dir'"
  denied 61002 rm -f "$MNT/sticky/file"
  denied 61002 mv "$MNT/sticky/file" "$MNT/sticky/taken"
  denied 61002 sh -c "echo two >'$MNT/sticky/mine' && mv '$MNT/sticky/mine' '$MNT/sticky/file'"
  denied 61002 rmdir "$MNT/sticky/dir"
  # renameat2(2) with RENAME_EXCHANGE
  as 61002 perl -e 'exit(syscall(316, -100, $ARGV[0], -100, $ARGV[1], 2) == 0)' "$MNT/sticky/mine" "$MNT/sticky/file"
  same one "$(cat "$MNT/sticky/file")" "the file of the first user"
  as 61002 rm "$MNT/sticky/mine"
  chown 61002 "$MNT/sticky"
  as 61002 rm -f "$MNT/sticky/file"  # the directory is theirs
  absent "$MNT/sticky/file"
}

promise_setgid_directories_hand_their_group_down_and_no_rights_of_it() {
  need_root
  need_tool perl
  mount_fresh -o allow_other
  chmod 755 "$MNT"
  mkdir "$MNT/shared"
  chown 61001:61002 "$MNT/shared"
  chmod 2777 "$MNT/shared"
  as 61001 perl -e 'use Fcntl; umask 0; sysopen(F, $ARGV[0], O_CREAT | O_WRONLY, 06775) or die; mkdir($ARGV[1], 0775) or die' \
    "$MNT/shared/program" "$MNT/shared/dir"
  same 4775:61001:61002 "$(stat -c %a:%u:%g "$MNT/shared/program")" "a setgid program made by somebody outside of the group"
  same 2775:61001:61002 "$(stat -c %a:%u:%g "$MNT/shared/dir")" "a directory"
  # The owner is not in the group of the directory: chmod gives a file no setgid bit.
  as 61001 chmod 2755 "$MNT/shared/program" || true
  same 755 "$(stat -c %a "$MNT/shared/program")" "after chmod g+s by somebody outside of the group"
}

# By write, truncate, fallocate (285) and copy_file_range (326), as perl has no name for them, and by opening.
promise_setuid_and_setgid_go_when_others_change_a_file() {
  local way
  need_root
  need_tool perl
  mount_fresh -o allow_other
  chmod 777 "$MNT"
  for way in 'syswrite(F, "x")' 'truncate(F, 3)' 'truncate(F, 0)' 'truncate(F, 100000)' 'syscall(285, fileno(F), 0, 0, 8192) and die $!' \
    'syscall(285, fileno(F), 3, 0, 2) and die $!' 'syscall(285, fileno(F), 16, 0, 2) and die $!' 'open(S, "<", "/bin/true"); print F <S>'; do
    printf 'some content' >"$MNT/program"
    chown 61001:61001 "$MNT/program"
    chmod 6777 "$MNT/program"
    as 61002 perl -e 'open(F, "+<", $ARGV[0]) or die; eval $ARGV[1]; die $@ if $@; close F or die' "$MNT/program" "$way"
    same 777 "$(stat -c %a "$MNT/program")" "mode after '$way' by another user"
    rm "$MNT/program"
  done
  # By copy_file_range, and by opening with O_TRUNC.
  printf 'some content' >"$MNT/program"
  chown 61001:61001 "$MNT/program"
  printf 'other content' >"$MNT/source"
  for way in 'copy' 'trunc'; do
    chmod 6777 "$MNT/program"
    as 61002 perl -e 'use Fcntl; if ($ARGV[2] eq "copy") { open(S, "<", $ARGV[1]) or die; open(F, "+<", $ARGV[0]) or die;
      my $n = syscall(326, fileno(S), 0, fileno(F), 0, 5, 0); $n == 5 or die "copied $n: $!" }
      else { sysopen(F, $ARGV[0], O_WRONLY | O_TRUNC) or die }' "$MNT/program" "$MNT/source" "$way"
    same 777 "$(stat -c %a "$MNT/program")" "mode after $way by another user"
  done
  chmod 6777 "$MNT/program"
  chown 61002:61002 "$MNT/program"
  same 777 "$(stat -c %a "$MNT/program")" "mode after chown"
  chmod 6777 "$MNT/program"
  as 61002 chgrp 61002 "$MNT/program"
  same 777 "$(stat -c %a "$MNT/program")" "mode after chgrp by its owner"
}

promise_rights_taken_away_are_gone_at_once() {
  local place
  need_root
  mount_fresh -o allow_other
  chmod 755 "$MNT"
  mkdir -p "$MNT/place/deep/er"
  echo secret >"$MNT/place/deep/er/file"
  chmod 644 "$MNT/place/deep/er/file"
  [ "$COWFS_TARGET" != cowfs ] || fork f
  for place in "$MNT/place" $([ "$COWFS_TARGET" != cowfs ] || echo "$MNT/.cowfs/f/place" "$MNT/place/.cowfs/f"); do
    for _ in 1 2 3; do
      as 61001 cat "$place/deep/er/file" >/dev/null
      chmod 600 "$place/deep/er/file"
      denied 61001 cat "$place/deep/er/file"
      chmod 604 "$place/deep/er/file"
      as 61001 cat "$place/deep/er/file" >/dev/null
      chgrp 61001 "$place/deep/er/file"  # the group's bits count for 61001 now
      denied 61001 cat "$place/deep/er/file"
      chgrp 0 "$place/deep/er/file"
      chmod 644 "$place/deep/er/file"
      as 61001 ls "$place/deep/er" >/dev/null
      chmod 700 "$place/deep"
      denied 61001 stat "$place/deep/er/file"
      chmod 711 "$place/deep"
      as 61001 cat "$place/deep/er/file" >/dev/null
      denied 61001 ls "$place/deep"
      chmod 755 "$place/deep"
    done
  done
}

# A daemon of root resolves no path for a caller: what a link names is the caller's own business.
promise_links_are_followed_by_the_caller_alone() {
  only_cowfs
  need_root
  mount_fresh -o allow_other
  chmod 1777 "$MNT"
  echo secret >"$T/secret"
  chmod 600 "$T/secret"
  chmod 711 "$T"
  as 61001 ln -s "$T/secret" "$MNT/link"
  as 61001 ln -s "$STORE/superblock" "$MNT/store"
  as 61001 ln -s "$STORE" "$MNT/dir"
  denied 61001 cat "$MNT/link"
  denied 61001 cat "$MNT/store"
  denied 61001 ls "$MNT/dir/"
  denied 61001 sh -c "echo x >>'$MNT/link'"
  # Operations on the link itself touch nothing behind it.
  stat -c '%a %u %Y %s' "$T/secret" >before
  as 61001 touch -h -d 2001-01-01 "$MNT/link"
  chown -h 61002 "$MNT/link"
  setfattr -h -n trusted.x -v y "$MNT/link"
  refused 'xist' mkdir "$MNT/link"
  snapshot s
  same "$T/secret" "$(readlink "$MNT/.cowfs/s/link")" "the link in a snapshot"
  as 61001 mkdir "$MNT/tree"
  as 61001 ln -s "$T" "$MNT/tree/out"
  as 61001 ln -s / "$MNT/tree/root"
  as 61001 "$COWFS_BIN_DIR/cowcp" -r "$MNT/tree" "$MNT/copy"
  same "$T" "$(readlink "$MNT/copy/out")" "a link in a copied directory"
  same / "$(readlink "$MNT/copy/root")" "a link in a copied directory"
  stat -c '%a %u %Y %s' "$T/secret" >after
  same_bytes before after
  # A volume's name is a name, not a path.
  refused '.' "$COWSNAP" create "$MNT" '../escaped'
  refused '.' "$COWSNAP" create "$MNT" "$T/escaped"
  refused '.' "$COWSNAP" create "$MNT" ..
  absent "$T/escaped" "$MNT/../escaped"
}

promise_devices_and_setuid_files_are_inert() {
  only_cowfs
  need_root
  mount_fresh -o allow_other
  chmod 755 "$MNT"
  mknod -m 666 "$MNT/null" c 1 3
  cp "$(command -v id)" "$MNT/id"
  chmod 4755 "$MNT/id"
  has "$(grep -F " $MNT " /proc/self/mountinfo)" 'nosuid' "options of the mount"
  has "$(grep -F " $MNT " /proc/self/mountinfo)" 'nodev' "options of the mount"
  refused 'Permission denied' cat "$MNT/null"
  same 61001 "$(as 61001 "$MNT/id" -u)" "user that a setuid file runs as"
  snapshot s
  refused 'Permission denied' cat "$MNT/.cowfs/s/null"
  same 61001 "$(as 61001 "$MNT/.cowfs/s/id" -u)" "user that a setuid file in a snapshot runs as"
  remount -o allow_other,suid,dev
  cat "$MNT/null"
  same 0 "$(as 61001 "$MNT/id" -u)" "user that a setuid file runs as, by root's wish"
  unmount
  # By mount(8), as on any filesystem, suid and dev are the default, and nosuid and nodev are obeyed.
  ln -s "$COWFS" mount.cowfs
  ./mount.cowfs "$STORE" "$MNT" -o allow_other,nosuid,nodev
  refused 'Permission denied' cat "$MNT/null"
  same 61001 "$(as 61001 "$MNT/id" -u)" "user that a setuid file runs as under nosuid"
  "$COWFS" --unmount "$MNT"
  ./mount.cowfs "$STORE" "$MNT" -o allow_other
  cat "$MNT/null"
  same 0 "$(as 61001 "$MNT/id" -u)" "user that a setuid file runs as by mount(8)"
  "$COWFS" --unmount "$MNT"
}

promise_a_user_cannot_ask_for_devices_and_setuid_files() {
  local options
  only_cowfs
  need_cowfs
  user_place user_allow_other
  as 61001 "$COWFS" --create "$T/mine/store" "$T/mine/mnt"
  cp "$(command -v id)" mine/id
  as 61001 cp "$T/mine/id" "$T/mine/mnt/id"
  as 61001 chmod 4755 "$T/mine/mnt/id"
  as 61001 "$COWFS" --unmount "$T/mine/mnt"
  for options in allow_other,suid,dev allow_other 'allow_other,fsname=x\,suid\,dev' 'fsname=a,allow_other,subtype=b'; do
    as 61001 "$COWFS" "$T/mine/store" "$T/mine/mnt" -o "$options" 2>said || { has "$(cat said)" '.' "an error"; continue; }
    has "$(grep -F " $T/mine/mnt " /proc/self/mountinfo)" 'nosuid,nodev' "options of a user's mount with $options"
    same 61002 "$(as 61002 "$T/mine/mnt/id" -u)" "user that a setuid file runs as with $options"
    as 61001 fusermount3 -u "$T/mine/mnt"
    eventually 20 "the daemon ends" nobody_names "$T/mine/store"
  done
  end_world
}
nobody_names() { [ -z "$(processes_naming "$1")" ]; }

strange_names() {
  printf '%s\0' '...' '..x' ' ..' '.. ' '. .' '-rf' '--help' '*' '%s%n%d' '~' '#x' superblock nodes objects journal lost+found \
    0000000000000000 .cowfs-sync- .cowfs. .cowfsx cowfs $'a\nb' $'\n' $'tab\there' $'\001\002\033[31m' $'\377\376\200' $'\355\240\200' \
    "$(printf '\377%.0s' $(seq 255))" "$(printf 'n%.0s' $(seq 255))" 'C:\x' 'a\040b' $'\r' '&;|$(true)`true`"'"'"
}

promise_names_are_data() {
  local name count
  mount_fresh
  [ "$COWFS_TARGET" != cowfs ] || need_snapshots
  mkdir "$MNT/files" "$MNT/dirs" "$MNT/links"
  while IFS= read -r -d '' name; do
    printf '%s' "$name" >"$MNT/files/$name"
    mkdir "$MNT/dirs/$name"
    ln -s -- "$name" "$MNT/links/$name"
    setfattr -n user.name -v "0x$(printf '%s' "$name" | od -An -v -tx1 | tr -d ' \n')" "$MNT/files/$name"
  done < <(strange_names)
  count=$(strange_names | tr -cd '\0' | wc -c)
  digest "$MNT" >before.digest
  snapshot s
  remount
  digest "$MNT" >after.digest
  same_digest before.digest after.digest "strange names after a remount"
  for name in files dirs links; do
    same "$count" "$(find "$MNT/$name" -mindepth 1 -maxdepth 1 -print0 | tr -cd '\0' | wc -c)" "names in $name"
  done
  while IFS= read -r -d '' name; do
    printf '%s' "$name" >expected
    same_bytes expected "$MNT/files/$name"
    same_bytes expected "$(volume s)/files/$name"
    readlink -n "$MNT/links/$name" >seen
    same_bytes expected seen
    mv "$MNT/files/$name" "$MNT/dirs/$name/$name"
    rm -r "${MNT:?}/dirs/$name"
    rm "$MNT/links/$name"
  done < <(strange_names)
  same '' "$(find "$MNT/files" "$MNT/dirs" "$MNT/links" -mindepth 1)" "names that are left"
  # None of them is a name on the host.
  [ "$COWFS_TARGET" != cowfs ] || same '' "$(find "$STORE" -mindepth 1 -regextype egrep \
    ! -regex '.*/(superblock|nodes|objects|journal|[0-9a-f]{2}|[0-9a-f]{16})')" "other names in the store"
}

promise_names_of_volumes_are_data() {
  local name
  only_cowfs
  mount_fresh --log "$T/log"
  echo x >"$MNT/file"
  while IFS= read -r -d '' name; do
    mkdir "$MNT/.cowfs/$name"
    same x "$(cat "$MNT/.cowfs/$name/file")" "a file in a snapshot with a strange name"
    "$COWSNAP" rename -- "$MNT" "$name" x
    "$COWSNAP" rename -- "$MNT" x "$name"
  done < <(strange_names)
  "$COWSNAP" list "$MNT" --json >list.json
  ! command -v jq >/dev/null || jq -e . list.json >/dev/null
  at_least 30 "$("$COWSNAP" list "$MNT" | wc -l)" "lines of a list"
  has_not "$("$COWSNAP" list "$MNT" | tr -d '\n' | tr -c '[:print:]' '\001')" $'\001' "control characters in a list"
  has_not "$(tr -d '\n' <log | tr -c '[:print:]' '\001')" $'\001' "control characters in the log"
  remount
  while IFS= read -r -d '' name; do
    same x "$(cat "$MNT/.cowfs/$name/file")" "a file in a snapshot with a strange name"
    "$COWSNAP" delete -- "$MNT" "$name"
    absent "$MNT/.cowfs/$name"
  done < <(strange_names)
}

strange_paths() {
  printf '%s\0' '-dash' '--unmount' '-o' '-osuid,dev' 'a,b' 'x,suid,dev,allow_other' 'fsname=x' $'new\nline' 'back\slash' 'sp ace' \
    '%s' $'\377' "quo'te\"" '#hash' 'a\,b' 'a\054suid'
}

# a_mount_at NAME PREFIX…: STORE and MOUNTPOINT of that name, by commands that PREFIX runs.
a_mount_at() {
  local name=$1 here=$PWD options
  shift
  mkdir "mnt" && chown 61001:61001 mnt
  "$@" mkdir -- "mnt/$name"
  "$@" "$MKFS" -- "$name" >"$T/mkfs.log"
  "$@" "$COWFS" -- "$name" "mnt/$name"
  "$@" sh -c 'echo hello >"$1/file"' sh "$here/mnt/$name"
  (
    cd mnt
    "$@" "$COWSNAP" create -- "$name" s >/dev/null
    "$@" "$COWSNAP" create -q -- "./$name" "--" 2>/dev/null || true
    "$@" "$COWSNAP" list -- "$name" >/dev/null
    same hello "$("$@" cat "./$name/.cowfs/s/file")" "a file in a snapshot below '$name'"
  )
  # Nothing in the path became an option.
  options=$(N=$(printf '%s' "$here/mnt/$name" | sed -z 's/\\/\\134/g; s/ /\\040/g; s/\t/\\011/g; s/\n/\\012/g') \
    awk '$5 == ENVIRON["N"] { print $6 " " $NF; found = 1 } END { exit !found }' /proc/self/mountinfo)
  has "$options" 'nosuid,nodev' "options of a mount at '$name'"
  has_not "$options" 'allow_other' "options of a mount at '$name'"
  (cd mnt && "$@" "$COWFS" --unmount -- "$name")
  unmounted "$here/mnt/$name" || fail "still mounted at '$name'"
  "$@" rmdir -- "mnt/$name"
  rmdir mnt
  rm -rf -- "./$name"
}

promise_paths_are_no_options() {
  local name
  only_cowfs
  need_cowfs
  while IFS= read -r -d '' name; do
    mkdir place
    (cd place && a_mount_at "$name" env)
    rm -r place
  done < <(strange_paths)
}

promise_paths_are_no_options_of_fusermount() {
  local name
  only_cowfs
  need_cowfs
  user_place
  cd mine
  rmdir mnt
  while IFS= read -r -d '' name; do a_mount_at "$name" as 61001; done < <(strange_paths)
  cd "$T"
  end_world
}

promise_paths_are_no_options_of_mount() {
  local name
  only_cowfs
  need_root
  need_cowfs
  ln -s "$COWFS" mount.cowfs
  ln -s "$COWFS" umount.cowfs
  while IFS= read -r -d '' name; do
    mkdir -p -- "$T/m/$name"
    "$MKFS" "$T/$name" >mkfs.log
    ./mount.cowfs "$T/$name" "$T/m/$name" -o nosuid,nodev,rw
    echo hello >"$T/m/$name/file"
    options=$(grep -F "$(printf '%s' "$T/m/" | sed 's/ /\\040/g')" /proc/self/mountinfo | awk '{ print $6 " " $NF }')
    has "$options" 'nosuid,nodev' "options of a mount at '$name'"
    has_not "$options" 'allow_other' "options of a mount at '$name'"
    ./umount.cowfs "$T/m/$name"
    [ -z "$(ls -A "$T/m/$name")" ] || fail "still mounted at '$name'"
    rm -rf -- "$T/m/$name" "${T:?}/$name"
  done < <(strange_paths)
}

promise_forged_requests_change_nothing() {
  only_cowfs
  need_root
  mount_fresh -o allow_other
  chmod 1777 "$MNT"
  echo secret >"$MNT/secret"
  chmod 600 "$MNT/secret"
  as 61001 mkdir -m 700 "$MNT/private"
  as 61001 sh -c "echo private >'$MNT/private/file'"
  as 61002 mkdir "$MNT/mine"
  snapshot s
  fork f
  "$COWSNAP" list "$MNT" >before
  digest "$MNT" >before.digest
  as 61002 "$(program forged_requests)" ioctls "$MNT" 1 "$(long && echo 20000 || echo 300)"
  as 61002 "$(program forged_requests)" ioctls "$MNT/mine" 2 "$(long && echo 20000 || echo 300)"
  as 61002 "$(program forged_requests)" ioctls "$MNT/.cowfs" 3 100
  as 61002 "$(program forged_requests)" ioctls "$MNT/.cowfs/s" 4 100
  "$COWSNAP" list "$MNT" >after
  same_bytes before after
  digest "$MNT" >after.digest
  same_digest before.digest after.digest "the tree"
  as 61002 mkdir "$MNT/mine/source"
  as 61002 "$(program forged_requests)" tokens "$MNT/mine" "$MNT/mine/source"
  mkdir -m 755 "$MNT/mine/of_root"
  "$(program forged_requests)" users "$MNT/mine" "$MNT/mine/of_root" 61002 61001
  present "$MNT/mine/of_users"
  # A copy by the daemon needs the rights that a copy by hand needs.
  denied 61002 "$COWFS_BIN_DIR/cowcp" -r "$MNT/private" "$MNT/mine/stolen"
  absent "$MNT/mine/stolen/file"
  refused 'denied|permitted' as 61002 "$COWFS_BIN_DIR/cowcp" -r "$MNT/mine/source" "$MNT/private/in"
  absent "$MNT/private/in"
  denied 61002 cat "$MNT/.cowfs/s/private/file"
  denied 61002 cat "$MNT/.cowfs/f/secret"
}

promise_forged_handles_open_nothing() {
  only_cowfs
  local place
  need_root
  mount_fresh -o allow_other
  chmod 755 "$MNT"
  mkdir "$MNT/dir"
  echo x >"$MNT/dir/file"
  snapshot s
  for place in "$MNT" "$MNT/dir" "$MNT/.cowfs" "$MNT/.cowfs/s/dir"; do
    as 61002 "$(program forged_requests)" handles "$place"
    "$(program forged_requests)" handles "$place"
  done
  same x "$(cat "$MNT/dir/file")" "the file"
}

# What lies in a store is not followed out of it: each folder and file in turn is moved away and a link to it put in its place.
promise_links_in_a_store_are_not_followed_out_of_it() {
  local part kind
  only_cowfs
  mount_fresh
  head -c 3000000 /dev/urandom >"$MNT/large"
  for part in $(seq 20); do echo "$part" >"$MNT/small.$part"; done
  snapshot s
  unmount
  cp -a "$STORE" whole
  (cd "$STORE" && find . -mindepth 1 -printf '%P\n' | sort) >parts
  while read -r part; do
    for kind in link fifo; do
      rm -rf "$STORE" outside
      cp -a whole "$STORE"
      mkdir outside
      mv "$STORE/$part" outside/part
      if [ "$kind" = link ]; then ln -s "$T/outside/part" "$STORE/$part"; else mkfifo "$STORE/$part"; fi
      digest outside >before.digest
      if timeout 30 "$COWFS" "$STORE" "$MNT" 2>said; then
        # Not needed to mount: then it is told where it is needed, and nothing else is harmed.
        timeout 30 cat "$MNT"/* "$MNT/.cowfs/s"/* >seen 2>errors || true
        case $part in objects/*) has "$(cat errors)" 'Input/output error' "reading with $part a $kind" ;; esac
        timeout 30 sh -c "echo new >'$MNT/new'; rm '$MNT/large'" 2>>errors || true
        timeout 30 "$COWFS" --unmount "$MNT" 2>>errors || true
      else
        has "$(cat said)" '.' "why $part as a $kind is refused"
      fi
      unmounted "$MNT" || fail "still mounted"
      digest outside >after.digest
      same_digest before.digest after.digest "what $part was moved to"
    done
  done <parts
  at_least 8 "$(wc -l <parts)" "parts of a store"
}

promise_a_store_is_private_whatever_the_umask() {
  only_cowfs
  (umask 000; mount_fresh; head -c 3000000 /dev/urandom >"$MNT/large"; echo x >"$MNT/small"; "$COWSNAP" sync "$MNT"; unmount)
  same '' "$(find "$STORE" -type d ! -perm 0700)" "folders of the store that are not 0700"
  same '' "$(find "$STORE" -type f ! -perm 0600)" "files of the store that are not 0600"
  same '' "$(find "$STORE" ! -type d ! -type f)" "parts of the store that are no files"
}

run_promises "$@"
