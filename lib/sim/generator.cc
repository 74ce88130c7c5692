#include "lib/sim/generator.h"

#include <fmt/format.h>

#include <algorithm>

namespace cowfs::sim {
namespace {

constexpr std::uint32_t kFilePages = 6;

class Generator {
 public:
  Generator(const TraceWish& wish, std::uint64_t seed)
      : wish_(wish), random_(seed), model_(small_pages(wish.settings)) {}

  std::vector<Operation> run() {
    prepare();
    while (operations_.size() < wish_.steps) step();
    return std::move(operations_);
  }

 private:
  static MachineSettings small_pages(MachineSettings settings) {
    settings.page_size = 1;  // the model only tells which names exist
    return settings;
  }

  void add(const Operation& op) {
    Operation at_first_byte = op;
    at_first_byte.offset = 0;
    if (!at_first_byte.bytes.empty()) at_first_byte.bytes.resize(1);
    (void)model_.apply(at_first_byte);
    operations_.push_back(op);
  }

  void prepare() {
    if (wish_.files && wish_.disk_files) add_file("f0", FileKind::kDisk);
    if (wish_.files) add_file("f1", FileKind::kMemory);
    if (wish_.exec) {
      Operation op;
      op.verb = Verb::kProgram;
      op.name = "prog";
      op.layout = wish_.program;
      add(op);
    }
    Operation op;
    op.verb = Verb::kProcess;
    op.process = "p1";
    names_ = 1;
    if (wish_.exec && random_.one_in(2)) op.other = "prog";
    add(op);
  }

  void add_file(const std::string& name, FileKind kind) {
    Operation op;
    op.verb = Verb::kFile;
    op.name = name;
    op.count = kFilePages;
    op.kind = kind;
    add(op);
    if (kind == FileKind::kDisk && !wish_.replacement) {
      op = Operation{};
      op.verb = Verb::kWarm;
      op.name = name;
      add(op);
    }
  }

  void step() {
    const std::vector<std::string> running = model_.running_processes();
    if (running.empty()) {
      Operation op;
      op.verb = Verb::kProcess;
      op.process = new_name();
      return add(op);
    }
    process_ = running[random_.below(running.size())];
    const auto areas = model_.areas(process_);
    if (areas.empty()) return map();
    const std::uint32_t roll = random_.below(100);
    if (roll < 34) return write();
    if (roll < 58) return read();
    if (roll < 66) return fork();
    if (roll < 72) return map();
    if (roll < 76) return leave();
    if (roll < 80) return dont_need();
    if (roll < 84) return change_area();
    if (roll < 92) return use_file();
    return rare();
  }

  std::string new_name() { return fmt::format("p{}", ++names_); }

  std::string any_file() { return wish_.disk_files && random_.one_in(2) ? "f0" : "f1"; }

  Operation of(Verb verb) {
    Operation op;
    op.verb = verb;
    op.process = process_;
    return op;
  }

  Operation on_area(Verb verb) {
    Operation op = of(verb);
    const auto areas = model_.areas(process_);
    if (areas.empty()) return op;
    const auto& [name, pages] = areas[random_.below(areas.size())];
    op.name = name;
    std::uint32_t page = random_.below(pages);
    if (wish_.violations && random_.one_in(40)) page = pages + random_.below(2);
    op.pages = {page, page, false};
    return op;
  }

  std::string value() { return std::string(1, static_cast<char>('A' + random_.below(58))); }

  void write() {
    Operation op = on_area(Verb::kWrite);
    op.bytes = value();
    if (random_.one_in(3)) op.offset = random_.below(wish_.settings.page_size);
    if (op.bytes == "\\" || op.bytes == "'" || op.bytes == "\"") op.bytes = "x";
    add(op);
  }

  void read() {
    Operation op = on_area(Verb::kRead);
    if (op.name == "text" && random_.one_in(2)) op.verb = Verb::kFetch;
    add(op);
  }

  void fork() {
    if (model_.live_processes().size() >= wish_.most_processes) return leave();
    const bool vfork = wish_.vfork && random_.one_in(4);
    Operation op = of(vfork ? Verb::kVfork : Verb::kFork);
    op.other = new_name();
    add(op);
  }

  void map() {
    if (model_.areas(process_).size() >= wish_.most_areas) return write();
    Operation op = of(Verb::kMap);
    const auto areas = model_.areas(process_);
    std::uint32_t number = 0;
    do {
      op.name = fmt::format("a{}", number++);
    } while (std::ranges::any_of(areas, [&](const auto& area) { return area.first == op.name; }));
    op.count = 1 + random_.below(wish_.most_area_pages);
    const bool of_file = wish_.files && random_.one_in(2);
    op.other = of_file ? any_file() : "anon";
    op.shared = wish_.shared && random_.one_in(2);
    if (of_file && !wish_.violations) op.count = std::min(op.count, kFilePages);
    if (of_file && random_.one_in(3))
      op.from = random_.below(wish_.violations ? kFilePages : kFilePages - op.count + 1);
    if (wish_.protect && random_.one_in(8)) op.access = Access::kReadOnly;
    add(op);
  }

