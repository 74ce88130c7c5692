#!/bin/bash
# The same random sequences of system calls on ext4 and in a mount: results, errno, stat and contents agree, for root and for
# two ordinary users. A failing run prints its last steps and how to replay it. COWFS_SEED=N: that seed alone.
. "$(dirname "$0")/lib.sh"

reference() {
  local type
  # A substitute for cowfs is compared with its own kind: kernel filesystems differ in small things.
  case $COWFS_TARGET in cowfs | overfuse) type=ext4 ;; *) type=$COWFS_TARGET ;; esac
  host_image "$type" 2G "$T/reference" nosuid,nodev
  mkdir "$T/reference/root"
  REFERENCE=$T/reference/root
}

seeds() {  # seeds BASE COUNT
  if [ -n "${COWFS_SEED:-}" ]; then echo "$COWFS_SEED"; else seq "$1" $(($1 + $2 - 1)); fi
}

run_seed() {  # run_seed SEED STEPS [more options]: in new directories
  local seed=$1 steps=$2
  shift 2
  mkdir "$REFERENCE/$seed" "$MNT/$seed"
  "$(program random_syscalls)" --seed "$seed" --steps "$steps" --log "$T/steps.log" "$@" "$REFERENCE/$seed" "$MNT/$seed" ||
    fail "seed $seed"
  same_tree "$REFERENCE/$seed" "$MNT/$seed" --no-times
}

promise_many_short_sequences_agree_with_ext4() {
  local seed
  reference
  mount_fresh -o allow_other
  for seed in $(seeds 1 "$(long && echo 2000 || echo 150)"); do
    run_seed "$seed" 300
  done
}

promise_long_sequences_agree_with_ext4_and_survive_a_remount() {
  local seed
  reference
  mount_fresh -o allow_other
  for seed in $(seeds 1001 "$(long && echo 20 || echo 2)"); do
    run_seed "$seed" 15000
  done
  digest "$MNT" >before.digest
  remount -o allow_other
  digest "$MNT" >after.digest
  same_digest before.digest after.digest "before and after the remount"
}

# Called as a hook: a snapshot, and what the tree looked like when it was taken.
hook_snapshot() {
  snapshot "s$1"
  digest "$MNT" >"$T/s$1.digest"
}

promise_snapshots_taken_between_steps_keep_every_file() {
  local seed number digest
  need_snapshots
  reference
  mount_fresh -o allow_other
  for seed in $(seeds 2001 "$(long && echo 50 || echo 3)"); do
    cat >hook.sh <<END
set -e
cd "$T"
COWFS_TEST_NAMESPACE=1 COWFS_TARGET=$COWFS_TARGET
export COWFS_TEST_NAMESPACE COWFS_TARGET
. "$TEST_DIR/lib.sh"
T=$T MNT=$MNT
$(declare -f hook_snapshot)
hook_snapshot "$seed-\$1"
END
    run_seed "$seed" 4000 --every 500 --hook "bash $T/hook.sh"
  done
  for digest in s[0-9]*.digest; do
    number=${digest%.digest}
    digest --no-dir-links "$(volume "$number")" >seen.digest
    sed 's/^\(\S* 04\S* \S*\) links=[0-9]*/\1/' "$digest" >expected.digest
    same_digest expected.digest seen.digest "snapshot $number and the tree when it was taken"
  done
}

run_promises "$@"
