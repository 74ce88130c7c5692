#include "tools/cowsim/commands.h"
namespace cowfs {
ExitCode run_files(const FileOptions&) { return ExitCode::kNotHere; }
}
