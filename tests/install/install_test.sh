#!/usr/bin/env bash
# What `cmake --install` puts where, and that it works from there. Nothing is mounted.
# By hand: COWFS_BUILD_DIR=build/release bash tests/install/install_test.sh
COWFS_TEST_NAMESPACE=none  # lib.sh makes one for mounts, which not everybody may
# shellcheck source=tests/mount/lib.sh
. "$(dirname "$0")/../mount/lib.sh"

BUILD=${COWFS_BUILD_DIR:-$(dirname "$COWFS_BIN_DIR")}
HELPERS='mount.cowfs mount.fuse.cowfs umount.cowfs umount.fuse.cowfs'

# install_into ROOT [BUILD]: the built tree as a package of a distribution would be made of it.
install_into() {
  DESTDIR=$1 cmake --install "${2:-$BUILD}" --prefix /usr >"$T/install.log" 2>&1 ||
    { cat "$T/install.log" >&2; fail "cmake --install failed"; }
}
# programs: every program of the source, one a line.
programs() {
  echo cowfs
  find "$COWFS_SRC_DIR/tools" -mindepth 1 -maxdepth 1 -type d ! -name common -printf '%f\n'
}
# folder_of PROGRAM, section_of PROGRAM: what makes, mounts or mends a store is the administrator's.
folder_of() { case $1 in *cowfs) echo sbin ;; *) echo bin ;; esac; }
section_of() { case $1 in *cowfs) echo 8 ;; *) echo 1 ;; esac; }
# libfuse_inside PROGRAM: whether a static libfuse is in it.
libfuse_inside() { ! ldd "$1" | grep -q libfuse3; }

expected_files() {  # expected_files ROOT
  local p section
  for p in $(programs); do
    section=$(section_of "$p")
    printf 'usr/%s\n' "$(folder_of "$p")/$p" "share/man/man$section/$p.$section" \
      "share/bash-completion/completions/$p" "share/zsh/site-functions/_$p" "share/fish/vendor_completions.d/$p.fish"
  done
  for p in $HELPERS; do echo "usr/sbin/$p"; done
  printf 'usr/share/doc/cowfs/%s\n' LICENSE CHANGELOG.md dependencies.md
  if libfuse_inside "$1/usr/sbin/cowfs"; then echo usr/share/doc/cowfs/libfuse-LGPL-2.1.txt; fi
}

promise_every_file_has_its_place_and_there_is_no_other() {
  install_into "$T/root"
  expected_files root | sort >expected
  (cd root && find . ! -type d -printf '%P\n') | sort >seen
  diff -U0 expected seen >differences || fail "installed files: $(cat differences)"
  same "" "$(find root -type f -path '*bin/*' ! -perm 755)" "programs that not everybody can run"
  same "" "$(find root -type f ! -path '*bin/*' ! -perm 644)" "other files of another mode than 644"
}

promise_the_helpers_of_mount_are_cowfs() {
  local h
  install_into "$T/root"
  for h in $HELPERS; do
    same "$T/root/usr/sbin/cowfs" "$(realpath "root/usr/sbin/$h")" "what $h is"
  done
  mkdir store nothing_here
  root/usr/sbin/mkfs.cowfs store >/dev/null
  for h in mount.cowfs mount.fuse.cowfs; do
    env -i "root/usr/sbin/$h" "$T/store" "$T/nothing_here" -f -n -v -o rw,nosuid  # -f: pretend, as mount(8) means it
    refused 'no such store|No such file' "root/usr/sbin/$h" "$T/no_store" "$T/nothing_here" -n
  done
  for h in umount.cowfs umount.fuse.cowfs; do
    refused 'nothing is mounted' env -i "root/usr/sbin/$h" "$T/nothing_here" -n
  done
}

# mount(8) looks in /sbin only, wherever the programs are.
promise_the_helpers_of_mount_can_go_elsewhere() {
  local h
  mkdir elsewhere
  cmake -S "$COWFS_SRC_DIR" -B elsewhere -DCOWFS_TESTS=OFF -DCOWFS_HELPER_DIR=/sbin -DCMAKE_INSTALL_PREFIX=/opt/cowfs \
    >configure.log 2>&1 || { cat configure.log >&2; fail "cmake failed"; }
  rm -rf elsewhere/bin
  ln -s "$BUILD/bin" elsewhere/bin
  DESTDIR=$T/root cmake --install elsewhere >install.log 2>&1 || { cat install.log >&2; fail "cmake --install failed"; }
  for h in $HELPERS; do
    same /opt/cowfs/sbin/cowfs "$(readlink "root/sbin/$h")" "what $h is"
  done
  present root/opt/cowfs/sbin/cowfs
}

