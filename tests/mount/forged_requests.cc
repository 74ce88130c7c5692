// forged_requests ioctls DIR SEED COUNT | tokens DIR SOURCE | handles DIR
//                 | users DIR SOURCE UID OTHER | owner DIR
//
// What a hostile caller sends to the daemon, as whoever runs this.
//
// ioctls: COUNT requests on the open directory DIR with random numbers of our group, sizes and
// bytes; sound ones with random names among them. Whatever the answer is, it is an error, or a
// question that changes nothing. tokens: a tree clone of SOURCE into DIR with tokens that were
// guessed, changed, or used before. handles: file handles of DIR with changed bits. users, as root: a
// token that UID got, presented by OTHER. owner: the requests that are for the mount's owner alone
// succeed. Ends with 1 where something succeeded that must not.
#include <sys/ioctl.h>

#include "lib/api/ioctl.h"
#include "tests/mount/support.h"

namespace {

using namespace mount_test;
using namespace cowfs;

bool may_succeed(unsigned command) {
  return command == api::kIoctlDescribeDaemon || command == api::kIoctlDescribeVolume ||
         command == api::kIoctlDescribeSpace || command == api::kIoctlListVolumes ||
         command == api::kIoctlSyncStore || command == api::kIoctlOfferTree;
}

void send(int fd, unsigned command, void* bytes) {
  if (::ioctl(fd, command, bytes) == 0) {
    expect(may_succeed(command),
           "request " + std::to_string(command & 0xff) + " of a stranger succeeded");
    return;
  }
  constexpr int kExpected[] = {ENOTTY,       EINVAL, EPROTO,     EPERM,   EACCES,
                               ENOENT,       EEXIST, EBUSY,      ENOTDIR, EISDIR,
                               ENAMETOOLONG, EROFS,  EOPNOTSUPP, EFAULT,  EIO};
  for (const int error : kExpected) {
    if (errno == error && error != EIO) return;
  }
  die("request " + std::to_string(command & 0xff) + ": " + std::strerror(errno));
}

template <typename Request>
void send_sound(int fd, unsigned command, std::mt19937_64& random) {
  Request request;
  char* bytes = reinterpret_cast<char*>(&request);
  for (std::size_t i = sizeof(api::Header); i < sizeof request; ++i) {
    if (random() % 4 == 0) bytes[i] = static_cast<char>(random());
  }
  send(fd, command, &request);
}

api::VerifyBlock question_of_a_block() {
  api::VerifyBlock question;
  question.inode = 17;
  question.object = 1;
  return question;
}

void ioctls(const std::string& dir, std::uint64_t seed, std::uint64_t count) {
  std::mt19937_64 random(seed);
  const Fd fd = open_file(dir, O_RDONLY | O_DIRECTORY);
  std::vector<char> bytes(1 << 16);
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto number = static_cast<unsigned>(random() % 16);
    const auto size = static_cast<unsigned>(random() % 16384);
    const unsigned direction = static_cast<unsigned>(random() % 4);
    for (char& byte : bytes) byte = static_cast<char>(random());
    send(fd.get(), _IOC(direction, api::kIoctlGroup, number, size), bytes.data());
    send_sound<api::CreateVolume>(fd.get(), api::kIoctlCreateVolume, random);
    send_sound<api::DeleteVolume>(fd.get(), api::kIoctlDeleteVolume, random);
    send_sound<api::RenameVolume>(fd.get(), api::kIoctlRenameVolume, random);
    send_sound<api::ListVolumes>(fd.get(), api::kIoctlListVolumes, random);
    send_sound<api::LocateBlock>(fd.get(), api::kIoctlLocateBlock, random);
    send_sound<api::StartTreeClone>(fd.get(), api::kIoctlStartTreeClone, random);
    send_sound<api::PollTreeClone>(fd.get(), api::kIoctlPollTreeClone, random);
    send_sound<api::CancelTreeClone>(fd.get(), api::kIoctlCancelTreeClone, random);
    send_sound<api::HoldCheckpoint>(fd.get(), api::kIoctlHoldCheckpoint, random);
    send_sound<api::VerifyBlock>(fd.get(), api::kIoctlVerifyBlock, random);
  }
  for (const char* name : {"main", "s", "f"}) {
    api::DeleteVolume gone;
    expect(api::set_name(gone.name, name), "name");
    must_fail(::ioctl(fd.get(), api::kIoctlDeleteVolume, &gone), EPERM, "deleting a volume");
    api::RenameVolume renamed;
    expect(api::set_name(renamed.name, name) && api::set_name(renamed.new_name, "mine"), "name");
    must_fail(::ioctl(fd.get(), api::kIoctlRenameVolume, &renamed), EPERM, "renaming a volume");
  }
  for (const auto kind : {api::Kind::kSnapshot, api::Kind::kFork}) {
    api::CreateVolume made;
    made.kind = api::raw(kind);
    expect(api::set_name(made.name, "mine"), "name");
    must_fail(::ioctl(fd.get(), api::kIoctlCreateVolume, &made), EPERM, "making a volume");
  }
  api::HoldCheckpoint hold;
  must_fail(::ioctl(fd.get(), api::kIoctlHoldCheckpoint, &hold), EPERM, "holding a checkpoint");
  api::VerifyBlock verify = question_of_a_block();
  must_fail(::ioctl(fd.get(), api::kIoctlVerifyBlock, &verify), EPERM, "asking about a block");
}

