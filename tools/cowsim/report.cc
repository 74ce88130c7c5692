#include "tools/cowsim/report.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "lib/sim/expectation.h"
#include "lib/sim/session.h"
#include "tools/common/text.h"
#include "tools/cowsim/picture.h"

namespace cowfs {
namespace {

using Rows = std::vector<std::vector<std::string>>;

/// visit(process, area, page) for every page of every live process.
template <typename Visit>
void for_each_page(const sim::Machine& machine, Visit visit) {
  for (const auto& [name, process] : machine.processes()) {
    const sim::AddressSpace* space = machine.space_of(name);
    if (space == nullptr) continue;
    for (const sim::Area& area : space->areas) {
      for (std::uint32_t i = 0; i < area.pages; ++i) visit(name, area, i);
    }
  }
}

std::string where(const sim::Machine& machine, const std::string& process, const sim::Area& area,
                  std::uint32_t page) {
  const sim::Entry* entry = machine.entry(process, area.name, page);
  if (entry == nullptr || entry->state == sim::Entry::State::kNone) return "-";
  if (entry->swapped()) return fmt::format("s{}", raw(entry->slot));
  return sim::frame_name(entry->frame);
}

Rows page_rows(const sim::Machine& machine) {
  Rows rows{{"PAGE", "FRAME", "ENTRY", "DIRTY", "BACKING", "VALUE"}};
  for_each_page(machine, [&](const std::string& process, const sim::Area& area, std::uint32_t i) {
    const sim::PlaceInMemory place{process, area.name, i};
    const sim::Entry* entry = machine.entry(process, area.name, i);
    const auto bytes = machine.peek(process, area.name, i);
    rows.push_back(
        {fmt::format("{}:{}.{}", process, area.name, i), where(machine, process, area, i),
         sim::entry_kind(machine, place), entry != nullptr && entry->dirty ? "yes" : "-",
         sim::backing_kind(machine, place), bytes ? sim::quoted(bytes->substr(0, 1)) : "-"});
  });
  return rows;
}

Rows frame_rows(const sim::Machine& machine) {
  std::map<sim::FrameId, std::string> users;
  for_each_page(machine, [&](const std::string& process, const sim::Area& area, std::uint32_t i) {
    const sim::Entry* entry = machine.entry(process, area.name, i);
    if (entry == nullptr || !entry->present()) return;
    users[entry->frame] +=
        fmt::format("{}{}:{}.{}", users[entry->frame].empty() ? "" : " ", process, area.name, i);
  });
  Rows rows{{"FRAME", "KIND", "REFS", "MAPPED BY"}};
  for (std::uint32_t i = 0; i < machine.frames().total(); ++i) {
    const sim::Frame& frame = machine.frames()[sim::FrameId{i}];
    if (frame.use == sim::FrameUse::kFree) continue;
    const bool cache = frame.use == sim::FrameUse::kCache;
    const std::string file = cache ? machine.objects().at(frame.owner.object).name : "";
    rows.push_back({sim::frame_name(sim::FrameId{i}),
                    !cache         ? "anon"
                    : file.empty() ? "shared"
                                   : fmt::format("{}.{}", file, frame.owner.page),
                    std::to_string(frame.references), users[sim::FrameId{i}]});
  }
  if (users.contains(sim::kZeroFrame))
    rows.push_back({"zero", "zero", "-", users[sim::kZeroFrame]});
  return rows;
}

Rows gauge_rows(const sim::Machine& machine) {
  Rows rows{{"COUNT", ""}};
  for (const auto& [name, value] : sim::gauges(machine))
    rows.push_back({std::string(name), std::to_string(value)});
  return rows;
}

std::string events_text(const sim::Events& events) {
  std::string out;
  for (const sim::Event& event : events) out += (out.empty() ? "" : ", ") + sim::to_text(event);
  return out;
}

constexpr const char* kPageHead = R"(<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<style>
body{font:16px sans-serif;max-width:820px;margin:1em auto;padding:0 1em;color:#000;background:#fff}
button{font:inherit;padding:.3em 1em}section{display:none}section.on{display:block}
code{background:#eee;padding:.1em .3em}li{margin:.2em 0}svg{max-width:100%;height:auto}
</style>
<noscript><style>section{display:block}#steps{display:none}</style></noscript>
)";

constexpr const char* kPageScript = R"(<script>
(function(){var all=document.querySelectorAll('section'),at=0;
function show(n){at=Math.max(0,Math.min(all.length-1,n));
for(var i=0;i<all.length;i++)all[i].className=i===at?'on':'';
document.getElementById('at').textContent=(at+1)+' of '+all.length}
document.getElementById('back').onclick=function(){show(at-1)};
document.getElementById('next').onclick=function(){show(at+1)};
document.onkeydown=function(e){if(e.key==='ArrowRight')show(at+1);if(e.key==='ArrowLeft')show(at-1)};
show(0)})();
</script>
)";

/// What to say of an operation that had no events.
std::string_view nothing_happened(sim::Verb verb) {
  switch (verb) {
    case sim::Verb::kFile:
    case sim::Verb::kProgram:
    case sim::Verb::kProcess: return "Nothing of it is in memory yet.";
    case sim::Verb::kMap: return "The area exists; its pages are provided when they are used.";
    case sim::Verb::kRead:
    case sim::Verb::kWrite:
    case sim::Verb::kFetch:
    case sim::Verb::kCopy: return "No fault: nothing for the kernel to do.";
    default: return "No page changes.";
  }
}

}  // namespace

std::string step_line(const sim::Statement& statement, const sim::StepResult& result) {
  const std::string value = result.value.empty() ? "" : " " + sim::quoted(result.value);
  std::string line = fmt::format("{:>4}  {:<34} {:<9}  {}", statement.line, statement.text,
                                 std::string(sim::outcome_name(result.outcome)) + value,
                                 events_text(result.events));
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

std::string step_in_words(const sim::Statement& statement, const sim::StepResult& result) {
  std::string out = fmt::format("line {}: {}\n", statement.line, statement.text);
  for (const sim::Event& event : result.events) out += "    " + sim::in_words(event) + "\n";
  if (result.events.empty())
    out += fmt::format("    {}\n", nothing_happened(statement.operation->verb));
  if (!result.value.empty()) out += fmt::format("    It reads {}.\n", sim::quoted(result.value));
  if (result.outcome != sim::Outcome::kOk)
    out += fmt::format("    It ends with '{}'.\n", sim::outcome_name(result.outcome));
  return out;
}

std::string machine_tables(const sim::Machine& machine) {
  return format_table(page_rows(machine)) + "\n" + format_table(frame_rows(machine)) + "\n" +
         format_table(gauge_rows(machine));
}

nlohmann::ordered_json step_as_json(const sim::Statement& statement, const sim::StepResult& result,
                                    const sim::Machine& machine) {
  nlohmann::ordered_json step;
  step["line"] = statement.line;
  step["operation"] = statement.text;
  step["outcome"] = sim::outcome_name(result.outcome);
  if (!result.value.empty()) step["value"] = sim::quoted(result.value);
  step["events"] = nlohmann::ordered_json::array();
  for (const sim::Event& event : result.events) step["events"].push_back(sim::to_text(event));
  for (const auto& [name, value] : sim::gauges(machine))
    step["counters"][std::string(name)] = value;
  step["pages"] = nlohmann::ordered_json::array();
  for_each_page(machine, [&](const std::string& process, const sim::Area& area, std::uint32_t i) {
    const std::string frame = where(machine, process, area, i);
    if (frame == "-") return;
    step["pages"].push_back({{"process", process},
                             {"area", area.name},
                             {"page", i},
                             {"frame", frame},
                             {"entry", sim::entry_kind(machine, {process, area.name, i})}});
  });
  return step;
}

std::string html_page(const std::string& title, const std::vector<ShownStep>& steps) {
  std::string out = kPageHead + fmt::format("<title>{0}</title></head><body>\n<h1>{0}</h1>\n",
                                            escape_markup(title));
  out +=
      "<p id=\"steps\"><button id=\"back\">Back</button> <button id=\"next\">Next</button> step "
      "<span "
      "id=\"at\"></span></p>\n";
  for (const ShownStep& step : steps) {
    out += fmt::format("<section>\n<p>line {}: <code>{}</code>: {}</p>\n{}<ol>\n", step.line,
                       escape_markup(step.operation), sim::outcome_name(step.result.outcome),
                       step.picture);
    for (const sim::Event& event : step.result.events)
      out += "<li>" + escape_markup(sim::in_words(event)) + "</li>\n";
    out += "</ol>\n</section>\n";
  }
  return out + kPageScript + "</body></html>\n";
}

}  // namespace cowfs
