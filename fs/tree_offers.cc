#include "fs/tree_offers.h"

namespace cowfs {

Result<void> TreeOffers::add(const Token& token, std::uint64_t node, uid_t uid, Time now) {
  std::erase_if(offers_, [&](const auto& each) { return each.second.until < now; });
  if (offers_.size() >= kMost) return fail(ErrorCode::kBusy);
  offers_[token] = {node, uid, now + kLifetime};
  return {};
}

Result<std::uint64_t> TreeOffers::take(const Token& token, uid_t uid, Time now) {
  const auto found = offers_.find(token);
  if (found == offers_.end() || found->second.uid != uid) return fail(ErrorCode::kAccessDenied);
  const Offer offer = found->second;
  offers_.erase(found);
  if (offer.until < now) return fail(ErrorCode::kAccessDenied);
  return offer.node;
}

}  // namespace cowfs
