#include "tools/cowsim/commands.h"
namespace cowfs {
ExitCode run_live(const SeedRange&, const std::string&) { return ExitCode::kNotHere; }
ExitCode run_files(const FileOptions&) { return ExitCode::kNotHere; }
}