  void leave() {
    if (wish_.exec && random_.one_in(3)) {
      Operation op = of(Verb::kExec);
      op.other = "prog";
      return add(op);
    }
    if (model_.live_processes().size() < 2 && !random_.one_in(20)) return write();
    add(of(Verb::kExit));
  }

  void dont_need() {
    Operation op = on_area(Verb::kDontneed);
    if (random_.one_in(4)) op.pages = {};
    add(op);
  }

  void change_area() {
    if (wish_.unmap && random_.one_in(3)) {
      Operation op = on_area(Verb::kUnmap);
      op.pages = {};
      return add(op);
    }
    if (!wish_.protect) return read();
    Operation op = on_area(Verb::kProtect);
    op.pages = {};
    op.access = random_.one_in(2) ? Access::kReadOnly : Access::kReadWrite;
    add(op);
  }

  void use_file() {
    if (random_.one_in(4)) {
      Operation op = on_area(Verb::kMsync);
      op.pages = {};
      return add(op);
    }
    if (!wish_.files) return write();
    Operation op = of(random_.one_in(2) ? Verb::kPread : Verb::kPwrite);
    op.name = any_file();
    const std::uint32_t page = random_.below(kFilePages);
    op.pages = {page, page, false};
    if (op.verb == Verb::kPwrite)
      op.bytes = std::string(1, static_cast<char>('a' + random_.below(26)));
    add(op);
  }

  void rare() {
    if (wish_.restarts && random_.one_in(3)) {
      Operation op;
      op.verb = random_.one_in(2) ? Verb::kRemount : Verb::kKill;
      return add(op);
    }
    if (wish_.replacement && random_.one_in(2)) return replace();
    if (wish_.kernel_state) return kernel_state();
    write();
  }

  void replace() {
    Operation op = on_area(Verb::kEvict);
    const std::uint32_t roll = random_.below(4);
    if (roll == 0) op = of(Verb::kReclaim);
    if (roll == 1) op = of(Verb::kWriteback);
    add(op);
  }

  void kernel_state() {
    Operation op;
    switch (random_.below(6)) {
      case 0: op = on_area(Verb::kPin); break;
      case 1: op = on_area(Verb::kUnpin); break;
      case 2:
        op = of(Verb::kLock);
        op.name = "m";
        break;
      case 3:
        op = of(Verb::kUnlock);
        op.name = "m";
        break;
      case 4:
        op = of(Verb::kClose);
        op.name = any_file();
        break;
      default:
        if (!wish_.truncate) return write();
        op = of(Verb::kTruncate);
        op.name = any_file();
        op.count = 3 + random_.below(5);
        break;
    }
    add(op);
  }

  const TraceWish& wish_;
  Random random_;
  ReferenceModel model_;
  std::string process_;
  std::uint32_t names_ = 0;
  std::vector<Operation> operations_;
};

}  // namespace

TraceWish fuzz_wish(std::uint64_t seed) {
  Random random(seed ^ 0x5eed);
  TraceWish wish;
  wish.settings = settings_of(random.one_in(2) ? Profile::kLinux : Profile::kTextbook);
  wish.settings.page_size = 16;
  wish.settings.frames = 12 + random.below(30);
  wish.settings.swap_slots = random.below(24);
  wish.settings.policy = static_cast<Policy>(random.below(3));
  wish.settings.full_copy_fork = random.one_in(12);
  wish.settings.reuse = !random.one_in(12);
  wish.settings.swap_programs = random.one_in(12);
  if (random.one_in(12)) wish.settings.eager_stack = 1;
  return wish;
}

TraceWish kernel_wish(Profile profile, bool disk_files) {
  TraceWish wish;
  wish.settings = settings_of(profile);
  wish.settings.frames = 4096;
  wish.settings.swap_slots = 0;
  wish.settings.readahead = 64;
  wish.steps = 150;
  wish.disk_files = disk_files;
  wish.truncate = false;
  wish.replacement = false;
  wish.kernel_state = false;
  wish.program = {};  // a real program has areas of its own, where nobody looks
  return wish;
}

TraceWish live_wish() {
  TraceWish wish;
  wish.settings.frames = 256;
  wish.settings.swap_slots = 0;
  wish.steps = 120;
  wish.disk_files = false;
  wish.truncate = false;
  wish.exec = false;
  wish.replacement = false;
  wish.kernel_state = false;
  return wish;
}

TraceWish common_wish(bool restarts) {
  TraceWish wish;
  wish.settings.frames = 1024;
  wish.settings.swap_slots = 0;
  wish.steps = 60;
  wish.files = false;
  wish.shared = false;
  wish.vfork = false;
  wish.exec = false;
  wish.protect = false;
  wish.unmap = false;
  wish.replacement = false;
  wish.kernel_state = false;
  wish.violations = false;
  wish.restarts = restarts;
  return wish;
}

std::vector<Operation> generate(const TraceWish& wish, std::uint64_t seed) {
  return Generator(wish, seed).run();
}

}  // namespace cowfs::sim
