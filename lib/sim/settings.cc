#include "lib/sim/settings.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <functional>
#include <optional>

namespace cowfs::sim {
namespace {

constexpr std::uint32_t kMostFrames = 1U << 22;
constexpr std::uint32_t kMostPageSize = 65536;

std::optional<std::uint32_t> number(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

struct NumberField {
  std::string_view key;
  std::uint32_t MachineSettings::* member;
  std::uint32_t least;
  std::uint32_t most;
};

constexpr std::array<NumberField, 7> kNumbers{{
    {"frames", &MachineSettings::frames, 1, kMostFrames},
    {"swap", &MachineSettings::swap_slots, 0, kMostFrames},
    {"page", &MachineSettings::page_size, 1, kMostPageSize},
    {"eager-stack", &MachineSettings::eager_stack, 0, 64},
    {"pids", &MachineSettings::pid_limit, 2, 1U << 22},
    {"fault-around", &MachineSettings::fault_around, 1, 512},
    {"readahead", &MachineSettings::readahead, 1, 512},
}};

struct WordField {
  std::string_view key;
  bool MachineSettings::* member;
  std::string_view no;
  std::string_view yes;
};

constexpr std::array<WordField, 7> kWords{{
    {"fork", &MachineSettings::full_copy_fork, "cow", "full"},
    {"reuse", &MachineSettings::reuse, "off", "on"},
    {"backing", &MachineSettings::swap_programs, "file", "swap"},
    {"close", &MachineSettings::close_writes_back, "keep", "writeback"},
    {"fork-tables", &MachineSettings::fork_copies_all_tables, "anonymous", "all"},
    {"protect-restores", &MachineSettings::protect_restores, "off", "on"},
    {"write-notify", &MachineSettings::write_notify, "off", "on"},
}};

constexpr std::array<std::string_view, 3> kPolicies{"fifo", "clock", "lru"};

Result<void> bad(std::string_view key, std::string_view value, std::string_view wanted) {
  return fail(ErrorCode::kInvalidArgument, fmt::format("{}={}: expected {}", key, value, wanted));
}

Result<void> set_profile(MachineSettings& settings, std::string_view value) {
  if (value != "textbook" && value != "linux") return bad("profile", value, "textbook or linux");
  const MachineSettings rules =
      settings_of(value == "linux" ? Profile::kLinux : Profile::kTextbook);
  settings.profile = rules.profile;
  settings.close_writes_back = rules.close_writes_back;
  settings.fork_copies_all_tables = rules.fork_copies_all_tables;
  settings.protect_restores = rules.protect_restores;
  settings.write_notify = rules.write_notify;
  settings.fault_around = rules.fault_around;
  settings.readahead = rules.readahead;
  return {};
}

}  // namespace

std::string_view seeded_bug_name(SeededBug bug) {
  constexpr std::array<std::string_view, kSeededBugs + 1> names{"none",
                                                                "forget-reference",
                                                                "forget-parent-protect",
                                                                "copy-after-write",
                                                                "leak-old-frame",
                                                                "skip-dirty",
                                                                "free-shared-frame",
                                                                "wake-parent-early",
                                                                "cow-shared-area",
                                                                "lose-zero-fill",
                                                                "reuse-shared-frame",
                                                                "no-reprotect-at-msync",
                                                                "double-free-slot"};
  return names[static_cast<std::size_t>(bug)];
}

MachineSettings settings_of(Profile profile) {
  MachineSettings settings;
  if (profile == Profile::kTextbook) return settings;
  settings.profile = profile;
  settings.close_writes_back = false;
  settings.fork_copies_all_tables = false;
  settings.protect_restores = true;
  settings.write_notify = true;
  settings.fault_around = 16;
  settings.readahead = 64;
  return settings;
}

std::string to_text(const MachineSettings& settings) {
  const MachineSettings usual = settings_of(settings.profile);
  std::string out = "machine";
  for (const NumberField& field : kNumbers) {
    const bool always = field.key == "frames" || field.key == "swap" || field.key == "page";
    if (!always && settings.*field.member == usual.*field.member) continue;
    out += fmt::format(" {}={}", field.key, settings.*field.member);
    if (field.key == "page") {
      out += fmt::format(" profile={} policy={}",
                         settings.profile == Profile::kLinux ? "linux" : "textbook",
                         kPolicies[static_cast<std::size_t>(settings.policy)]);
    }
  }
  for (const WordField& field : kWords) {
    if (settings.*field.member == usual.*field.member) continue;
    out += fmt::format(" {}={}", field.key, settings.*field.member ? field.yes : field.no);
  }
  return out;
}

Result<void> set_field(MachineSettings& settings, std::string_view key, std::string_view value) {
  if (key == "profile") return set_profile(settings, value);
  if (key == "policy") {
    for (std::size_t i = 0; i < kPolicies.size(); ++i) {
      if (value != kPolicies[i]) continue;
      settings.policy = static_cast<Policy>(i);
      return {};
    }
    return bad(key, value, "fifo, clock or lru");
  }
  for (const NumberField& field : kNumbers) {
    if (field.key != key) continue;
    const auto parsed = number(value);
    if (!parsed || *parsed < field.least || *parsed > field.most) {
      return bad(key, value, fmt::format("a number from {} to {}", field.least, field.most));
    }
    settings.*field.member = *parsed;
    return {};
  }
  for (const WordField& field : kWords) {
    if (field.key != key) continue;
    if (value != field.yes && value != field.no) {
      return bad(key, value, fmt::format("{} or {}", field.no, field.yes));
    }
    settings.*field.member = value == field.yes;
    return {};
  }
  return fail(ErrorCode::kInvalidArgument, fmt::format("unknown setting '{}'", key));
}

}  // namespace cowfs::sim
