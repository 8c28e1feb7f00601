#include "server/access_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"

namespace transship::server {

namespace {

// What clients send must stay one field of one line.
std::string field(std::string_view text, std::size_t most) {
  std::string out = printable(text, most);
  std::ranges::replace_if(out, [](char c) { return c == ' ' || c == '"'; }, '_');
  return out.empty() ? "-" : out;
}

}  // namespace

Result<AccessLog> AccessLog::open(const std::filesystem::path& path) {
  AccessLog out;
  if (path.empty()) return out;
  out.file_ = storage::File(
      path == "-" ? ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)
                  : ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
  if (!out.file_) return std::unexpected(errno_error(errno, "open " + path.string()));
  return out;
}

void AccessLog::write(const RequestRecord& record) const {
  std::string agent = printable(record.user_agent, 200);
  std::ranges::replace(agent, '"', '_');
  const std::string line =
      fmt::format("{} {} {} {} {} \"{}\" {}\n", field(record.method, 20), field(record.path, 2000),
                  record.status, record.received, record.sent, agent, field(record.user, 100));
  // Best effort: a full disk must not end the service of reads.
  [[maybe_unused]] const ssize_t ignored = ::write(file_.get(), line.data(), line.size());
}

}  // namespace transship::server
