#!/bin/bash
# cowsnap create|fork|list|delete: names, defaults, errors, exit codes, --json.
. "$(dirname "$0")/lib.sh"

fresh_tree() {
  only_cowfs
  mount_fresh "$@"
  small_tree "$MNT"
}
volumes() { ls -A "$MNT/.cowfs" | sort | tr '\n' ' '; }

promise_create_takes_a_snapshot_that_cannot_change() {
  fresh_tree
  "$COWSNAP" create "$MNT" one
  same_tree "$MNT" "$MNT/.cowfs/one"
  refused 'Read-only file system' touch "$MNT/.cowfs/one/new"
}

promise_create_without_a_name_takes_the_time_in_utc() {
  local before after name
  fresh_tree
  before=$(date -u +%s)
  TZ=Asia/Tokyo "$COWSNAP" create "$MNT" >said
  after=$(date -u +%s)
  name=$(find "$MNT/.cowfs/" -mindepth 1 -maxdepth 1 ! -name main -printf %f)
  has "$name" '^[0-9]{4}-?[0-9]{2}-?[0-9]{2}.?[0-9]{2}.?[0-9]{2}.?[0-9]{2}' "name of the snapshot"
  local digits=${name//[!0-9]/}
  local taken
  taken=$(date -u -d "${digits:0:8} ${digits:8:2}:${digits:10:2}:${digits:12:2}" +%s)
  at_least "$before" "$taken" "time in the name"
  at_most "$after" "$taken" "time in the name"
  "$COWSNAP" create "$MNT"
  "$COWSNAP" create "$MNT"
  same 4 "$(ls "$MNT/.cowfs" | wc -l)" "volumes after two more within a second"
}

promise_a_path_names_the_volume_that_it_lies_in() {
  fresh_tree
  "$COWSNAP" fork "$MNT/dir/sub" f
  echo fork >"$MNT/.cowfs/f/hello"
  "$COWSNAP" create "$MNT/.cowfs/f/dir" of_fork
  "$COWSNAP" create "$MNT/hello" of_main
  same fork "$(cat "$MNT/.cowfs/of_fork/hello")" "snapshot of the fork"
  same hello "$(cat "$MNT/.cowfs/of_main/hello")" "snapshot by the path of a file"
  (cd "$MNT/dir" && "$COWSNAP" create . relative)
  present "$MNT/.cowfs/relative/hello"
}

promise_fork_makes_a_writable_volume() {
  fresh_tree
  "$COWSNAP" fork "$MNT" f
  echo fork >"$MNT/.cowfs/f/hello"
  same hello "$(cat "$MNT/hello")" "the parent"
  "$COWSNAP" create "$MNT" s
  "$COWSNAP" fork "$MNT/.cowfs/s" from_snapshot
  echo changed >"$MNT/.cowfs/from_snapshot/hello"
  same hello "$(cat "$MNT/.cowfs/s/hello")" "the snapshot"
}

promise_delete_removes_snapshots_and_forks_with_files() {
  fresh_tree
  "$COWSNAP" create "$MNT" s
  "$COWSNAP" fork "$MNT" f
  "$COWSNAP" delete "$MNT" s
  "$COWSNAP" delete "$MNT" f
  same "main " "$(volumes)" "volumes"
  refused 'No such file|no such|not found' "$COWSNAP" delete "$MNT" s
}

promise_list_tells_every_volume_and_its_kind() {
  local said
  fresh_tree
  "$COWSNAP" create "$MNT" snap
  "$COWSNAP" fork "$MNT" branch
  said=$("$COWSNAP" list "$MNT")
  has "$said" '(^|[[:space:]])main([[:space:]]|$)' list
  has "$said" '(^|[[:space:]])snap([[:space:]]|$)' list
  has "$said" '(^|[[:space:]])branch([[:space:]]|$)' list
}

promise_list_as_json_can_be_read_by_programs() {
  local i
  need_tool jq
  fresh_tree
  "$COWSNAP" create "$MNT" snap
  "$COWSNAP" fork "$MNT" $'quo"te\nline'
  for i in $(seq 120); do "$COWSNAP" create "$MNT" "n$i" >/dev/null; done
  "$COWSNAP" list --json "$MNT" >list.json
  jq -e . list.json >/dev/null || fail "not JSON: $(head -c 500 list.json)"
  same 123 "$(jq '[.. | objects | select(has("name"))] | length' list.json)" "volumes in the list"
  same true "$(jq '[.. | objects | select(.name? == "snap")][0].read_only' list.json)" "read_only of the snapshot"
  same false "$(jq '[.. | objects | select(.name? == "quo\"te\nline")][0].read_only' list.json)" "read_only of the fork"
}

