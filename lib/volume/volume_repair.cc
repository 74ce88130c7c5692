#include "lib/volume/volume_repair.h"

#include <sys/stat.h>

#include "lib/volume/inode_record.h"
#include "lib/volume/name_item.h"

namespace cowfs {
namespace {

constexpr int kMaxRounds = 8;
constexpr std::string_view kLostAndFound = "lost+found";

class VolumeRepair {
 public:
  VolumeRepair(Store& store, const VolumeFacts& facts)
      : store_(store), facts_(facts), items_(store, facts.id) {}

  Result<ProblemList> run() {
    for (int round = 0; round < kMaxRounds; ++round) {
      bool mended = false;
      for (const CheckPhase phase : kCheckPhases) {
        COWFS_ASSIGN(const bool changed, run_phase(phase));
        mended = mended || changed;
      }
      if (!mended) break;
    }
    return std::move(mended_);
  }

 private:
  Result<bool> run_phase(CheckPhase phase) {
    COWFS_ASSIGN(const VolumeFindings findings, check_volume(items_, facts_, phase));
    COWFS_TRY(apply(findings.mends));
    COWFS_TRY(reconnect(findings.to_reconnect));
    mended_.add_all(findings.problems);
    return !findings.mends.empty() || !findings.to_reconnect.empty();
  }

  /// Commits where the transaction is nearly full, or `always`.
  Result<void> commit(UpdateView& view, Transaction& transaction, bool always) {
    if (!always && !transaction.nearly_full()) return {};
    transaction.allow_read_only();
    COWFS_TRY(view.commit(transaction));
    transaction = {};
    return {};
  }

  Result<void> apply(const std::vector<VolumeMend>& mends) {
    if (mends.empty()) return {};
    Operation operation(store_);
    UpdateView view(store_, operation);
    Transaction transaction;
    for (const VolumeMend& mend : mends) {
      if (mend.value) transaction.put(facts_.id, mend.key, *mend.value);
      else transaction.erase(facts_.id, mend.key);
      if (mend.released) transaction.release(*mend.released);
      COWFS_TRY(commit(view, transaction, false));
    }
    return commit(view, transaction, true);
  }

  Result<void> reconnect(const std::vector<InodeNumber>& inodes) {
    if (inodes.empty()) return {};
    COWFS_ASSIGN(const InodeNumber directory, lost_and_found());
    Operation operation(store_);
    UpdateView view(store_, operation);
    Transaction transaction;
    for (const InodeNumber inode : inodes) {
      const auto record = load_inode(view, facts_.id, inode);
      if (!record) continue;
      COWFS_TRY(add_name(view, transaction, directory, "#" + std::to_string(raw(inode)), inode,
                         record->type()));
      COWFS_TRY(commit(view, transaction, false));
    }
    return commit(view, transaction, true);
  }

  /// With a number behind it where the directory has the name already.
  Result<void> add_name(const TreeView& view, Transaction& transaction, InodeNumber directory,
                        const std::string& wanted, InodeNumber inode, mode_t type) {
    std::string name = wanted;
    for (unsigned number = 1;; ++number) {
      COWFS_ASSIGN(const NameSlot slot,
                   find_name(view, facts_.id, directory, name, facts_.name_seed));
      if (!slot.item && slot.free_cookie) {
        put_name(transaction, facts_.id, directory, {*slot.free_cookie, inode, type, name});
        return {};
      }
      name = wanted + "-" + std::to_string(number);
    }
  }

  Result<InodeNumber> lost_and_found() {
    Operation operation(store_);
    UpdateView view(store_, operation);
    COWFS_ASSIGN(const NameSlot slot,
                 find_name(view, facts_.id, kRootInode, kLostAndFound, facts_.name_seed));
    if (slot.item && S_ISDIR(slot.item->type)) return slot.item->child;
    COWFS_ASSIGN(const InodeNumber inode, store_.allocate_inode());
    COWFS_ASSIGN(const InodeRecord root, load_inode(view, facts_.id, kRootInode));
    InodeRecord record;
    record.mode = S_IFDIR | 0700;
    record.link_count = 2;
    record.uid = root.uid;
    record.gid = root.gid;
    record.access_time = record.modify_time = record.change_time = record.birth_time = now();
    Transaction transaction;
    put_inode(transaction, facts_.id, inode, record);
    COWFS_TRY(add_name(view, transaction, kRootInode, std::string(kLostAndFound), inode, S_IFDIR));
    COWFS_TRY(commit(view, transaction, true));
    return inode;
  }

  Store& store_;
  const VolumeFacts& facts_;
  StoreVolumeItems items_;
  ProblemList mended_;
};

}  // namespace

Result<ProblemList> repair_volume(Store& store, const VolumeFacts& facts) {
  return VolumeRepair(store, facts).run();
}

}  // namespace cowfs
