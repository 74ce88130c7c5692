// Command lines: CLI11 parses, this adds what all tools do alike.
//
// Help texts are written by hand (each is a page that a user reads, with examples), so CLI11's
// generated ones are replaced. Usage errors print `tool: why` and where to find help, and exit with
// 2. Positionals are taken as raw bytes (positional()): CLI11 would take "[a,b]" and "{}" apart,
// and both are good names here.
#pragma once

#include <CLI/App.hpp>
#include <optional>
#include <string>
#include <vector>

#include "tools/common/exit_code.h"

namespace cowfs {

/// Gives an app (or subcommand) its help page, shown by -h and --help.
void set_help(CLI::App& app, std::string help);

/// Adds --version (-V): "TOOL (cowfs) VERSION".
void set_version(CLI::App& app);

/// Parses the command line. An exit code where there is nothing more to do: help or version were
/// shown (kOk), or the line makes no sense (kUsage, told on stderr).
std::optional<ExitCode> parse(CLI::App& app, int argc, const char* const* argv);

/// What was given for a positional, byte by byte.
std::vector<std::string> values(const CLI::Option& positional);

/// The one value of a positional that takes one; nothing where it was left out.
std::optional<std::string> value(const CLI::Option& positional);

}  // namespace cowfs
