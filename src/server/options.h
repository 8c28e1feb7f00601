#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

namespace transship::server {

/// What one request came to, for the access log and for observers.
struct RequestRecord {
  std::string method{}, path{};  ///< The path with its query, as it was sent.
  unsigned status = 0;
  std::uint64_t received = 0, sent = 0;  ///< Body bytes.
  std::string user_agent{}, user{};      ///< Empty: none.
};

/// Bounds on what clients may cost. What is full answers 429 or waits, and never fails others.
struct Limits {
  std::uint64_t max_manifest_bytes = 4ULL << 20U;  ///< Above: 413.
  std::size_t max_connections = 1024;              ///< Above: not accepted until one ends.
  std::size_t max_sessions = 10'000;               ///< Open upload sessions; above: 429.
  std::size_t max_header_bytes = 64U << 10U;       ///< Above: 431.
  std::chrono::milliseconds header_timeout{30'000};
  std::chrono::milliseconds idle_timeout{120'000};  ///< Between two requests of a connection.
  /// A body must bring `min_progress` bytes (or its end) in each such interval, either way.
  std::chrono::milliseconds stall_timeout{60'000};
  std::uint64_t min_progress = 16U << 10U;
  std::chrono::hours session_age{24 * 7};  ///< Sessions untouched for this long are removed.
  std::size_t page_entries = 10'000;       ///< Most tags or repositories of one page.
  std::size_t referrers_page_bytes = 4U << 20U;
  std::size_t manifest_cache_bytes = 32U << 20U;  ///< Least recently used go first.
  std::size_t loaded_entries = 1'000'000;  ///< Tags and manifests in memory, all repositories.
};

enum class FileBackend : std::uint8_t { kAuto, kUring, kPool };

struct Options {
  std::filesystem::path root{};  ///< Created when missing.
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;                       ///< 0: any free one; `endpoint()` tells.
  std::filesystem::path tls_cert{}, tls_key{};  ///< PEM; both or none.
  std::filesystem::path htpasswd{};             ///< bcrypt entries only. Empty: no authentication.
  bool anonymous_read = false;                  ///< With htpasswd: GET and HEAD need no user.
  /// One line per request: METHOD PATH STATUS RECEIVED SENT "USER-AGENT" USER. "-": standard error.
  std::filesystem::path access_log{};
  /// Called for each request, on the server's thread, before its answer leaves (after, for blobs).
  std::function<void(const RequestRecord&)> observer{};
  bool sync = true;  ///< fsync before anything is acknowledged. False: for benchmarks and tests.
  FileBackend io = FileBackend::kAuto;
  /// The tag log is folded into index.json after this long without a push, and at stop.
  std::chrono::milliseconds fold_after{1'000};
  /// How long requests in flight may go on after `stop`.
  std::chrono::milliseconds stop_grace{1'000};
  Limits limits{};
};

}  // namespace transship::server
