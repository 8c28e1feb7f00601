#include "base/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include "base/text.h"

namespace transship {

namespace {

spdlog::level::level_enum level_of(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

spdlog::logger& logger() {
  static const auto kInstance = [] {
    auto out = spdlog::stderr_color_mt("transship");
    out->set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%l%$ %v");
    out->set_level(spdlog::level::warn);
    return out;
  }();
  return *kInstance;
}

}  // namespace

void set_log_level(LogLevel level) { logger().set_level(level_of(level)); }
bool log_enabled(LogLevel level) { return logger().should_log(level_of(level)); }
void log_line(LogLevel level, std::string_view line) {
  logger().log(level_of(level), printable(redact(line), 4000));
}

}  // namespace transship
