#include "tools/cowsim/picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

#include "lib/sim/expectation.h"

namespace cowfs {
namespace {

using sim::Area;
using sim::Entry;
using sim::FrameId;
using sim::FrameUse;
using sim::Machine;

constexpr int kBoxWidth = 170;
constexpr int kBoxHeight = 26;
constexpr int kPitch = 34;
constexpr int kLeft = 20;
constexpr int kMiddle = 310;
constexpr int kRight = 600;
constexpr int kWidth = 790;
constexpr int kTop = 92;
constexpr std::uint32_t kMostPages = 12;  // of an area
constexpr std::size_t kMostFreeFrames = 6;

constexpr const char* kStyle =
    "text{font:13px sans-serif;fill:#000}.h{font-weight:bold;font-size:15px}.s{font-size:11px}"
    ".b{stroke:#333;stroke-width:1.3;fill:#fff}.ro{stroke-dasharray:5 "
    "3}.p{fill:#e8f3fb}.f{fill:#f4f4f4}"
    ".cache{fill:#d9f0e6}.zero{fill:#fff}.free{fill:#ddd;stroke:#999}.copy{fill:#f9dd9c;stroke:#"
    "D55E00;stroke-width:3}"
    ".l{stroke:#0072B2;stroke-width:1.5;fill:none}.disk{fill:#d9f0e6}"
    ".none{fill:#fff;stroke:#aaa;stroke-width:1}.swap{fill:#eee3f3}";

/// What a page or frame holds, by its first byte.
std::string shown_byte(const std::string& bytes) {
  return bytes.empty() ? "" : sim::quoted(std::string_view(bytes).substr(0, 1));
}

class Picture {
 public:
  Picture(const Machine& machine, const sim::Events& events, const std::string& arrow)
      : machine_(machine), arrow_(arrow) {
    for (const sim::Event& event : events) {
      if (event.kind == sim::EventKind::kCopy && event.frame && event.from)
        copied_[*event.frame] = *event.from;
    }
  }

  std::string draw(const std::string& title) {
    place_frames();
    int side = 0;
    for (const auto& [name, process] : machine_.processes()) {
      if (process.state == sim::ProcessState::kZombie) continue;
      draw_process(process, side % 2 == 1);
      ++side;
    }
    text(kMiddle, kTop - 14, "h", "physical memory");
    const int bottom = std::max({bottom_[0], bottom_[1], frames_bottom_});
    const int end = draw_files(bottom + 14);
    const int height = draw_legend(end + 16);
    return fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
        "height=\"{1}\">\n"
        "<title>{2}</title>\n<style>{3}</style>\n"
        "<defs><marker id=\"{7}\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"7\" "
        "markerHeight=\"7\" "
        "orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"#0072B2\"/></marker></defs>\n"
        "<rect width=\"{0}\" height=\"{1}\" fill=\"#fff\"/>\n"
        "<text x=\"{4}\" y=\"32\" class=\"h\">{2}</text>\n{5}{6}</svg>\n",
        kWidth, height, escape_markup(title), kStyle, kLeft, lines_, body_, arrow_);
  }

 private:
  void text(int x, int y, const char* style, const std::string& words) {
    body_ += fmt::format("<text x=\"{}\" y=\"{}\" class=\"{}\">{}</text>\n", x, y, style,
                         escape_markup(words));
  }

  /// Small, at the right end of a column.
  void note(int x, int y, const std::string& words) {
    body_ += fmt::format("<text x=\"{}\" y=\"{}\" class=\"s\" text-anchor=\"end\">{}</text>\n",
                         x + kBoxWidth - 8, y, escape_markup(words));
  }

  void box(int x, int y, int width, const std::string& style) {
    body_ += fmt::format(
        "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"3\" class=\"b {}\"/>\n", x, y,
        width, kBoxHeight, style);
  }

  bool zero_is_mapped() const {
    bool mapped = false;
    for (const auto& [id, space] : machine_.spaces()) {
      space.table.for_each([&](sim::PageNumber, const Entry& entry) {
        mapped |= entry.present() && entry.frame == sim::kZeroFrame;
      });
    }
    return mapped;
  }

  void place_frames() {
    int y = kTop;
    if (zero_is_mapped()) {
      frame_y_[sim::kZeroFrame] = y;
      box(kMiddle, y, kBoxWidth, "zero");
      text(kMiddle + 8, y + 18, "t", "the zero frame");
      y += kPitch;
    }
    for (std::uint32_t i = 0; i < machine_.frames().total(); ++i) {
      if (machine_.frames()[FrameId{i}].use == FrameUse::kFree) continue;
      draw_frame(FrameId{i}, y);
      y += kPitch;
    }
    const auto& free = machine_.frames().free_list();
    for (std::size_t i = 0; i < std::min(free.size(), kMostFreeFrames); ++i) {
      box(kMiddle, y, kBoxWidth, "free");
      text(kMiddle + 8, y + 18, "t", sim::frame_name(free[free.size() - 1 - i]) + "  free");
      y += kPitch;
    }
    if (free.size() > kMostFreeFrames) {
      text(kMiddle + 8, y + 14, "s",
           fmt::format("and {} more free frames", free.size() - kMostFreeFrames));
      y += 20;
    }
    frames_bottom_ = y;
  }

