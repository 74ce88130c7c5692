#include "fs/log.h"

#include <fcntl.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/dup_filter_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/syslog_sink.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <syslog.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>

#include "fs/fuse_compat.h"
#include "lib/base/unique_fd.h"

namespace cowfs {

namespace {

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return spdlog::level::debug;
    case LogLevel::kInfo: return spdlog::level::info;
    case LogLevel::kWarning: return spdlog::level::warn;
    case LogLevel::kError: return spdlog::level::err;
  }
  return spdlog::level::info;
}

void use(spdlog::sink_ptr sink, LogLevel level, const char* pattern) {
  // A host that fails may make each request fail: it is said once a minute.
  auto once = std::make_shared<spdlog::sinks::dup_filter_sink_mt>(std::chrono::minutes(1));
  once->add_sink(std::move(sink));
  auto logger = std::make_shared<spdlog::logger>("cowfs", std::move(once));
  logger->set_level(spdlog_level(level));
  logger->set_pattern(pattern);
  logger->flush_on(spdlog::level::debug);
  spdlog::set_default_logger(std::move(logger));
}

void log_of_libfuse(fuse_log_level level, const char* format, va_list arguments) {
  char line[1024];
  std::vsnprintf(line, sizeof line, format, arguments);
  std::string_view text = line;
  while (text.ends_with('\n')) text.remove_suffix(1);
  if (level <= FUSE_LOG_ERR) log_error(text);
  else if (level == FUSE_LOG_WARNING) log_warning(text);
  else if (level == FUSE_LOG_DEBUG) log_debug(text);
  else log_info(text);
}

}  // namespace

Result<LogLevel> log_level_of(std::string_view name) {
  if (name == "debug") return LogLevel::kDebug;
  if (name == "info") return LogLevel::kInfo;
  if (name == "warning") return LogLevel::kWarning;
  if (name == "error") return LogLevel::kError;
  return fail(ErrorCode::kInvalidArgument,
              "loglevel=" + std::string(name) + ": must be debug, info, warning or error");
}

void log_to_terminal(LogLevel level) {
  use(std::make_shared<spdlog::sinks::stderr_sink_mt>(), level, "cowfs: %v");
  fuse_set_log_func(log_of_libfuse);
}

Result<void> log_to_file(const std::string& path, LogLevel level) {
  const UniqueFd probe(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
  if (!probe) {
    const auto code = errno == EACCES ? ErrorCode::kAccessDenied : ErrorCode::kIo;
    return fail(code, path + ": cannot be opened as log file: " + std::strerror(errno));
  }
  try {
    use(std::make_shared<spdlog::sinks::basic_file_sink_mt>(path), level,
        "%Y-%m-%dT%H:%M:%S.%e%z %l: %v");
  } catch (const spdlog::spdlog_ex& error) {
    return fail(ErrorCode::kIo, path + ": cannot be opened as log file: " + error.what());
  }
  return {};
}

void log_to_system(LogLevel level) {
  use(std::make_shared<spdlog::sinks::syslog_sink_mt>("cowfs", LOG_PID, LOG_DAEMON, false), level,
      "%v");
}

void log_debug(std::string_view text) { spdlog::debug("{}", text); }
void log_info(std::string_view text) { spdlog::info("{}", text); }
void log_warning(std::string_view text) { spdlog::warn("{}", text); }
void log_error(std::string_view text) { spdlog::error("{}", text); }

}  // namespace cowfs
