// mkfs.cowfs: makes a store. What it does is in new_store.h.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "lib/base/process.h"
#include "tools/common/command_line.h"
#include "tools/common/json.h"
#include "tools/common/message.h"
#include "tools/common/print_text.h"
#include "tools/common/text.h"
#include "tools/mkfs.cowfs/help.h"
#include "tools/mkfs.cowfs/new_store.h"

namespace cowfs {
namespace {

constexpr const char* kTool = "mkfs.cowfs";

std::string hex_id(std::string_view id) {
  std::string out;
  for (const char byte : id) out += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return out;
}

void print_answer(const std::string& path, const std::string& id, bool json) {
  if (!json) {
    print_text("{}: new store {}, volume main\n", escape_controls(path), hex_id(id));
    return;
  }
  auto answer = json_answer(kTool, "mkfs");
  nlohmann::ordered_json store;
  set_bytes(store, "path", path);
  store["id"] = hex_id(id);
  store["volume"] = "main";
  answer["store"] = std::move(store);
  print_json(answer);
}

int run(int argc, const char* const* argv) {
  CLI::App app("", kTool);
  set_help(app, kMkfsHelp);
  set_version(app);
  bool quiet = false;
  bool json = false;
  app.add_flag("-q,--quiet", quiet);
  app.add_flag("--json", json);
  bool no_checksums = false;
  app.add_flag("--no-data-checksums", no_checksums);
  const CLI::Option* store = app.add_option("STORE")->required();
  if (const auto code = parse(app, argc, argv)) return to_int(*code);

  const std::string path = value(*store).value_or("");
  const auto id = make_store(path, {.data_checksums = !no_checksums});
  if (!id) {
    print_error(kTool, id.error().text);
    return to_int(ExitCode::kFailed);
  }
  if (!quiet) print_answer(path, *id, json);
  return to_int(finish_output(kTool, ExitCode::kOk));
}

}  // namespace
}  // namespace cowfs

int main(int argc, char** argv) {
  cowfs::begin_process();
  return cowfs::run(argc, argv);
}
