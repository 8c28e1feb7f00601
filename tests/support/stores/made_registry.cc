#include "support/stores/made_registry.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace transship::test {

using std::string_view;

struct MadeRegistry::Connection {
  int fd;
  std::string in, out;
};

struct MadeRegistry::Asked {
  string_view method, path, query, body;

  std::string value(string_view key) const {
    string_view rest = query;
    while (!rest.empty()) {
      const string_view pair = rest.substr(0, rest.find('&'));
      rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
      if (pair.starts_with(key) && pair.substr(key.size()).starts_with("=")) {
        return decoded(pair.substr(key.size() + 1));
      }
    }
    return "";
  }
  static std::string decoded(string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '%' && i + 2 < text.size()) {
        out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
        i += 2;
      } else {
        out += text[i];
      }
    }
    return out;
  }
};

struct MadeRegistry::Answer {
  int status = 404;
  std::string fields{};  ///< Each with its line end.
  std::string body{};
  std::string kind{};  ///< What it is counted as.
};

namespace {

constexpr std::size_t kTables = 64;
constexpr string_view kManifestType =
    "Content-Type: application/vnd.oci.image.manifest.v1+json\r\n";
constexpr string_view kJson = "Content-Type: application/json\r\n";

std::uint64_t content_length(string_view head) {
  const auto at = head.find("\r\nContent-Length: ");
  return at == string_view::npos ? 0 : std::stoull(std::string(head.substr(at + 18, 20)));
}

std::size_t page_of(const std::string& n, std::size_t most) {
  return n.empty() ? most : std::min<std::size_t>(std::stoul(n), most);
}

std::string next_link(string_view path, const std::string& last, std::size_t n) {
  return "Link: <" + std::string(path) + "?last=" + last + "&n=" + std::to_string(n) +
         ">; rel=\"next\"\r\n";
}

}  // namespace

MadeRegistry::MadeRegistry(Options options) : options_(options) {
  const MadeContent& content = options_.content;
  held_.assign(content.repositories * content.tags, options_.full);
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ::bind(listener_, reinterpret_cast<sockaddr*>(&address), size);
  ::listen(listener_, 512);
  ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  for (const int fd : {listener_, wake_}) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }
}

MadeRegistry::~MadeRegistry() {
  stop();
  for (const auto& [fd, connection] : connections_) ::close(fd);
  for (const int fd : {listener_, epoll_, wake_}) ::close(fd);
}

void MadeRegistry::start() {
  thread_ = std::thread([this] { run(); });
}

void MadeRegistry::stop() {
  const std::uint64_t one = 1;
  (void)!::write(wake_, &one, sizeof one);
  if (thread_.joinable()) thread_.join();
}

void MadeRegistry::run() {
  epoll_event events[64];
  while (true) {
    const int n = ::epoll_wait(epoll_, events, 64, -1);
    for (int i = 0; i < n; ++i) {
      const int fd = events[i].data.fd;
      if (fd == wake_) return;
      if (fd == listener_) {
        accept_all();
      } else if (const auto found = connections_.find(fd);
                 found != connections_.end() && !serve(*found->second)) {
        ::close(fd);
        connections_.erase(found);
      }
    }
  }
}

void MadeRegistry::accept_all() {
  while (true) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connections_[fd] = std::make_unique<Connection>(fd);
    epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }
}

// Everything that has come is answered; false: the connection is over.
bool MadeRegistry::serve(Connection& connection) {
  char chunk[65536];
  const ssize_t n = ::recv(connection.fd, chunk, sizeof chunk, 0);
  if (n == 0 || (n < 0 && errno != EAGAIN)) return false;
  if (n > 0) connection.in.append(chunk, static_cast<std::size_t>(n));
  while (true) {
    const auto end = connection.in.find("\r\n\r\n");
    if (end == std::string::npos) {
      // A greeting of TLS, most likely.
      if (!connection.in.empty() && connection.in[0] == 0x16) return false;
      break;
    }
    const string_view head = string_view(connection.in).substr(0, end + 2);
    const std::uint64_t length = content_length(head);
    if (connection.in.size() < end + 4 + length) break;
    const auto first = head.find(' '), second = head.find(' ', first + 1);
    const string_view target = head.substr(first + 1, second - first - 1);
    const auto question = target.find('?');
    const Asked asked{
        .method = head.substr(0, first),
        .path = target.substr(0, question),
        .query = question == string_view::npos ? string_view() : target.substr(question + 1),
        .body = string_view(connection.in).substr(end + 4, length)};
    const Answer answer = this->answer(asked);
    if (!answer.kind.empty()) note(answer.kind);
    connection.out += "HTTP/1.1 " + std::to_string(answer.status) + " x\r\n" + answer.fields;
    if (answer.status != 204) {
      connection.out += "Content-Length: " + std::to_string(answer.body.size()) + "\r\n";
    }
    connection.out += "\r\n";
    if (asked.method != "HEAD") connection.out += answer.body;
    connection.in.erase(0, end + 4 + length);
  }
  while (!connection.out.empty()) {
    const ssize_t sent =
        ::send(connection.fd, connection.out.data(), connection.out.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return false;
    if (sent < 0) break;
    connection.out.erase(0, static_cast<std::size_t>(sent));
  }
  epoll_event event{.events = connection.out.empty() ? EPOLLIN : EPOLLIN | EPOLLOUT,
                    .data = {.fd = connection.fd}};
  if (event.events != EPOLLIN || n < 0) {
    ::epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.fd, &event);
  }
  return true;
}