  void draw_frame(FrameId id, int y) {
    const sim::Frame& frame = machine_.frames()[id];
    frame_y_[id] = y;
    const bool cached = frame.use == FrameUse::kCache;
    const auto copied = copied_.find(id);
    box(kMiddle, y, kBoxWidth, copied != copied_.end() ? "copy" : cached ? "cache" : "f");
    std::string label = sim::frame_name(id) + "  " + shown_byte(frame.bytes);
    const std::string file = cached ? machine_.objects().at(frame.owner.object).name : "";
    if (!file.empty()) label += fmt::format("  {}.{}", file, frame.owner.page);
    if (copied != copied_.end()) label += "  copy of " + sim::frame_name(copied->second);
    text(kMiddle + 8, y + 18, "t", label);
  }

  void draw_process(const sim::Process& process, bool right) {
    int& y = bottom_[right ? 1 : 0];
    const int x = right ? kRight : kLeft;
    text(x, y - 14, "h", "process " + process.name);
    if (process.state == sim::ProcessState::kVforkWait) note(x, y - 14, "waits");
    if (!process.vfork_parent.empty()) note(x, y - 14, "in " + process.vfork_parent);
    const sim::AddressSpace& space = machine_.spaces().at(process.space);
    for (const Area& area : space.areas) {
      for (std::uint32_t i = 0; i < std::min(area.pages, kMostPages); ++i)
        draw_page(process, area, i, right, y);
      if (area.pages > kMostPages) {
        text(x + 8, y + 12, "s",
             fmt::format("and {} more pages of {}", area.pages - kMostPages, area.name));
        y += 20;
      }
    }
    y += 40;
  }

  void draw_page(const sim::Process& process, const Area& area, std::uint32_t index, bool right,
                 int& y) {
    const int x = right ? kRight : kLeft;
    const std::string kind = sim::entry_kind(machine_, {process.name, area.name, index});
    const Entry* entry = machine_.entry(process.name, area.name, index);
    const bool present = entry != nullptr && entry->present();
    box(x, y, kBoxWidth, kind == "rw" ? "p" : present ? "p ro" : "none");
    const auto bytes = machine_.peek(process.name, area.name, index);
    std::string label = fmt::format("{}.{}", area.name, index);
    if (present && bytes) label += "  " + shown_byte(*bytes);
    text(x + 8, y + 18, "t", label);
    std::string flag = kind == "cow"    ? "ro cow"
                       : kind == "zero" ? "ro"
                       : kind == "none" ? "no entry"
                                        : kind;
    if (entry != nullptr && entry->swapped()) flag = fmt::format("in swap s{}", raw(entry->slot));
    note(x, y + 17, flag);
    if (present)
      arrow(y + kBoxHeight / 2, frame_y_.at(entry->frame) + kBoxHeight / 2, right, kind != "rw");
    y += kPitch;
  }

  void arrow(int from_y, int to_y, bool right, bool read_only) {
    const int from_x = right ? kRight : kLeft + kBoxWidth;
    const int to_x = right ? kMiddle + kBoxWidth : kMiddle;
    lines_ += fmt::format(
        "<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" class=\"l{}\" marker-end=\"url(#{})\"/>\n",
        from_x, from_y, to_x, to_y, read_only ? " ro" : "", arrow_);
  }

  int draw_files(int y) {
    for (const auto& [id, object] : machine_.objects()) {
      if (object.kind != sim::FileKind::kDisk || object.pages.size() > kMostPages ||
          object.pages.empty())
        continue;
      text(kLeft, y + 18, "h", "disk: " + object.name);
      int x = kLeft + 110;
      for (std::size_t i = 0; i < object.pages.size(); ++i) {
        box(x, y, 46, "disk");
        text(x + 6, y + 18, "s", fmt::format("{}: {}", i, shown_byte(object.pages[i].disk)));
        x += 52;
      }
      y += kPitch + 4;
    }
    return draw_swap(y);
  }

  int draw_swap(int y) {
    if (machine_.swap().total() == 0 || machine_.swap().total() > kMostPages) return y;
    text(kLeft, y + 18, "h", "swap");
    int x = kLeft + 110;
    for (std::uint32_t i = 0; i < machine_.swap().total(); ++i) {
      const sim::Slot& slot = machine_.swap()[sim::SlotId{i}];
      box(x, y, 46, slot.used ? "swap" : "free");
      text(x + 6, y + 18, "s", fmt::format("s{} {}", i, slot.used ? shown_byte(slot.bytes) : ""));
      x += 52;
    }
    return y + kPitch + 4;
  }

  int draw_legend(int y) {
    lines_ += fmt::format("<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" class=\"l\"/>\n", kLeft, y,
                          kLeft + 30, y);
    text(kLeft + 38, y + 4, "s", "rw: may be written");
    lines_ += fmt::format("<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" class=\"l ro\"/>\n",
                          kLeft + 170, y, kLeft + 200, y);
    text(kLeft + 208, y + 4, "s", "ro: read-only");
    text(kLeft + 320, y + 4, "s",
         "cow: a write faults, and is given a copy unless this is the last owner");
    return y + 20;
  }

  const Machine& machine_;
  const std::string& arrow_;  // its name in the page
  std::map<FrameId, FrameId> copied_;
  std::map<FrameId, int> frame_y_;
  int bottom_[2] = {kTop, kTop};
  int frames_bottom_ = kTop;
  std::string lines_;
  std::string body_;
};

}  // namespace

std::string escape_markup(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string draw_machine(const Machine& machine, const std::string& title,
                         const sim::Events& events, const std::string& arrow) {
  return Picture(machine, events, arrow).draw(title);
}

}  // namespace cowfs
