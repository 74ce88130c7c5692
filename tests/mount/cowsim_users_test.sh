#!/usr/bin/env bash
# The simulator against the kernel as an ordinary user: values only, and cowsim says so; page faults of its own in full.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/users.sh"

COWSIM=$COWFS_BIN_DIR/cowsim
VALUES_ONLY='compared: values and outcomes only: this kernel tells frames to root alone'

need_users() {
  need_root
  need_tool setpriv
  [ -x "$COWSIM" ] || fail "$COWSIM is missing"
  chmod 755 "$T"
}
# seeds SHORT LONG
seeds() { if long; then echo "1..$2"; else echo "1..$1"; fi; }

# The kernel maps 16 pages around a fault, this simulator 32: no value shows it, frames do.
around() {
  cat >around.trace <<'END'
machine frames=64 swap=0 profile=linux fault-around=32
file f pages=32 kind=tmpfs
proc p
p map A f shared 32
p read A.0
END
}

promise_values_agree_without_privileges() {
  local said
  need_users
  said=$(as 61001 "$COWSIM" oracle "--seeds=$(seeds 30 2000)")
  has "$said" "$VALUES_ONLY" "what was compared"
  has "$said" ' 0 seeds differ' "verdict"
  said=$(as 61001 "$COWSIM" oracle --profile=textbook "--seeds=$(seeds 30 2000)")
  has "$said" 'compared: values and outcomes only' "what was compared"
  has "$said" ' 0 seeds differ' "verdict"
}

promise_only_values_are_compared_without_privileges() {
  local said
  need_users
  around
  refused 'the kernel chose otherwise in each of 5 quiet runs' "$COWSIM" oracle around.trace
  said=$(as 61001 "$COWSIM" oracle around.trace)
  has "$said" "$VALUES_ONLY" "what was compared"
  has "$said" 'all agree' "verdict"
}

promise_what_cannot_be_compared_is_said_without_privileges() {
  need_users
  cat >small.trace <<'END'
machine frames=2 swap=0 profile=linux
proc p
p map A anon private 4
p write A.0 'a'
p write A.1 'b'
p write A.2 'c'
END
  refused "'p write A.2 'c'': the simulator has no free frames left, the others have" as 61001 "$COWSIM" oracle small.trace
  exit_code 77 as 61001 "$COWSIM" oracle small.trace
}

promise_page_faults_of_its_own_agree_without_privileges() {
  local said
  need_users
  said=$(as 61001 "$COWSIM" live "--seeds=$(seeds 40 1000)")
  has "$said" 'all agree' "verdict"
}

# Both comparisons can fail for such a user: by a mistake in the simulator, and by a trace that expects what is not so.
promise_differences_are_found_without_privileges() {
  local said code=0
  need_users
  said=$(as 61001 "$COWSIM" oracle --bug=forget-parent-protect --seeds=1..20) || code=$?
  same 1 "$code" "exit code of an oracle that must find a mistake"
  has "$said" "$VALUES_ONLY" "what was compared"
  has "$said" '[1-9][0-9]* seeds differ' "verdict"
  exit_code 1 as 61001 "$COWSIM" live --bug=forget-parent-protect --seeds=1..20
  cat >wrong.trace <<'END'
machine frames=64 swap=0 profile=linux
proc p
p map A anon private 1
p write A.0 'a'
p fork q
p write A.0 'b'
q read A.0
expect value 'b'
END
  sed 's/profile=linux/profile=textbook/' wrong.trace >textbook.trace
  refused "wrong.trace:8:1: 'expect value 'b'' does not hold" as 61001 "$COWSIM" oracle wrong.trace
  exit_code 1 as 61001 "$COWSIM" oracle wrong.trace
  refused "textbook.trace:8:1: 'expect value 'b'' does not hold" as 61001 "$COWSIM" live textbook.trace
  exit_code 1 as 61001 "$COWSIM" live textbook.trace
  refused "the kernel reads 'a.*', the simulator 'b" as 61001 "$COWSIM" oracle --bug=forget-parent-protect wrong.trace
  exit_code 1 as 61001 "$COWSIM" oracle --bug=forget-parent-protect wrong.trace
}

run_promises "$@"
