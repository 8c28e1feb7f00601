#include "support/http/fault_proxy.h"

#include <sys/socket.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <random>
#include <thread>

namespace transship::test {

namespace {

// A connection to the registry, for one request.
class Upstream {
 public:
  explicit Upstream(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  Upstream(const Upstream&) = delete;
  Upstream& operator=(const Upstream&) = delete;
  ~Upstream() { ::close(fd_); }

  bool write(std::string_view text) const {
    while (connected_ && !text.empty()) {
      const ssize_t n = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(n));
    }
    return connected_;
  }
  /// Everything until it closes.
  std::string read_to_end() const {
    std::string out;
    std::vector<char> chunk(256 << 10);
    for (ssize_t n; connected_ && (n = ::recv(fd_, chunk.data(), chunk.size(), 0)) > 0;) {
      out.append(chunk.data(), static_cast<std::size_t>(n));
    }
    return out;
  }

 private:
  int fd_;
  bool connected_ = false;
};

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

// The value of a field; "" without it.
std::string field(const std::string& head, const std::string& name) {
  const std::string key = "\r\n" + name + ":";
  const auto at = lower(head).find(key);
  if (at == std::string::npos) return {};
  const auto begin = head.find_first_not_of(' ', at + key.size());
  return head.substr(begin, head.find("\r\n", begin) - begin);
}

// The head as the registry gets it: one request a connection.
std::string closing(const std::string& head) {
  std::string out = head.substr(0, head.find("\r\n") + 2) + "Connection: close\r\n";
  std::size_t at = out.size() - std::string("Connection: close\r\n").size();
  while (at < head.size()) {
    const auto end = head.find("\r\n", at) + 2;
    const std::string line = head.substr(at, end - at);
    if (!lower(line).starts_with("connection:")) out += line;
    at = end;
  }
  return out;
}

// Whoever waits for a stall to end waits this long at most.
constexpr std::chrono::seconds kLongestStall{60};

bool is_blob(const std::string& target) { return target.find("/blobs/") != std::string::npos; }

std::uint64_t mix(std::uint64_t seed, const std::string& text, std::uint64_t turn) {
  std::uint64_t h = seed * 0x9E3779B97F4A7C15ULL + turn * 0xC2B2AE3D27D4EB4FULL;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
  return std::mt19937_64(h)();
}

}  // namespace

std::string_view to_string(Fault fault) {
  static constexpr std::array<std::string_view, kFaults> kNames = {
      "none",  "refuse", "reset in body", "reset after", "cut", "corrupt", "letter",
      "stall", "delay",  "duplicate",     "429",         "500", "502",     "503"};
  return kNames[static_cast<std::size_t>(fault)];
}

struct FaultProxy::Exchange {
  std::string head, method, target;
  std::uint64_t length = 0;  ///< Of the request's body.
  std::string body;
  Fault fault = Fault::kNone;
  std::uint64_t drawn = 0;  ///< Where a byte is flipped.
  Plan plan;
  std::uint64_t uploaded = 0, downloaded = 0;
  bool refused = false;

