#pragma once

#include <filesystem>

#include "server/http/reply.h"
#include "server/options.h"

namespace transship::server {

/// One line per request, written at once: METHOD PATH STATUS RECEIVED SENT "USER-AGENT" USER.
class AccessLog {
 public:
  /// Empty: off; "-": standard error; else appended to that file.
  static Result<AccessLog> open(const std::filesystem::path& path);
  bool on() const { return static_cast<bool>(file_); }
  void write(const RequestRecord& record) const;

 private:
  storage::File file_;
};

}  // namespace transship::server
