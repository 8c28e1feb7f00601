#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace transship::server {

/// The head of one request: what this server reads of it. Reused from request to request of a
/// connection, so that strings keep their memory.
struct Request {
  std::string method;
  std::string target;  ///< As it was sent.
  std::string authorization, content_type, content_range, range, if_range, if_none_match,
      user_agent;
  std::optional<std::uint64_t> content_length;
  bool chunked = false;
  bool expects_continue = false;
  bool unknown_expectation = false;
  bool keep_alive = true;
  bool http_1_0 = false;
  bool has_host = false;

  std::string user;  ///< Set once it is authenticated.

  bool is_read() const { return method == "GET" || method == "HEAD"; }
  bool has_body() const { return chunked || content_length.value_or(0) != 0; }
  void clear();
};

/// What the target of a request asks for.
enum class Resource : std::uint8_t {
  kPing,
  kCatalog,
  kManifest,
  kBlob,
  kUploads,
  kUpload,
  kTags,
  kReferrers,
  kNone
};

/// A target taken apart. Routed from the right, as names may hold "blobs" or "manifests" as
/// components (protocol: anchored at the end of the path, greedy for the name).
struct Route {
  Resource resource = Resource::kNone;
  std::string name;       ///< The repository, not yet checked.
  std::string reference;  ///< Tag, digest or session.
  std::string query;      ///< Still encoded.

  /// The first value of `key`, decoded; nothing when it is not there or broken.
  std::optional<std::string> parameter(std::string_view key) const;
  /// All values of `key`.
  std::vector<std::string> parameters(std::string_view key) const;
};

/// kNone for anything that is not under /v2/, has broken escapes, or "." and ".." in it.
Route route(std::string_view target);

/// Methods of a resource as the Allow header lists them.
std::string_view allowed_methods(Resource resource);

}  // namespace transship::server
