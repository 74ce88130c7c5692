#include "lib/sim/trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "lib/sim/address_space.h"
#include "lib/sim/expectation.h"
#include "lib/sim/token.h"

namespace cowfs::sim {
namespace {

constexpr std::uint32_t kMostFilePages = 4096;

std::optional<Verb> verb_of(std::string_view word) {
  for (int i = 0; i < kVerbs; ++i) {
    if (verb_name(static_cast<Verb>(i)) == word) return static_cast<Verb>(i);
  }
  return std::nullopt;
}

Access read_access(TokenReader& in) {
  if (in.accept("ro")) return Access::kReadOnly;
  if (in.accept("rx")) return Access::kReadExecute;
  if (!in.accept("rw")) {
    (void)in.word("ro, rw or rx");
    in.complain("expected ro, rw or rx");
  }
  return Access::kReadWrite;
}

void read_file(TokenReader& in, Operation& op) {
  op.name = in.name("the name of the file");
  bool has_pages = false;
  std::string key;
  std::string value;
  while (in.assignment(key, value)) {
    const auto number = parse_number(value);
    if (key == "pages" && number && *number <= kMostFilePages) {
      op.count = *number;
      has_pages = true;
    } else if (key == "fill" &&
               (value == "seq" || value == "zero" || (parse_bytes(value) && value[0] == '\''))) {
      op.fill = value[0] == '\'' ? *parse_bytes(value) : value;
    } else if (key == "kind" && (value == "disk" || value == "tmpfs")) {
      op.kind = value == "disk" ? FileKind::kDisk : FileKind::kMemory;
    } else {
      in.complain(fmt::format("'{}={}': expected pages=N, fill=seq|zero|'x' or kind=disk|tmpfs",
                              key, value));
    }
  }
  if (!has_pages) in.complain("a file needs pages=N");
}

void read_program(TokenReader& in, Operation& op) {
  op.name = in.name("the name of the program");
  op.layout = {.text = 1, .data = 0, .bss = 0, .heap = 0, .stack = 1};
  struct Field {
    std::string_view key;
    std::uint32_t ProgramLayout::* member;
    std::uint32_t most;
  };
  constexpr std::array<Field, 5> fields{{{"text", &ProgramLayout::text, 256},
                                         {"data", &ProgramLayout::data, 256},
                                         {"bss", &ProgramLayout::bss, 512},
                                         {"heap", &ProgramLayout::heap, 16384},
                                         {"stack", &ProgramLayout::stack, kStackLimit}}};
  std::string key;
  std::string value;
  while (in.assignment(key, value)) {
    const auto field = std::ranges::find(fields, key, &Field::key);
    const auto number = parse_number(value);
    if (field == fields.end() || !number || *number > field->most) {
      in.complain(
          fmt::format("'{}={}': expected text, data, bss, heap or stack = pages", key, value));
      return;
    }
    op.layout.*field->member = *number;
  }
}

void read_map(TokenReader& in, Operation& op) {
  op.name = in.name("the name of the area");
  op.other = in.name("anon or the name of a file");
  op.shared = in.accept("shared");
  if (!op.shared && !in.accept("private")) {
    (void)in.word("private or shared");
    in.complain("expected private or shared");
  }
  op.count = in.number("pages", 1, kMostAreaPages);
  if (in.more() && !in.peek().starts_with("from=")) op.access = read_access(in);
  std::string key;
  std::string value;
  if (in.assignment(key, value)) {
    const auto from = parse_number(value);
    if (key != "from" || !from || *from > kMostFilePages)
      in.complain("expected from=PAGE of the file");
    op.from = from.value_or(0);
  }
}

void set_place(TokenReader& in, Operation& op) {
  const TokenReader::Place place = in.place();
  op.name = place.name;
  op.pages = place.pages;
  op.offset = place.offset;
}

void need_page(TokenReader& in, const Operation& op) {
  if (op.pages.whole)
    in.complain(fmt::format("'{}' needs a page: {}.0", verb_name(op.verb), op.name));
}

void read_machine_verb(TokenReader& in, Operation& op) {
  switch (op.verb) {
    case Verb::kFile: return read_file(in, op);
    case Verb::kProgram: return read_program(in, op);
    case Verb::kProcess:
      op.process = in.name("the name of the process");
      if (in.accept("exec")) op.other = in.name("the name of a program");
      return;
    case Verb::kWarm: op.name = in.name("the name of a file"); return;
    case Verb::kPicture: {
      (void)in.accept("svg");
      op.name = in.word("the name of the picture");
      const bool plain = std::ranges::all_of(
          op.name, [](char c) { return is_name(std::string("_") + c) || c == '-' || c == '.'; });
      if (!plain || op.name.starts_with('.'))
        in.complain("the name of a picture has letters, digits, '-', '_' and '.'");
      return;
    }
    case Verb::kEvict:
      op.process = in.name("the name of the process");
      set_place(in, op);
      return need_page(in, op);
    case Verb::kWriteback: (void)in.accept("tick"); return;
    default: return;
  }
}

void read_process_verb(TokenReader& in, Operation& op) {
  switch (op.verb) {
    case Verb::kMap: return read_map(in, op);
    case Verb::kWrite:
    case Verb::kPwrite:
      set_place(in, op);
      if (op.verb == Verb::kPwrite) need_page(in, op);
      op.bytes = in.bytes();
      return;
    case Verb::kCopy: {
      set_place(in, op);
      need_page(in, op);
      const TokenReader::Place source = in.place();
      op.other = source.name;
      op.source = source.pages;
      if (source.pages.whole) in.complain("the source needs pages, as many as the target");
      return;
    }
    case Verb::kFork:
    case Verb::kVfork:
    case Verb::kWait: op.other = in.name("the name of the child"); return;
    case Verb::kExec: op.other = in.name("the name of a program"); return;
    case Verb::kExit: return;
    case Verb::kProtect:
      op.name = in.name("the name of the area");
      op.access = read_access(in);
      return;
    case Verb::kTruncate:
      op.name = in.name("the name of the file");
      op.count = in.number("pages", 0, kMostFilePages);
      return;
    case Verb::kPin:
    case Verb::kUnpin:
    case Verb::kPread: set_place(in, op); return need_page(in, op);
    default: return set_place(in, op);
  }
}

Operation read_operation(TokenReader& in) {
  Operation op;
  const std::string first = in.word("an operation");
  const auto own = verb_of(first);
  if (own && *own <= Verb::kKill) {
    op.verb = *own;
    read_machine_verb(in, op);
    return op;
  }
  if (!is_name(first) || own) {
    in.complain(own ? fmt::format("'{}' needs a process before it", first)
                    : fmt::format("unknown verb '{}'", first));
    return op;
  }
  op.process = first;
  const std::string verb = in.word("a verb");
  const auto known = verb_of(verb);
  if (!known || *known <= Verb::kKill) {
    in.complain(fmt::format("unknown verb '{}'", verb));
    return op;
  }
  op.verb = *known;
  read_process_verb(in, op);
  return op;
}

void read_settings(TokenReader& in, Trace& trace) {
  std::string key;
  std::string value;
  // The profile first: it sets what others may override.
  MachineSettings settings;
  std::vector<std::pair<std::string, std::string>> others;
  while (in.assignment(key, value)) {
    if (key != "profile") {
      others.emplace_back(key, value);
    } else if (const auto set = set_field(settings, key, value); !set) {
      return in.complain(set.error().text);
    }
  }
  for (const auto& [name, text] : others) {
    if (const auto set = set_field(settings, name, text); !set)
      return in.complain(set.error().text);
  }
  trace.settings = settings;
}

std::string joined(const std::vector<Token>& tokens) {
  std::string out;
  for (const Token& token : tokens) out += (out.empty() ? "" : " ") + token.text;
  return out;
}

}  // namespace

Result<Trace> parse_trace(std::string_view text) {
  Trace trace;
  std::uint32_t line_number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++line_number;
    for (const std::vector<Token>& tokens : split_line(line)) {
      TokenReader in(tokens, line_number);
      Statement statement{line_number, tokens.front().column, joined(tokens), std::nullopt,
                          std::nullopt};
      if (in.accept("machine")) {
        if (!trace.statements.empty()) in.complain("'machine' comes first");
        read_settings(in, trace);
      } else if (in.accept("lenient")) {
        trace.lenient = true;
      } else if (in.accept("expect")) {
        statement.expectation = read_expectation(in);
      } else {
        statement.operation = read_operation(in);
      }
      in.end();
      if (in.error()) return fail(*in.error());
      if (statement.operation || statement.expectation)
        trace.statements.push_back(std::move(statement));
    }
  }
  return trace;
}

std::string to_text(const Trace& trace) {
  std::string out = to_text(trace.settings) + "\n";
  if (trace.lenient) out += "lenient\n";
  for (const Statement& statement : trace.statements) out += statement.text + "\n";
  return out;
}

Trace make_trace(const MachineSettings& settings, const std::vector<Operation>& operations) {
  Trace trace;
  trace.settings = settings;
  trace.lenient = true;
  for (const Operation& operation : operations) {
    const auto line = static_cast<std::uint32_t>(trace.statements.size() + 3);
    trace.statements.push_back({line, 1, to_text(operation), operation, std::nullopt});
  }
  return trace;
}

}  // namespace cowfs::sim
