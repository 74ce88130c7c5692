// Random histories, cut anywhere: every byte of every image is one that the promises allow.
//
// The oracle works from the log alone and in the plainest way: for each array that a name may stand
// for, it gathers for each byte all the values that it may have. It shares nothing with the crash
// model.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "lib/storage/memory_storage.h"
#include "tests/storage/bytes_support.h"
#include "tests/support/result_matchers.h"

namespace cowfs {
namespace {

/// What one array (one creation of a name) may hold.
struct Possible {
  std::string durable;
  std::vector<StorageCall> pending;
};

std::string text_of(const StorageCall& call) {
  return {reinterpret_cast<const char*>(call.data->data()), call.data->size()};
}

void apply_to(std::string& text, const StorageCall& call) {
  const std::size_t end = call.offset + call.length;
  if (call.kind == StorageCallKind::kResize) return text.resize(call.offset);
  if (call.kind == StorageCallKind::kPunch) {
    for (std::size_t i = call.offset; i < std::min(end, text.size()); ++i) text[i] = '\0';
    return;
  }
  text.resize(std::max(text.size(), end));
  if (call.kind == StorageCallKind::kWrite) text.replace(call.offset, call.length, text_of(call));
}

/// The outcomes that a log allows.
class Oracle {
 public:
  void apply(const StorageCall& call) {
    const ArrayName name = call.name;
    switch (call.kind) {
      case StorageCallKind::kCreate:
        arrays_.emplace_back();
        current_[name] = arrays_.size() - 1;
        candidates_[name].insert(static_cast<int>(arrays_.size()) - 1);
        return;
      case StorageCallKind::kRemove:
        current_.erase(name);
        candidates_[name].insert(kAbsent);
        return;
      case StorageCallKind::kSync: return sync(arrays_[current_.at(name)]);
      case StorageCallKind::kSyncNames: return sync_names(name.kind);
      default: arrays_[current_.at(name)].pending.push_back(call);
    }
  }

  void expect_allowed(MemoryStorage& image, const std::string& what) const {
    for (const auto& [name, candidates] : candidates_) {
      const Result<std::uint64_t> size = image.size(name);
      if (!size) {
        ASSERT_TRUE(candidates.contains(kAbsent)) << what << ": lost " << to_string(name);
        continue;
      }
      const std::string text = read_text(image, name, 0, *size);
      const bool allowed = std::ranges::any_of(candidates, [&](int candidate) {
        return candidate != kAbsent && allows(arrays_[static_cast<std::size_t>(candidate)], text);
      });
      ASSERT_TRUE(allowed) << what << ": impossible bytes in " << to_string(name);
    }
  }

  /// Every name that ever was, as it may not yet be.
  void start_with(ArrayName name) { candidates_[name] = {kAbsent}; }

 private:
  static constexpr int kAbsent = -1;

  static void sync(Possible& array) {
    for (const StorageCall& call : array.pending) apply_to(array.durable, call);
    array.pending.clear();
  }

  void sync_names(ArrayKind kind) {
    for (auto& [name, candidates] : candidates_) {
      if (name.kind != kind) continue;
      const auto current = current_.find(name);
      candidates = {current == current_.end() ? kAbsent : static_cast<int>(current->second)};
    }
  }

