// A store under random work, with a plain reference beside it: what every volume holds, and what
// every block of data may hold.
//
// Used by the model test (reopen, compare) and the crash test (cut, reopen, compare with a
// checkpoint that was made).
#pragma once

#include <map>
#include <random>
#include <string>
#include <vector>

#include "lib/store/store.h"

namespace cowfs {

/// One item of a volume: a plain value, or an extent of one block with the content that was last
/// written for it.
struct ModelItem {
  std::string value;
  std::uint64_t content = 0;  // 0: no extent

  friend bool operator==(const ModelItem&, const ModelItem&) = default;
};

struct ModelVolume {
  bool read_only = false;
  std::map<std::string, ModelItem> items;
};

/// All named volumes.
using ModelState = std::map<std::string, ModelVolume>;

class StoreModel {
 public:
  StoreModel(Store& store, std::uint64_t seed) : store_(store), random_(seed) {}

  /// One random piece of work on the store and on the reference. Fails the test where the store
  /// answers otherwise than the reference.
  void step();
  /// Continues with the same store, opened again.
  static void compare(Store& store, const ModelState& expected, const StoreModel* history);

  const ModelState& state() const { return state_; }
  /// Goes on from another state, with names of its own for new volumes.
  void set_state(ModelState state) {
    state_ = std::move(state);
    next_name_ = 1000;
  }
  void delete_everything();

 private:
  void put_some(const std::string& name);
  void erase_some(const std::string& name);
  void overwrite(const std::string& name);
  void clone(const std::string& from, const std::string& to);
  void fork(const std::string& parent);
  void remove(const std::string& name);
  std::string random_key();
  std::string random_volume(bool writable);
  std::uint64_t below(std::uint64_t n) { return random_() % n; }
  void write_block(ObjectNumber object, std::uint64_t block, std::uint64_t content);
  void release_old(Transaction& transaction, const std::string& key, const ModelItem* old);

  Store& store_;
  std::mt19937_64 random_;
  ModelState state_{{"main", {}}};
  std::uint64_t next_content_ = 1;
  std::uint64_t next_name_ = 1;
  // Everything ever written to a place, in order: after a crash an in-place overwrite may show
  // early.
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::vector<std::uint64_t>> written_;
};

}  // namespace cowfs
