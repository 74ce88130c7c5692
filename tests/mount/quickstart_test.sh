#!/usr/bin/env bash
# A newcomer's first command, scripts/quickstart: what it shows is true, and what it says to do next works.
# Installing and building are left out: the programs are there.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/users.sh"

BIG_MIB=16
AS=()  # what runs a command as the newcomer, who may be root

# a_newcomer [UID]: a home with a space in its name, and a tree to work on; in ordinary users' world where that is a user.
a_newcomer() {
  only_cowfs
  need_cowfs
  if [ -n "${1:-}" ]; then
    user_world
    AS=(as "$1")
  fi
  export HOME="$T/my home"
  mkdir "$HOME" "some tree"
  cp -r "$COWFS_SRC_DIR/docs" "$COWFS_SRC_DIR/scripts" "some tree"
  ln -s docs/format.md "some tree/link"
  chmod 755 "$T"
  [ -z "${1:-}" ] || chown -R "$1:$1" "$HOME" "some tree"
}
# walk [ARGUMENT…]: the newcomer's first command; what it says is in $T/said.
walk() {
  "${AS[@]}" bash "$COWFS_SRC_DIR/scripts/quickstart" --programs "$COWFS_BIN_DIR" --tree "$T/some tree" --big "$BIG_MIB" "$@" \
    >said 2>&1 </dev/null
}
# answer COMMAND: what the walk shows below a command, without the time that it took.
answer() { C="   \$ $1" awk '$0 == ENVIRON["C"] { on = 1; next } on && /^   \([0-9]+\.[0-9]+ s\)$/ { exit } on { print }' said; }
# told PATTERN: the lines of shell that are printed below the one with PATTERN.
told() { P="$1" awk '$0 ~ ENVIRON["P"] { on = 1; next } on && !/^   / { exit } on { print }' said; }
# do_as_told COMMANDS: as lines that the newcomer copies into a shell.
do_as_told() {
  different "" "$1" "what is said to do next"
  "${AS[@]}" env PATH="$TOLD_PATH" bash -euc "$1" >done_as_told 2>&1 </dev/null ||
    { cat done_as_told >&2; fail "this was said to do next and fails: $1"; }
}
user_stat() { "${AS[@]}" stat "$@"; }
user_used() { echo $((($(user_stat -f -c '%b - %f' "$mnt")) * $(user_stat -f -c %S "$mnt"))); }

what_was_shown_is_true() {
  same 0 "$(grep -cE 'No such file|rror|cannot|stopped' said || true)" "complaints"
  at_least 20 "$(grep -cE '^   \([0-9]+\.[0-9]{3} s\)$' said)" "times"
  # The snapshot does not change, whatever happens to the live volume.
  same "" "$(answer 'ls -A mnt')" "the live volume after the accident"
  "${AS[@]}" diff -r --no-dereference "some tree" "$mnt/.cowfs/before/some tree"
  same "some tree" "$("${AS[@]}" ls -A "$mnt/.cowfs/before")" "names in the snapshot"
  "${AS[@]}" rm "$mnt/some tree/link"
  "${AS[@]}" sh -c 'echo changed >"$1"' sh "$mnt/some tree/docs/format.md"
  "${AS[@]}" diff -r --no-dereference "some tree" "$mnt/.cowfs/before/some tree"
  refused 'Read-only file system' "${AS[@]}" touch "$mnt/.cowfs/before/new"
  # The fork was a copy of its own, and is gone.
  same "$(printf 'mnt:\nsome tree\n\nmnt/.cowfs/trial:\nnote')" "$(answer 'ls -A mnt mnt/.cowfs/trial')" "live volume and fork"
  same 1 "$(grep -c '^trial  *fork ' said)" "lists with the fork, of two"
  same before "$("${AS[@]}" ls "$mnt/.cowfs" | grep -vx main)" "volumes that are left"
  # The copy shared all its blocks; one has been copied since.
  has "$(answer 'cmp mnt/big mnt/big.copy || true')" 'differ' "the first write to a shared block"
  same changed "$("${AS[@]}" head -c 7 "$mnt/big.copy")" "its bytes"
  same $((BIG_MIB << 20)) "$(user_stat -c %s "$mnt/big.copy")" "its size"
  "${AS[@]}" cmp --ignore-initial=7 "$mnt/big" "$mnt/big.copy"
  at_most $(((BIG_MIB << 20) * 3 / 2)) "$(user_used)" "space in use with both"
  at_least $((BIG_MIB << 20)) "$(user_used)" "space in use with both"
}

it_is_left_to_play_with() {
  local dir mnt
  mnt=$(sed -n 's/^It is yours now: \(.*\) is mounted, .*/\1/p' said)
  dir=$(dirname "$mnt")
  has "$mnt" "^$HOME/" "where it lies"
  mounted "$mnt" || fail "$mnt is not mounted"
  what_was_shown_is_true
  TOLD_PATH=$PATH
  do_as_told "$(told '^It is yours now:')"
  TOLD_PATH=$("${AS[@]}" bash -c "$(told '^It is yours now:' | head -n 1); echo \"\$PATH\"")
  do_as_told "$(told '^To unmount')"
  unmounted "$mnt" || fail "$mnt is still mounted"
  same "" "$("${AS[@]}" ls -A "$mnt")" "the mount point without the mount"
  "${AS[@]}" "$COWFS_BIN_DIR/fsck.cowfs" -fn "$dir/store" >checked || fail "the store, right after that: $(cat checked)"
  do_as_told "$(told '^To mount it again')"
  mounted "$mnt" || fail "$mnt is not mounted again"
  "${AS[@]}" diff -r --no-dereference "some tree" "$mnt/.cowfs/before/some tree"
  same changed "$("${AS[@]}" head -c 7 "$mnt/big.copy")" "bytes of the copy"
  do_as_told "$(told '^To unmount')"
  do_as_told "$(told '^To remove')"
  same "" "$(ls -A "$HOME")" "what is left in the home"
}

promise_a_newcomer_sees_what_is_true_and_can_go_on() {
  a_newcomer
  walk || { cat said >&2; fail "quickstart failed"; }
  it_is_left_to_play_with
}

promise_so_does_an_ordinary_user() {
  need_root  # who is one already has tried it above
  a_newcomer 61001
  walk || { cat said >&2; fail "quickstart failed"; }
  it_is_left_to_play_with
  end_world
}

promise_nothing_is_left_where_that_was_asked_for() {
  a_newcomer
  walk --unmount || { cat said >&2; fail "quickstart failed"; }
  same "" "$(ls -A "$HOME")" "what is left in the home"
  same "" "$(own_mounts)" "mounts"
}

promise_what_cannot_go_on_says_so_and_what_is_left() {
  a_newcomer
  mkdir -p "my home/taken/store"
  ! walk --dir "$HOME/taken" || fail "a folder that holds a store was taken"
  has "$(cat said)" 'already holds a store' "why it stopped"
  same "" "$(ls -A "$HOME/taken/store")" "what is in that store"
  mkdir broken
  cp "$COWFS_BIN_DIR"/{cowfs,mkfs.cowfs} broken
  printf '#!/bin/sh\nexit 1\n' >broken/cowsnap
  chmod 755 broken broken/*
  ! walk --programs broken || fail "a walk without snapshots went on"
  same 1 "$(grep -c 'stopped in step 3, ' said)" "lines that say that it stopped, and where"
  bash -euc "$(sed -n 's/.*if it is mounted: //p' said)"
  same "" "$(own_mounts)" "mounts"
}

run_promises "$@"