void owner(const std::string& dir) {
  const Fd fd = open_file(dir, O_RDONLY | O_DIRECTORY);
  api::HoldCheckpoint hold;
  must(::ioctl(fd.get(), api::kIoctlHoldCheckpoint, &hold), "HoldCheckpoint");
  api::VerifyBlock verify = question_of_a_block();
  must(::ioctl(fd.get(), api::kIoctlVerifyBlock, &verify), "VerifyBlock");
  expect(verify.state >= 1 && verify.state <= 3, "the state of a block");
}

void users(const std::string& dir, const std::string& source, uid_t uid, uid_t other) {
  const Fd from = open_file(source, O_RDONLY | O_DIRECTORY);
  const Fd to = open_file(dir, O_RDONLY | O_DIRECTORY);
  const auto become = [](uid_t whom) {
    must(::seteuid(0), "seteuid");
    must(::seteuid(whom), "seteuid");
  };
  become(uid);
  api::OfferTree offer;
  must(::ioctl(from.get(), api::kIoctlOfferTree, &offer), "OfferTree");
  api::StartTreeClone request;
  std::memcpy(request.token, offer.token, sizeof request.token);
  expect(api::set_name(request.name, "of_users"), "name");
  for (const uid_t thief : {other, uid_t{0}}) {
    become(thief);
    must_fail(::ioctl(to.get(), api::kIoctlStartTreeClone, &request), EACCES,
              "a token of another user");
  }
  become(uid);
  must(::ioctl(to.get(), api::kIoctlStartTreeClone, &request), "the token of its own user");
  api::PollTreeClone job;
  do {  // it would end with the descriptor
    job = {};
    must(::ioctl(to.get(), api::kIoctlPollTreeClone, &job), "PollTreeClone");
  } while (job.state == api::raw(api::TreeCloneState::kRunning));
  expect(job.state == api::raw(api::TreeCloneState::kDone), "the end of the copy");
}

void tokens(const std::string& dir, const std::string& source) {
  const Fd from = open_file(source, O_RDONLY | O_DIRECTORY);
  const Fd to = open_file(dir, O_RDONLY | O_DIRECTORY);
  const auto start = [&](const std::uint8_t(&token)[api::kTokenBytes], const char* name) {
    api::StartTreeClone request;
    std::memcpy(request.token, token, sizeof request.token);
    expect(api::set_name(request.name, name), "name");
    return ::ioctl(to.get(), api::kIoctlStartTreeClone, &request);
  };
  api::OfferTree offer;
  must(::ioctl(from.get(), api::kIoctlOfferTree, &offer), "OfferTree");
  std::uint8_t token[api::kTokenBytes] = {};
  must_fail(start(token, "zero"), EACCES, "a token of zeros");
  std::memcpy(token, offer.token, sizeof token);
  token[15] ^= 1;
  must_fail(start(token, "changed"), EACCES, "a changed token");
  for (const char* name : {"..", ".", "a/b", "../../x", "/x"}) {
    api::OfferTree again;
    must(::ioctl(from.get(), api::kIoctlOfferTree, &again), "OfferTree");
    expect(start(again.token, name) != 0, std::string("a copy named ") + name);
  }
  must(start(offer.token, "copied"), "the first use of a token");
  must_fail(start(offer.token, "again"), EACCES, "the second use of a token");
}

void handles(const std::string& dir) {
  alignas(file_handle) char buffer[sizeof(file_handle) + MAX_HANDLE_SZ];
  auto* handle = reinterpret_cast<file_handle*>(buffer);
  handle->handle_bytes = MAX_HANDLE_SZ;
  int mount_id = 0;
  must(::name_to_handle_at(AT_FDCWD, dir.c_str(), handle, &mount_id, 0), "name_to_handle_at");
  const Fd mount = open_file(dir, O_RDONLY | O_DIRECTORY);
  const std::vector<char> sound(buffer, buffer + sizeof buffer);
  for (unsigned bit = 0; bit < 8 * handle->handle_bytes; ++bit) {
    std::memcpy(buffer, sound.data(), sound.size());
    handle->f_handle[bit / 8] =
        static_cast<unsigned char>(handle->f_handle[bit / 8] ^ 1U << bit % 8);
    const Fd opened(::open_by_handle_at(mount.get(), handle, O_PATH));
    if (opened.get() < 0) {
      expect(errno == ESTALE || errno == EPERM || errno == EINVAL,
             std::string("a forged handle: ") + std::strerror(errno));
    } else if (::geteuid() != 0) {
      die("a stranger opened a forged handle: bit " + std::to_string(bit));
    } else {
      // Who may open any handle gets the file that this one is of, if the kernel knows it.
      std::uint64_t node = 0;
      for (const int word : {1, 0}) {
        std::uint32_t part = 0;
        std::memcpy(&part, handle->f_handle + 4 * word, sizeof part);
        node |= std::uint64_t{part} << (word == 0 ? 32 : 0);
      }
      expect(stat_of(opened.get()).st_ino == node,
             "a forged handle opened another file: bit " + std::to_string(bit));
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  expect(words.size() >= 2, "usage: forged_requests ioctls|tokens|users|owner|handles DIR ...");
  if (words[0] == "ioctls") ioctls(words[1], std::stoull(words.at(2)), std::stoull(words.at(3)));
  else if (words[0] == "tokens") tokens(words[1], words.at(2));
  else if (words[0] == "owner") owner(words[1]);
  else if (words[0] == "users")
    users(words[1], words.at(2), static_cast<uid_t>(std::stoul(words.at(3))),
          static_cast<uid_t>(std::stoul(words.at(4))));
  else handles(words[1]);
  return 0;
}
