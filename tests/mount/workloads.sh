# shellcheck shell=bash
# Real programs at work in a directory of a mount; sourced by programs_test.sh and cuts_test.sh. Each workload checks its own
# results and fails loudly. Each takes the directory to work in, which exists and is its own.

SOURCES=/usr/src/googletest  # a real C++ project that the build needs anyway

need_sources() { [ -d "$SOURCES" ] || skip "$SOURCES is missing (package googletest)"; }
need_git() { need_tool git; need_sources; }

# The project untarred, built and run inside DIR.
build_project() {
  local dir=$1
  need_sources
  need_tool cmake g++
  tar -C "$(dirname "$SOURCES")" -cf "$T/sources.tar" "$(basename "$SOURCES")"
  tar -C "$dir" -xf "$T/sources.tar"
  tar -C "$dir" --compare -f "$T/sources.tar"
  CCACHE_DISABLE=1 cmake -S "$dir/googletest" -B "$dir/build" -DBUILD_GMOCK=OFF -Dgtest_build_samples=ON \
    -DCMAKE_CXX_FLAGS=-O0 >"$dir/cmake.log" 2>&1 || { tail -n 30 "$dir/cmake.log" >&2; fail "cmake"; }
  CCACHE_DISABLE=1 cmake --build "$dir/build" -j 2 --target gtest gtest_main sample1_unittest sample3_unittest \
    >"$dir/build.log" 2>&1 || { tail -n 30 "$dir/build.log" >&2; fail "the build"; }
  "$(find "$dir/build" -name sample1_unittest -type f)" >"$dir/sample.log" || fail "the built program"
  "$(find "$dir/build" -name sample3_unittest -type f)" >"$dir/sample.log" || fail "the built program"
}

git_here() { git -C "$1" -c user.name=Test -c user.email=test@example.org -c gc.autoDetach=false "${@:2}"; }

# A repository with some history, outside of the mount.
git_origin() {
  local origin=$1 i
  git init -q "$origin"
  cp -r "$SOURCES/googletest" "$origin/"
  git_here "$origin" add .
  git_here "$origin" commit -q -m first
  for i in $(seq 12); do
    echo "line $i" >>"$origin/googletest/README.md"
    mkdir -p "$origin/new$i"
    head -c 3000 /dev/urandom | base64 >"$origin/new$i/file"
    git_here "$origin" add .
    git_here "$origin" commit -q -m "change $i"
  done
}
git_work() {
  local dir=$1 origin=$2
  git clone -q --no-local "file://$origin" "$dir/clone"
  git_here "$dir/clone" fsck --full --strict 2>&1 | grep -v '^Checking' >&2 || true
  git_here "$dir/clone" fsck --full --strict >/dev/null 2>&1 || fail "git fsck after the clone"
  same "$(git_here "$origin" rev-parse 'HEAD^{tree}')" "$(git_here "$dir/clone" rev-parse 'HEAD^{tree}')" "tree of the clone"
  git_here "$dir/clone" checkout -q -b older HEAD~6
  echo change >>"$dir/clone/googletest/README.md"
  git_here "$dir/clone" commit -q -a -m "on a branch"
  git_here "$dir/clone" gc -q
  git_here "$dir/clone" repack -q -a -d -f
  git_here "$dir/clone" prune
  git_here "$dir/clone" fsck --full --strict >/dev/null 2>&1 || fail "git fsck after gc"
  same "" "$(git_here "$dir/clone" status --porcelain)" "git status"
}

# Two writers on one database, in the journal mode given.
sqlite_work() {
  local dir=$1 mode=$2 db=$1/work.db writer pids=() pid
  need_tool sqlite3
  sqlite3 "$db" "PRAGMA journal_mode=$mode; PRAGMA mmap_size=33554432; CREATE TABLE t(writer INT, n INT, data BLOB, PRIMARY KEY(writer, n));" >/dev/null
  for writer in 1 2; do
    for n in $(seq 1 40); do
      printf 'PRAGMA busy_timeout=60000;PRAGMA synchronous=NORMAL;BEGIN IMMEDIATE;'
      printf 'INSERT INTO t SELECT %d, value + %d, randomblob(300) FROM generate_series(1, 50);' "$writer" $((n * 50))
      printf 'UPDATE t SET data = randomblob(500) WHERE writer = %d AND n %% 7 = %d;' "$writer" $((n % 7))
      printf 'DELETE FROM t WHERE writer = %d AND n = %d;COMMIT;\n' "$writer" $((n * 50 + 1))
    done | sqlite3 -bail "$db" >/dev/null &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid" || fail "a writer of sqlite in mode $mode"; done
  same ok "$(sqlite3 "$db" 'PRAGMA integrity_check')" "integrity of the database"
  same 3920 "$(sqlite3 "$db" 'SELECT count(*) FROM t')" "rows"
  sqlite3 "$db" 'VACUUM'
  same ok "$(sqlite3 "$db" 'PRAGMA integrity_check')" "integrity after VACUUM"
}

# fio writes and verifies: fio_work DIR NAME options…
fio_work() {
  local dir=$1 name=$2
  need_tool fio
  fio --name="$name" --directory="$dir" --size="${FIO_SIZE:-16M}" --verify=crc32c --verify_fatal=1 --do_verify=1 \
    --output="$T/fio.$name.log" --randseed=7 --fallocate=none "${@:3}" >/dev/null 2>&1 ||
    { tail -n 20 "$T/fio.$name.log" >&2; fail "fio $name"; }
}
