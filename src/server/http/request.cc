#include "server/http/request.h"

#include <algorithm>
#include <vector>

#include "base/text.h"

namespace transship::server {

void Request::clear() {
  for (std::string* text : {&method, &target, &authorization, &content_type, &content_range, &range,
                            &if_range, &if_none_match, &user_agent, &user}) {
    text->clear();
  }
  content_length.reset();
  chunked = expects_continue = unknown_expectation = http_1_0 = has_host = false;
  keep_alive = true;
}

namespace {

constexpr std::string_view kPrefix = "/v2/";

// Cuts "/<word>/<last component>" off the end of `path`.
bool take_suffix(std::string_view path, std::string_view word, Route& out) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return false;
  const std::string_view head = path.substr(0, slash);
  if (!head.ends_with(word)) return false;
  out.name = head.substr(0, head.size() - word.size());
  out.reference = path.substr(slash + 1);
  return !out.name.empty();
}

Resource classify(std::string_view path, Route& out) {
  if (path == "_catalog") return Resource::kCatalog;
  if (path.ends_with("/tags/list")) {
    out.name = path.substr(0, path.size() - std::string_view("/tags/list").size());
    return out.name.empty() ? Resource::kNone : Resource::kTags;
  }
  if (take_suffix(path, "/manifests", out)) return Resource::kManifest;
  if (take_suffix(path, "/referrers", out)) return Resource::kReferrers;
  if (take_suffix(path, "/blobs/uploads", out)) {
    return out.reference.empty() ? Resource::kUploads : Resource::kUpload;
  }
  if (take_suffix(path, "/blobs", out)) {
    return out.reference == "uploads" ? Resource::kUploads : Resource::kBlob;
  }
  return Resource::kNone;
}

// No name holds an encoded slash; and who guards paths in front of this server sees one part of a
// path where two would be read here.
bool has_encoded_slash(std::string_view path) {
  return path.contains("%2f") || path.contains("%2F");
}

bool has_dot_component(std::string_view path) {
  return std::ranges::any_of(split(path, '/'),
                             [](std::string_view part) { return part == "." || part == ".."; });
}

std::vector<std::string> values_of(std::string_view query, std::string_view key, std::size_t most) {
  std::vector<std::string> out;
  for (const std::string_view part : split(query, '&')) {
    const std::size_t equals = part.find('=');
    if (part.substr(0, equals) != key) continue;
    std::string raw(equals == std::string_view::npos ? "" : part.substr(equals + 1));
    std::ranges::replace(raw, '+', ' ');
    // A broken escape stays, and what it stands in is refused: nothing here may hold a "%".
    auto value = percent_decode(raw);
    out.push_back(value ? std::move(*value) : std::move(raw));
    if (out.size() == most) break;
  }
  return out;
}

}  // namespace

Route route(std::string_view target) {
  Route out;
  const std::size_t mark = target.find('?');
  std::string_view path = target.substr(0, mark);
  if (mark != std::string_view::npos) out.query = target.substr(mark + 1);
  std::string decoded;
  if (path.contains('%')) {
    auto plain = percent_decode(path);
    if (!plain || plain->contains('\0') || has_encoded_slash(path)) return out;
    decoded = std::move(*plain);
    path = decoded;
  }
  if (path == "/v2" || path == kPrefix) {
    out.resource = Resource::kPing;
  } else if (path.starts_with(kPrefix) && !has_dot_component(path)) {
    out.resource = classify(path.substr(kPrefix.size()), out);
  }
  return out;
}

std::optional<std::string> Route::parameter(std::string_view key) const {
  auto values = values_of(query, key, 1);
  if (values.empty()) return std::nullopt;
  return std::move(values.front());
}

std::vector<std::string> Route::parameters(std::string_view key) const {
  constexpr std::size_t kMost = 1000;
  return values_of(query, key, kMost);
}

std::string_view allowed_methods(Resource resource) {
  switch (resource) {
    case Resource::kPing:
    case Resource::kCatalog:
    case Resource::kTags:
    case Resource::kReferrers:
      return "GET, HEAD";
    case Resource::kManifest:
      return "GET, HEAD, PUT, DELETE";
    case Resource::kBlob:
      return "GET, HEAD, DELETE";
    case Resource::kUploads:
      return "POST";
    case Resource::kUpload:
      return "GET, PATCH, PUT, DELETE";
    case Resource::kNone:
      return "";
  }
  return "";
}

}  // namespace transship::server
