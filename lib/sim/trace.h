// The trace language: one operation a line, `expect` lines make a trace a test.
//
//   machine frames=16 swap=8 profile=textbook    # first, or left out
//   proc p1
//   p1 map C anon private 3 ; p1 write C.2 'C'   # several on a line
//   p1 fork p2
//   expect frame p1:C.2 == p2:C.2
//
// docs/simulator.md has the whole language. Errors name line and column, from 1.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/error.h"
#include "lib/sim/operation.h"
#include "lib/sim/settings.h"

namespace cowfs::sim {

class Session;

struct PlaceInMemory {
  std::string process;
  std::string area;
  std::uint32_t page = 0;
};

enum class ExpectKind : std::uint8_t {
  kFrame,
  kSpace,
  kReferences,
  kRead,
  kGauge,
  kOutcome,
  kValue,
  kEntry,
  kLog,
  kState,
  kPid,
  kResult,
  kBacking,
  kDisk,
  kFile,
};

struct Expectation {
  ExpectKind kind = ExpectKind::kGauge;
  PlaceInMemory left;
  PlaceInMemory right;
  bool equal = true;   // == or !=
  bool moved = false;  // the number is how far it moved in the last operation
  std::int64_t number = 0;
  std::string word;                // gauge; outcome; state; kind of entry or backing
  std::vector<std::string> words;  // events in this order, others may lie between
  std::string bytes;
};

struct Statement {
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  std::string text;  // as it was written
  std::optional<Operation> operation;
  std::optional<Expectation> expectation;
};

struct Trace {
  MachineSettings settings;
  bool lenient = false;  // operations may end as they like without an `expect outcome`
  std::vector<Statement> statements;
};

/// kInvalidArgument: "3:7: unknown verb 'wirte'".
Result<Trace> parse_trace(std::string_view text);

/// The trace language again: settings, operations, expectations as they were written.
std::string to_text(const Trace& trace);

/// A trace of operations alone.
Trace make_trace(const MachineSettings& settings, const std::vector<Operation>& operations);

/// Why an expectation does not hold now; nothing when it does.
std::optional<std::string> unmet(const Expectation& expectation, const Session& session);

}  // namespace cowfs::sim