promise_create_as_json_names_what_was_made() {
  need_tool jq
  fresh_tree
  "$COWSNAP" create --json "$MNT" s >made.json
  same s "$(jq -r '[.. | objects | select(has("name"))][0].name' made.json)" "name in $(cat made.json)"
}

promise_names_are_checked() {
  local name long255
  fresh_tree
  long255=$(printf 'v%.0s' $(seq 255))
  "$COWSNAP" create "$MNT" "$long255"
  for name in "" . .. .cowfs a/b "/" "${long255}v"; do
    refused 'cowsnap' "$COWSNAP" create "$MNT" "$name"
    refused 'cowsnap' "$COWSNAP" fork "$MNT" "$name"
  done
  refused 'exists' "$COWSNAP" create "$MNT" "$long255"
  refused 'exists' "$COWSNAP" fork "$MNT" main
  same "main $long255 " "$(volumes)" "volumes"
}

promise_errors_have_exit_codes_and_go_to_stderr() {
  local code=0
  fresh_tree
  "$COWSNAP" create "$T" s >out 2>err || code=$?
  different 0 "$code" "exit code outside of a mount"
  same "" "$(cat out)" "stdout of a failure"
  has "$(cat err)" '^cowsnap: ' "stderr of a failure"
  refused '.' "$COWSNAP"
  refused '.' "$COWSNAP" frobnicate "$MNT"
  refused '.' "$COWSNAP" create
  refused '.' "$COWSNAP" create --unknown "$MNT" s
  refused '.' "$COWSNAP" create "$MNT/missing" s
  refused '.' "$COWSNAP" delete "$MNT"
  refused 'busy' "$COWSNAP" delete "$MNT" main
  exit_code 0 "$COWSNAP" --help
  exit_code 0 "$COWSNAP" --version
  has "$("$COWSNAP" --help)" 'create' "--help"
}

promise_changes_on_a_read_only_mount_are_refused() {
  fresh_tree
  "$COWSNAP" create "$MNT" s
  remount -o ro
  refused 'Read-only file system' "$COWSNAP" create "$MNT" t
  refused 'Read-only file system' "$COWSNAP" delete "$MNT" s
  refused 'Read-only file system' mkdir "$MNT/.cowfs/t"
  refused 'Read-only file system' rmdir "$MNT/.cowfs/s"
  has "$("$COWSNAP" list "$MNT")" '(^|[[:space:]])s([[:space:]]|$)' "list on a read-only mount"
}

# Many requests at once, while others write: none may starve or deadlock.
promise_twenty_snapshots_at_once_are_all_taken() {
  local i pids=() pid
  fresh_tree
  (while [ ! -e stop ]; do dd if=/dev/zero of="$MNT/busy" bs=64k count=64 conv=notrunc status=none; done) &
  local writer=$!
  for i in $(seq 20); do
    "$COWSNAP" create "$MNT" "s$i" >/dev/null &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid"; done
  touch stop
  wait "$writer"
  same 21 "$(ls "$MNT/.cowfs" | wc -l)" "volumes"
}

# More snapshots at once than there are workers, all waiting for pages of mappings, which the workers have to take in.
promise_snapshots_at_once_all_hold_what_mappings_hold() {
  local i j pids=() pid
  fresh_tree
  mkfifo hold ready
  for i in 1 2 3 4; do
    "$(program dirty_mapping)" store "$MNT/mapped.$i" $((8 << 20)) "$i" <hold >ready &
    pids+=($!)
  done
  exec 9>hold 8<ready
  for i in 1 2 3 4; do read -r _ <&8; done
  local takers=()
  for j in $(seq 40); do
    "$COWSNAP" create "$MNT" "s$j" >/dev/null &
    takers+=($!)
  done
  for pid in "${takers[@]}"; do wait "$pid"; done
  for j in $(seq 40); do
    for i in 1 2 3 4; do "$(program dirty_mapping)" check "$MNT/.cowfs/s$j/mapped.$i" $((8 << 20)) "$i"; done
  done
  exec 9>&- 8<&-
  for pid in "${pids[@]}"; do wait "$pid"; done
}

run_promises "$@"
