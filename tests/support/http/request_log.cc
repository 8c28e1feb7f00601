#include "support/http/request_log.h"

#include <algorithm>
#include <cstdlib>
#include <sstream>

namespace transship::test {

namespace {

template <class F>
RequestLog parse_lines(std::string_view text, F parse_line) {
  std::vector<LoggedRequest> out;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    LoggedRequest request;
    if (parse_line(line, request)) out.push_back(std::move(request));
  }
  return RequestLog(std::move(out));
}

std::string quoted(const std::string& line, std::size_t& at) {
  const auto begin = line.find('"', at);
  const auto end = begin == std::string::npos ? begin : line.find('"', begin + 1);
  if (end == std::string::npos) return {};
  at = end + 1;
  return line.substr(begin + 1, end - begin - 1);
}

}  // namespace

std::string LoggedRequest::kind() const {
  const std::string path = target.substr(0, target.find('?'));
  const auto has = [&](std::string_view part) { return path.find(part) != std::string::npos; };
  if (path == "/v2/" || path == "/v2") return "ping " + method;
  if (has("/blobs/uploads")) {
    const bool mount = method == "POST" && target.find("mount=") != std::string::npos;
    return (mount ? "mount " : "upload ") + method;
  }
  if (has("/blobs/")) return "blob " + method;
  if (has("/manifests/")) return "manifest " + method;
  if (has("/referrers/")) return "referrers " + method;
  if (path.ends_with("/tags/list")) return "tags " + method;
  if (path == "/v2/_catalog") return "catalog " + method;
  return "other " + method;
}

RequestLog RequestLog::parse_combined(std::string_view text) {
  return parse_lines(text, [](const std::string& line, LoggedRequest& out) {
    std::size_t at = 0;
    std::istringstream request(quoted(line, at));
    if (!(request >> out.method >> out.target >> out.protocol)) return false;
    std::istringstream numbers(line.substr(at));
    if (!(numbers >> out.status >> out.sent)) return false;
    quoted(line, at);  // The referer.
    out.agent = quoted(line, at);
    return true;
  });
}

RequestLog RequestLog::parse_serve(std::string_view text) {
  return parse_lines(text, [](const std::string& line, LoggedRequest& out) {
    std::istringstream fields(line);
    if (!(fields >> out.method >> out.target >> out.status >> out.received >> out.sent)) {
      return false;
    }
    std::size_t at = 0;
    out.agent = quoted(line, at);
    return true;
  });
}

RequestLog RequestLog::parse_nginx(std::string_view text) {
  return parse_lines(text, [](const std::string& line, LoggedRequest& out) {
    std::istringstream fields(line);
    return static_cast<bool>(fields >> out.protocol >> out.connection >> out.method >> out.target >>
                             out.status);
  });
}

std::size_t RequestLog::count(std::string_view kind) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(requests_, [&](const auto& r) { return r.kind() == kind; }));
}

std::map<std::string, std::size_t> RequestLog::by_kind() const {
  std::map<std::string, std::size_t> out;
  for (const auto& request : requests_) ++out[request.kind()];
  return out;
}

RequestLog RequestLog::after(std::size_t count) const {
  const auto skipped = static_cast<std::ptrdiff_t>(std::min(count, requests_.size()));
  return RequestLog({requests_.begin() + skipped, requests_.end()});
}

std::string RequestLog::text() const {
  std::ostringstream out;
  for (const auto& r : requests_) out << r.method << ' ' << r.target << ' ' << r.status << '\n';
  return out.str();
}

}  // namespace transship::test
