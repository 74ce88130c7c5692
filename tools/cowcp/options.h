// What a command line of cowcp asks for: cp's options by their meaning, and ours.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cowfs {

inline constexpr char kCowcp[] = "cowcp";

/// How the bytes of a file come from one place to the other, the best first.
enum class Method { kAuto, kCloneTree, kClone, kCopyRange, kMmap, kReadWrite };

std::string_view method_name(Method method);

enum class Dereference { kNever, kCommandLine, kAlways };
enum class When { kAuto, kAlways, kNever };
enum class Interactive { kUnspecified, kAsk, kNeverOverwrite };
enum class Backup { kNone, kSimple, kExisting, kNumbered };

/// What is kept beside the content (--preserve). `required`: failing to is an error.
struct Preserve {
  bool mode = false;
  bool ownership = false;
  bool timestamps = false;
  bool links = false;
  bool attributes = false;
  bool mode_required = false;
  bool attributes_required = false;
  bool no_mode = false;  // --no-preserve=mode was given
};

struct CopyOptions {
  Method method = Method::kAuto;
  Dereference dereference = Dereference::kAlways;
  When reflink = When::kAuto;
  When sparse = When::kAuto;
  Interactive interactive = Interactive::kUnspecified;
  Backup backup = Backup::kNone;
  std::string backup_suffix = "~";
  Preserve preserve;
  bool recursive = false;
  bool force = false;
  bool update = false;
  bool hard_link = false;
  bool symbolic_link = false;
  bool one_file_system = false;
  bool parents = false;
  bool remove_destination = false;
  bool attributes_only = false;
  bool strip_trailing_slashes = false;
  bool no_target_directory = false;
  std::string target_directory;  // -t; meaningful with has_target_directory
  bool has_target_directory = false;

  bool verbose = false;
  bool debug = false;
  bool json = false;
  bool stats = false;
  When progress = When::kAuto;
  bool sync = false;
  unsigned jobs = 0;  // threads that copy files; 0: as many as measured best

  /// Special files are read like ordinary ones, as cp does without -r.
  bool copy_as_regular() const { return !recursive; }
  /// Each copy is told. (A tree clone is one: --debug takes it, -v asks for cp's lines and does not.)
  bool names_each() const { return verbose || debug; }
};

}  // namespace cowfs
