#!/bin/bash
# What cowsnap prints, to the letter: tables, names with odd bytes, JSON, errors, exit codes of several names.
# shellcheck source=lib.sh disable=SC2031,SC2012,SC2154,SC2094
. "$(dirname "$0")/lib.sh"

odd=$'odd na\\me\n\xff'

promise_the_list_is_a_table_of_words() {
  only_cowfs
  mount_fresh
  "$COWSNAP" create -q "$MNT" snap
  "$COWSNAP" fork -q "$MNT/.cowfs/snap" f
  "$COWSNAP" create -q "$MNT/.cowfs/f" "$odd"
  "$COWSNAP" delete "$MNT" f
  "$COWSNAP" list "$MNT" >list
  has "$(sed -n 1p list)" '^NAME +KIND +PARENT +CREATED$' "the head"
  has "$(sed -n 2p list)" '^main +main +- +[-0-9T:]+Z$' "main"
  has "$(sed -n 3p list)" '^snap +snapshot +main +[-0-9T:]+Z$' "a snapshot"
  has "$(sed -n 4p list)" '^odd\\040na\\\\me\\n\\377 +snapshot +\(deleted\) +[-0-9T:]+Z$' "an odd name"
  same 4 "$(wc -l <list)" "lines"
  same 1 "$(awk '{ match($0, /^[^ ]+ +/); print RLENGTH }' list | sort -u | wc -l)" "where the second column begins"
}

promise_names_are_printed_byte_by_byte_for_programs() {
  only_cowfs
  mount_fresh
  "$COWSNAP" create "$MNT" "$odd" >said
  printf '%s\n' "$odd" >expected
  same_bytes expected said
  same "" "$("$COWSNAP" fork --quiet "$MNT" q)" "stdout of --quiet"
  same "" "$("$COWSNAP" delete "$MNT" q; "$COWSNAP" rename "$MNT" "$odd" r; "$COWSNAP" sync "$MNT")" "stdout of the others"
}

promise_json_says_its_format_and_keeps_all_bytes_of_names() {
  need_tool jq
  only_cowfs
  mount_fresh
  "$COWSNAP" fork -q "$MNT" "$odd"
  "$COWSNAP" create --json "$MNT/.cowfs/$odd" s >made.json
  same cowsnap/create/1 "$(jq -r '.header | "\(.tool)/\(.command)/\(.format)"' made.json)" "header"
  same snapshot/true/false/1 "$(jq -r '.volume | "\(.kind)/\(.read_only)/\(.mounted)/\(.parent_id)"' made.json)" "snapshot"
  same 6f6464206e615c6d650aff "$(jq -r .volume.parent_hex made.json)" "bytes of the parent's name"
  "$COWSNAP" list --json "$MNT" >list.json
  same "main null true" "$(jq -r '.volumes[0] | "\(.name) \(.parent) \(.mounted)"' list.json)" "main"
  same 6f6464206e615c6d650aff "$(jq -r '.volumes[1].name_hex' list.json)" "bytes of the name"
  same false "$(jq '.volumes[0] | has("name_hex")' list.json)" "bytes of a name that is UTF-8"
  has "$(jq -r '.volumes[2].created' list.json)" '^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{9}Z$' "time"
}

promise_delete_goes_on_and_counts_what_failed() {
  local code=0
  only_cowfs
  mount_fresh
  for name in a b '[c,d]' -e; do "$COWSNAP" create -q "$MNT" -- "$name"; done
  "$COWSNAP" delete "$MNT" a missing '[c,d]' 2>err || code=$?
  same 3 "$code" "exit code where some were deleted"
  same "cowsnap: missing: no such volume" "$(cat err)" "stderr"
  absent "$MNT/.cowfs/a" "$MNT/.cowfs/[c,d]"
  exit_code 1 "$COWSNAP" delete "$MNT" missing a
  exit_code 0 "$COWSNAP" delete "$MNT" b -- -e
  exit_code 1 "$COWSNAP" delete "$MNT" main
  same 1 "$(ls "$MNT/.cowfs" | wc -l)" "volumes"
}

promise_rename_gives_a_name_and_takes_none_away() {
  only_cowfs
  mount_fresh
  "$COWSNAP" create -q "$MNT" a
  "$COWSNAP" create -q "$MNT" b
  "$COWSNAP" rename "$MNT" a c
  absent "$MNT/.cowfs/a"
  present "$MNT/.cowfs/c"
  refused '^cowsnap: b: a volume of this name exists already$' "$COWSNAP" rename "$MNT" c b
  refused '^cowsnap: a: no such volume$' "$COWSNAP" rename "$MNT" a d
}

promise_a_path_that_cannot_be_opened_stands_for_its_directory() {
  local name
  only_cowfs
  mount_fresh
  mkfifo "$MNT/fifo"
  ln -s "$MNT/fifo" "$T/link"
  "$COWSNAP" fork -q "$MNT/fifo" f
  mkfifo "$MNT/.cowfs/f/only"
  "$COWSNAP" create -q "$T/link" of_main
  "$COWSNAP" create -q "$MNT/.cowfs/f/only" of_fork
  absent "$MNT/.cowfs/of_main/only"
  present "$MNT/.cowfs/of_fork/only"
}

promise_a_dead_daemon_is_named_as_the_reason() {
  only_cowfs
  mount_fresh
  kill -KILL "$DAEMON"
  wait "$DAEMON" || true
  refused "^cowsnap: $MNT: the mount's daemon is gone; unmount it\$" "$COWSNAP" list "$MNT"
  umount -l "$MNT" 2>/dev/null || fusermount3 -uz "$MNT"
}

run_promises "$@"