promise_nothing_points_into_the_build_or_the_source() {
  local place
  install_into "$T/root"
  for place in "$BUILD" "$(realpath "$BUILD")" "$COWFS_SRC_DIR"; do
    same "" "$(grep -rIlF -- "$place" root || true)" "text files that name $place"
    same "" "$(find root -type l -lname "*$place*")" "links into $place"
    same "" "$(find root -type f -path '*bin/*' -exec ldd {} + | grep -F -- "$place" || true)" "libraries from $place"
  done
}

promise_installed_programs_run_where_they_are() {
  local p path said
  install_into "$T/root"
  mv root moved
  for p in $(programs); do
    path=moved/usr/$(folder_of "$p")/$p
    said=$(env -i "$path" --version)
    has "$said" "^$p( \(cowfs\))? [0-9]+\.[0-9]+\.[0-9]+" "$p --version"
    said=$(env -i "$path" --help)
    has "$said" "Usage: $p " "$p --help"
  done
  mkdir store
  env -i moved/usr/sbin/mkfs.cowfs store >/dev/null
  env -i moved/usr/sbin/fsck.cowfs -f store >/dev/null
}

promise_manual_pages_have_no_warnings() {
  local page
  need_tool mandoc
  install_into "$T/root"
  for page in root/usr/share/man/man?/*; do
    mandoc -T lint -W warning "$page" >lint.said 2>&1 || fail "$(cat lint.said)"
    mandoc -T utf8 "$page" >formatted
    has "$(head -n 1 formatted)" "^$(basename "$page" | tr '[:lower:].' '[:upper:].' | sed 's/\.\(.\)$/\\(\1\\)/')" "its head"
    # The usual formatter of Linux finds other things.
    if command -v man >/dev/null && man --version 2>/dev/null | grep -q '^man 2'; then
      same "" "$(MANWIDTH=80 man --warnings -l "$page" 2>&1 >/dev/null)" "warnings of man for $page"
    fi
  done
}

# offered FILE WORD…: what bash's completion in FILE offers for the last of these words, one a line.
offered() {
  bash -c '
    source "$1" || exit 1
    shift
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    function=$(complete -p "$1" | sed "s/.*-F \([^ ]*\) .*/\1/")
    "$function" 2>/dev/null
    printf "%s\n" "${COMPREPLY[@]}"
  ' completion "$@"
}
# options_in_help, commands_in_help < HELP: the long options, and the commands, that its lines begin with.
options_in_help() { grep -oE '^ +(-[A-Za-z], ?)*--[a-z][a-z-]+' | grep -oE -- '--.*' | sort -u; }
commands_in_help() { awk '/^Examples:/ { exit } /^  [a-z]+ / { print $1 }' | sort -u; }
# same_options FILE PROGRAM [COMMAND]: the completion offers the options of --help and no others.
same_options() {
  local file=$1
  shift
  "$T/root/usr/$(folder_of "$1")/$1" "${@:2}" --help | options_in_help >expected
  offered "$file" "$@" -- | grep -oE '^--[a-z][a-z-]+' | sort -u >seen
  different "" "$(cat expected)" "options of $*"
  diff -U0 expected seen >differences || fail "options that are offered for '$*': $(cat differences)"
}
promise_bash_completes_what_the_help_says_and_nothing_else() {
  local p file command
  install_into "$T/root"
  for p in $(programs); do
    file=$T/root/usr/share/bash-completion/completions/$p
    bash -n "$file"
    same_options "$file" "$p"
    if "root/usr/$(folder_of "$p")/$p" --help | grep -q "^Usage: $p COMMAND"; then
      "root/usr/$(folder_of "$p")/$p" --help | commands_in_help >expected.commands
      offered "$file" "$p" "" | grep -v '^-' | sort -u >seen.commands
      diff -U0 expected.commands seen.commands >differences || fail "commands that are offered for $p: $(cat differences)"
      for command in $(cat expected.commands); do same_options "$file" "$p" "$command"; done
    fi
  done
}

promise_completions_of_other_shells_can_be_read() {
  install_into "$T/root"
  if command -v zsh >/dev/null; then for f in root/usr/share/zsh/site-functions/*; do zsh -n "$f"; done; fi
  if command -v fish >/dev/null; then for f in root/usr/share/fish/vendor_completions.d/*; do fish -n "$f"; done; fi
}

run_promises "$@"
