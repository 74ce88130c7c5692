// How far a check is: a bar for people, or lines for programs.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cowfs {

class FsckProgress {
 public:
  /// 0: a bar on stdout, if that is a terminal; above: lines "STAGE DONE TOTAL" to that descriptor;
  /// nothing: silence.
  explicit FsckProgress(std::optional<int> fd);
  /// Takes the bar away.
  ~FsckProgress();
  FsckProgress(const FsckProgress&) = delete;
  FsckProgress& operator=(const FsckProgress&) = delete;

  void tell(std::string_view stage, std::uint64_t done, std::uint64_t total);
  void clear();

 private:
  void draw(std::string_view stage, std::uint64_t done, std::uint64_t total);

  const std::optional<int> fd_;
  const bool bar_;
  std::string stage_;
  std::size_t drawn_ = 0;  // columns
  std::chrono::steady_clock::time_point last_{};
};

}  // namespace cowfs