bool MadeRegistry::admitted(const Asked& asked) {
  // What asks for TLS is no request.
  if (!options_.limit || !asked.path.starts_with('/')) return true;
  const std::chrono::duration<double> at = std::chrono::steady_clock::now() - made_;
  Arrival& arrival = arrivals_.emplace_back(at.count());
  for (const string_view what : {"/tags/list", "/manifests/", "/blobs/"}) {
    const auto end = asked.path.find(what);
    if (end == string_view::npos) continue;
    arrival.repository = options_.content.repository_of(asked.path.substr(0, end));
  }
  return arrival.admitted = options_.limit->admit(arrival.at);
}

MadeRegistry::Answer MadeRegistry::answer(const Asked& asked) {
  if (!admitted(asked)) return {.status = 429, .fields = "Retry-After: 1\r\n", .kind = "429"};
  const string_view path = asked.path;
  if (path == "/_stats") return {.status = 200, .fields = std::string(kJson), .body = stats()};
  if (path == "/v2/") return {.status = 200, .kind = "ping"};
  if (path == "/v2/_catalog") return catalog(asked);
  const bool acr = path.starts_with("/acr/v1/") && path.ends_with("/_tags");
  if (acr && !options_.acr_lists) return {};
  if (!acr && !path.starts_with("/v2/")) return {};
  const string_view rest = path.substr(acr ? 8 : 4);
  const auto of = [&](string_view what) {
    return options_.content.repository_of(rest.substr(0, rest.rfind(what)));
  };
  if (acr || rest.ends_with("/tags/list")) {
    const auto repository = of(acr ? "/_tags" : "/tags/list");
    return repository ? tags(asked, *repository, acr) : Answer{};
  }
  const string_view last = rest.substr(rest.rfind('/') + 1);
  if (const auto repository = of("/manifests/"); repository && rest.contains("/manifests/")) {
    return asked.method == "PUT" ? put_manifest(asked, *repository, last)
                                 : manifest(asked, *repository, last);
  }
  if (rest.contains("/blobs/uploads/")) return upload(asked);
  if (const auto repository = of("/blobs/"); repository && rest.contains("/blobs/")) {
    return blob(asked, *repository, last);
  }
  if (rest.contains("/referrers/")) {
    return {.status = 200,
            .fields = "Content-Type: application/vnd.oci.image.index.v1+json\r\n",
            .body = R"({"schemaVersion":2,"manifests":[]})",
            .kind = "referrers GET"};
  }
  return {};
}

MadeRegistry::Answer MadeRegistry::catalog(const Asked& asked) const {
  const std::size_t n = page_of(asked.value("n"), options_.page);
  const std::string last = asked.value("last");
  std::size_t at = last.empty() ? 0 : options_.content.repository_of(last).value_or(0) + 1;
  const std::size_t end = std::min(at + n, options_.content.repositories);
  Answer out{.status = 200, .fields = std::string(kJson), .kind = "catalog GET"};
  if (end < options_.content.repositories) {
    out.fields += next_link(asked.path, MadeContent::repository(end - 1), n);
  }
  out.body = R"({"repositories":[)";
  for (bool comma = false; at < end; ++at, comma = true) {
    out.body += (comma ? ",\"" : "\"") + MadeContent::repository(at) + "\"";
  }
  out.body += "]}";
  return out;
}

MadeRegistry::Answer MadeRegistry::tags(const Asked& asked, std::size_t repository,
                                        bool acr) const {
  const std::size_t n = page_of(asked.value("n"), options_.page);
  const std::string last = asked.value("last");
  std::size_t at = last.empty() ? 0 : options_.content.tag_of(last).value_or(0) + 1;
  Answer out{.status = 200,
             .fields = std::string(kJson),
             .body = R"({"tags":[)",
             .kind = acr ? "listing GET" : "tags GET"};
  std::size_t listed = 0, newest = 0;
  for (; at < options_.content.tags && listed < n; ++at) {
    if (!held(repository, at)) continue;
    if (listed++ > 0) out.body += ",";
    newest = at;
    const std::string tag = "\"" + MadeContent::tag(at) + "\"";
    out.body += !acr ? tag
                     : "{\"name\":" + tag + R"(,"createdTime":"2026-01-01T00:00:00.0000000Z",)" +
                           R"("signed":false,"digest":")" +
                           made_digest(options_.content.manifest(repository, at)) + "\"}";
  }
  out.body += "]}";
  if (at < options_.content.tags) out.fields += next_link(asked.path, MadeContent::tag(newest), n);
  return out;
}

