// Any 4096 bytes as a tree node: validate() refuses it, or every item can be read and changed.
//
// The checksum is set right first, so that what is behind it is tried.
#include <algorithm>
#include <cstring>
#include <string>

#include "lib/base/check.h"
#include "lib/tree/node.h"
#include "tests/fuzz/target.h"

namespace cowfs::fuzz {
namespace {

void read_all(const Node& node) {
  for (std::size_t slot = 0; slot < node.count(); ++slot) {
    const std::string key(node.key(slot));
    COWFS_CHECK(node.lower_bound(key) == slot);
    if (node.is_leaf()) (void)std::string(node.value(slot));
    else (void)node.child(slot);
  }
}

void change_all(Node& node) {
  while (node.count() > 0) {
    const std::string key(node.key(0));
    const std::string value(node.value(0));
    node.erase(0);
    if (node.fits(key.size(), value.size())) {
      node.insert(0, key, value);
      node.erase(0);
    }
  }
}

}  // namespace

COWFS_FUZZ_TARGET(node) {
  Node node;
  const MutableBytes page = node.mutable_page();
  std::memcpy(page.data(), input.data(), std::min(input.size(), page.size()));
  node.seal();
  if (!node.validate(node.pointer())) return;
  read_all(node);
  if (node.is_leaf()) change_all(node);
}

}  // namespace cowfs::fuzz