  static bool allows(const Possible& array, const std::string& text) {
    if (!allows_size(array, text.size())) return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] == (i < array.durable.size() ? array.durable[i] : '\0')) continue;
      const bool pending = std::ranges::any_of(
          array.pending, [&](const StorageCall& call) { return may_put(call, i, text[i]); });
      if (!pending) return false;
    }
    return true;
  }

  /// Whether a call may leave this byte there.
  static bool may_put(const StorageCall& call, std::size_t at, char byte) {
    if (at < call.offset) return false;
    if (call.kind == StorageCallKind::kResize) return byte == '\0';
    if (at >= call.offset + call.length) return false;
    if (call.kind == StorageCallKind::kPunch) return byte == '\0';
    if (call.kind != StorageCallKind::kWrite) return false;
    return static_cast<char>((*call.data)[at - call.offset]) == byte;
  }

  static bool allows_size(const Possible& array, std::size_t size) {
    if (size == array.durable.size()) return true;
    return std::ranges::any_of(array.pending, [size](const StorageCall& call) {
      const std::size_t end = call.offset + call.length;  // of a resize: its size
      if (call.kind == StorageCallKind::kPunch) return false;
      // A torn write may end at any sector in it.
      const bool torn = call.kind == StorageCallKind::kWrite && size % 512 == 0;
      return size == end || (torn && size > call.offset && size < end);
    });
  }

  std::vector<Possible> arrays_;
  std::map<ArrayName, std::size_t> current_;
  std::map<ArrayName, std::set<int>> candidates_;  // of each name: arrays that it may stand for
};

class RandomHistory {
 public:
  RandomHistory(MemoryStorage& storage, std::uint64_t seed) : storage_(storage), random_(seed) {}

  static const std::vector<ArrayName>& names() {
    static const std::vector<ArrayName> all = {object_name(1), object_name(2), nodes_name(1)};
    return all;
  }

  void step() {
    const ArrayName name = names()[below(names().size())];
    const std::uint64_t offset = below(4) * 512 + (below(2) == 0 ? 0 : below(200));
    const std::uint64_t length = 1 + below(900);
    const std::string text(length, static_cast<char>('a' + below(26)));
    // Calls on arrays that are not there fail, and are not recorded.
    switch (below(12)) {
      case 0: (void)storage_.create(name); break;
      case 1: (void)(below(4) == 0 ? storage_.remove(name) : storage_.create(name)); break;
      case 2: (void)storage_.sync_names(name.kind); break;
      case 3: (void)storage_.sync(name); break;
      case 4: (void)storage_.punch(name, offset, length); break;
      case 5: (void)storage_.resize(name, offset); break;
      case 6: (void)storage_.reserve(name, offset, length); break;
      default: (void)storage_.write(name, offset, as_bytes(text)); break;
    }
  }

 private:
  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
  MemoryStorage& storage_;
  std::mt19937_64 random_;
};

TEST(CrashOracle, AllowsEveryImageOfRandomHistories) {
  for (std::uint64_t history = 0; history < 30; ++history) {
    MemoryStorage storage;
    storage.start_recording();
    RandomHistory random(storage, history);
    for (int step = 0; step < 80; ++step) random.step();
    Oracle oracle;
    for (const ArrayName name : RandomHistory::names()) oracle.start_with(name);
    for (std::size_t cut = 0; cut <= storage.call_count(); ++cut) {
      if (cut > 0) oracle.apply(storage.call(cut - 1));
      for (std::uint64_t seed = 0; seed < 14; ++seed) {
        const CrashChoice choice = CrashChoice::from_seed(cut * 14 + seed);
        oracle.expect_allowed(*storage.crash_image(cut, choice),
                              "history " + std::to_string(history) + ", cut " +
                                  std::to_string(cut) + ", " + to_string(choice));
        if (::testing::Test::HasFatalFailure()) return;
      }
    }
  }
}

TEST(CrashOracle, TheImageWithEverythingPendingIsTheLiveStore) {
  for (std::uint64_t history = 0; history < 30; ++history) {
    MemoryStorage storage;
    storage.start_recording();
    RandomHistory random(storage, history);
    for (int step = 0; step < 80; ++step) {
      random.step();
      const ArraySet live = storage.content();
      const ArraySet image =
          storage.crash_image(storage.call_count(), {CrashVariant::kAll, 0})->content();
      ASSERT_EQ(live.size(), image.size());
      for (const auto& [name, array] : live) {
        ASSERT_TRUE(image.contains(name) && *image.at(name) == *array)
            << "history " << history << " step " << step << ": " << to_string(name);
      }
    }
  }
}

}  // namespace
}  // namespace cowfs