  bool uploads() const { return is_blob(target) && length > 0; }
  bool reads_blob() const { return method == "GET" && is_blob(target) && !uploads(); }
  bool reads_manifest() const {
    return method == "GET" && target.find("/manifests/") != std::string::npos;
  }
  /// What is asked, without what is new each time: sessions and their state.
  std::string key() const {
    const auto session = target.find("/blobs/uploads/");
    if (session == std::string::npos) return method + ' ' + target;
    const auto digest = target.find("digest=");
    return method + ' ' + target.substr(0, session + 15) +
           (digest == std::string::npos ? "" : target.substr(digest, 100));
  }
};

FaultProxy::FaultProxy(std::uint16_t registry_port, Plan plan)
    : upstream_(registry_port),
      plan_(std::move(plan)),
      server_([this](RawConnection& client) { serve(client); }) {}

FaultProxy::Figures FaultProxy::figures() const {
  const std::lock_guard lock(mutex_);
  return figures_;
}

void FaultProxy::heal() {
  const std::lock_guard lock(mutex_);
  plan_.share = 0;
}

void FaultProxy::serve(RawConnection& client) {
  while (true) {
    const std::string head = client.read_head();
    if (head.empty() || !one(client, head)) return;
  }
}

// A second begins with the first request after the last one's end.
bool FaultProxy::admitted() {
  const auto now = std::chrono::steady_clock::now();
  if (now - second_ >= std::chrono::seconds(1)) {
    second_ = now;
    within_second_ = 0;
  }
  return plan_.per_second == 0 || ++within_second_ <= plan_.per_second;
}

Fault FaultProxy::draw(Exchange& exchange) {
  const std::lock_guard lock(mutex_);
  ++figures_.requests;
  if (!admitted()) return Fault::k429;
  const std::string key = exchange.key();
  const std::uint64_t drawn = exchange.drawn = mix(plan_.seed, key, ++asked_[key]);
  if (plan_.faults.empty() || static_cast<double>(drawn >> 11U) * 0x1p-53 >= plan_.share) {
    return Fault::kNone;
  }
  const Fault fault = plan_.faults[mix(plan_.seed + 1, key, drawn) % plan_.faults.size()];
  const bool applies = (fault != Fault::kCorrupt || exchange.uploads() || exchange.reads_blob()) &&
                       (fault != Fault::kLetter || exchange.reads_manifest()) &&
                       (fault != Fault::kStall || exchange.method == "GET");
  if (!applies) return Fault::kNone;
  ++figures_.spoiled;
  ++figures_.by_fault[fault];
  return fault;
}

void FaultProxy::count(const Exchange& exchange) {
  const std::lock_guard lock(mutex_);
  figures_.uploaded += exchange.uploaded;
  figures_.downloaded += exchange.downloaded;
  if (exchange.refused) ++figures_.refused;
}

// True: the connection may be used again.
bool FaultProxy::one(RawConnection& client, const std::string& head) {
  if (!head.contains(" HTTP/1.")) {
    // A greeting in TLS: answered as a plain server does.
    client.respond("400 Bad Request", "", "");
    return false;
  }
  Exchange exchange;
  exchange.head = head;
  exchange.method = head.substr(0, head.find(' '));
  const auto begin = exchange.method.size() + 1;
  exchange.target = head.substr(begin, head.find(' ', begin) - begin);
  exchange.length = std::strtoull(field(head, "content-length").c_str(), nullptr, 10);
  {
    const std::lock_guard lock(mutex_);
    exchange.plan = plan_;
  }
  exchange.fault = draw(exchange);
  const bool again = forward(client, exchange);
  count(exchange);
  return again;
}

bool FaultProxy::forward(RawConnection& client, Exchange& exchange) {
  const Fault fault = exchange.fault;
  if (fault == Fault::kRefuse) {
    client.reset();
    return false;
  }
  const bool breaks = fault == Fault::kResetInBody || fault == Fault::kCut;
  if (breaks && exchange.length > 0) {
    // What was sent so far is the registry's: it may keep it.
    const std::string half = client.read_body(exchange.length / 2);
    const Upstream registry(upstream_);
    registry.write(closing(exchange.head) + half);
    exchange.uploaded += exchange.uploads() ? half.size() : 0;
    if (fault == Fault::kResetInBody) client.reset();
    return false;
  }
  exchange.body = client.read_body(exchange.length);
  if (exchange.body.size() < exchange.length) return false;
  const std::string why = R"({"errors":[{"code":"UNAVAILABLE","message":"spoiled"}]})";
  const std::string wait =
      exchange.plan.retry_after.empty() ? "" : "Retry-After: " + exchange.plan.retry_after + "\r\n";
  exchange.refused = fault == Fault::k429;
  if (fault == Fault::k429) return client.respond("429 Too Many Requests", wait, why);
  if (fault == Fault::k503) return client.respond("503 Service Unavailable", wait, why);
  if (fault == Fault::k500) return client.respond("500 Internal Server Error", "", why);
  if (fault == Fault::k502) return client.respond("502 Bad Gateway", "", why);
  if (fault == Fault::kCorrupt && exchange.uploads())
    exchange.body[exchange.drawn % exchange.length] ^= 1;

  std::string answer;
  for (int turn = 0; turn < (fault == Fault::kDuplicate ? 2 : 1); ++turn) {
    const Upstream registry(upstream_);
    registry.write(closing(exchange.head) + exchange.body);
    if (exchange.uploads()) exchange.uploaded += exchange.body.size();
    answer = registry.read_to_end();
  }
  return give(client, exchange, std::move(answer));
}

bool FaultProxy::give(RawConnection& client, Exchange& exchange, std::string answer) {
  const Fault fault = exchange.fault;
  const auto end = answer.find("\r\n\r\n");
  if (end == std::string::npos || fault == Fault::kResetAfter) {
    client.reset();
    return false;
  }
  const std::size_t body = end + 4;
  const std::size_t size = answer.size() - body;
  const std::string head = answer.substr(0, body);
  if (head.starts_with("HTTP/1.1 429")) exchange.refused = true;
  if (fault == Fault::kDelay) std::this_thread::sleep_for(exchange.plan.delay);
  if (fault == Fault::kCorrupt && exchange.reads_blob() && size > 0)
    answer[body + exchange.drawn % size] ^= 1;
  if (fault == Fault::kLetter) {
    // Inside a value: it stays a manifest.
    const auto at = answer.find("amd64", body);
    if (at != std::string::npos) answer[at] = 'b';
    if (at == std::string::npos && size > 40) {
      const auto type = answer.find("application/", body);
      if (type != std::string::npos) answer[type] = 'b';
    }
  }
  const bool stalls = fault == Fault::kStall && size > 0;
  const bool breaks = fault == Fault::kResetInBody || fault == Fault::kCut || stalls;
  const std::size_t sent = breaks ? body + size / 2 : answer.size();
  if (exchange.reads_blob()) exchange.downloaded += sent - body;
  // The registry's "Connection: close" is between it and us.
  std::string out = answer.substr(0, sent);
  if (const auto at = lower(head).find("\r\nconnection: close"); at != std::string::npos) {
    out.erase(at, std::string("\r\nconnection: close").size());
  }
  const bool framed = exchange.method == "HEAD" || !field(head, "content-length").empty() ||
                      !field(head, "transfer-encoding").empty() ||
                      head.starts_with("HTTP/1.1 204") || head.starts_with("HTTP/1.1 304");
  const bool written = client.write(out);
  if (stalls) client.hears_within(kLongestStall);
  if (breaks) {
    if (fault == Fault::kResetInBody) client.reset();
    return false;
  }
  return written && framed;
}

}  // namespace transship::test