MadeRegistry::Answer MadeRegistry::manifest(const Asked& asked, std::size_t repository,
                                            string_view name) {
  Answer out{.status = 404, .kind = "manifest " + std::string(asked.method)};
  auto tag = options_.content.tag_of(name);
  if (name.starts_with("sha256:")) {
    const Table& known = table(repository);
    const auto found = known.find(std::string(name));
    if (found != known.end() && found->second.blob > options_.content.layers) {
      tag = found->second.tag;
    }
  }
  if (!tag || !held(repository, *tag)) return out;
  out.status = 200;
  out.body = options_.content.manifest(repository, *tag);
  out.fields =
      std::string(kManifestType) + "Docker-Content-Digest: " + made_digest(out.body) + "\r\n";
  return out;
}

MadeRegistry::Answer MadeRegistry::put_manifest(const Asked& asked, std::size_t repository,
                                                string_view name) {
  Answer out{.status = 201, .kind = "manifest PUT"};
  const auto tag = options_.content.tag_of(name);
  if (!tag || asked.body != options_.content.manifest(repository, *tag)) {
    ++wrong_;
    out.status = 400;
    return out;
  }
  held_[repository * options_.content.tags + *tag] = true;
  out.fields = "Docker-Content-Digest: " + made_digest(asked.body) + "\r\n";
  return out;
}

MadeRegistry::Answer MadeRegistry::blob(const Asked& asked, std::size_t repository,
                                        string_view digest) {
  Answer out{.status = 404, .kind = "blob " + std::string(asked.method)};
  const Table& known = table(repository);
  const auto found = known.find(std::string(digest));
  if (found == known.end() || found->second.blob > options_.content.layers) return out;
  out.status = 200;
  out.body = options_.content.blob(repository, found->second.tag, found->second.blob);
  return out;
}

MadeRegistry::Answer MadeRegistry::upload(const Asked& asked) {
  if (asked.method == "POST") {
    return {.status = 202,
            .fields = "Location: " + std::string(asked.path) + std::to_string(++sessions_) + "\r\n",
            .kind = "upload POST"};
  }
  if (asked.method != "PUT") return {.status = 204};
  const bool right = made_digest(asked.body) == asked.value("digest");
  if (!right) ++wrong_;
  return {.status = right ? 201 : 400, .kind = "upload PUT"};
}

const MadeRegistry::Table& MadeRegistry::table(std::size_t repository) {
  const auto found = std::ranges::find(tables_, repository, [](const auto& e) { return e.first; });
  if (found != tables_.end()) return found->second;
  if (tables_.size() >= kTables) tables_.pop_front();
  Table& out = tables_.emplace_back(repository, Table{}).second;
  const MadeContent& content = options_.content;
  out.reserve(content.tags * (content.layers + 2));
  for (std::size_t tag = 0; tag < content.tags; ++tag) {
    for (std::size_t i = 0; i <= content.layers; ++i) {
      out[made_digest(content.blob(repository, tag, i))] = {.tag = tag, .blob = i};
    }
    out[made_digest(content.manifest(repository, tag))] = {.tag = tag, .blob = content.layers + 1};
  }
  return out;
}

bool MadeRegistry::held(std::size_t repository, std::size_t tag) const {
  return held_[repository * options_.content.tags + tag];
}

void MadeRegistry::note(const std::string& kind) {
  const bool any = !kinds_.empty();
  Kind& one = kinds_[kind];
  if (one.count++ > 0) return;
  one.first = std::chrono::steady_clock::now();
  if (!any) begun_ = one.first;
}

std::uint64_t MadeRegistry::count(const std::string& kind) const {
  const auto found = kinds_.find(kind);
  return found == kinds_.end() ? 0 : found->second.count;
}

std::uint64_t MadeRegistry::total() const {
  std::uint64_t out = 0;
  for (const auto& [name, kind] : kinds_) out += kind.count;
  return out;
}

std::size_t MadeRegistry::tags_held() const {
  return static_cast<std::size_t>(std::ranges::count(held_, true));
}

std::chrono::milliseconds MadeRegistry::first(const std::string& kind) const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(kinds_.at(kind).first - begun_);
}

std::string MadeRegistry::stats() const {
  std::string out = R"({"requests":{)";
  bool comma = false;
  for (const auto& [name, kind] : kinds_) {
    out += (comma ? ",\"" : "\"") + name + "\":" + std::to_string(kind.count);
    comma = true;
  }
  out += R"(},"wrong":)" + std::to_string(wrong_) + R"(,"tags":)" + std::to_string(tags_held());
  if (kinds_.contains("blob GET")) {
    out += R"(,"first_blob_ms":)" + std::to_string(first("blob GET").count());
  }
  return out + "}";
}

}  // namespace transship::test
