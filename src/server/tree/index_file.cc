#define XXH_INLINE_ALL
#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <limits>

#include "oci/descriptor.h"
#include "oci/json.h"
#include "server/http/reply.h"
#include "server/tree/repository_index.h"

namespace transship::server {

namespace {

namespace bj = boost::json;

constexpr std::string_view kName = "org.opencontainers.image.ref.name";
constexpr std::string_view kSubject = "org.transship.subject";
constexpr std::string_view kReferrer = "org.transship.referrer";
constexpr std::string_view kSeal = "org.transship.seal";

/// Over all digests and names in order: tells whether another program has changed the file since.
class Seal {
 public:
  void add(std::string_view digest, std::string_view name) {
    value_ = XXH64(digest.data(), digest.size(), value_);
    value_ = XXH64(name.data(), name.size(), value_ + 1);
  }
  std::string text() const { return fmt::format("{:016x}", value_); }

 private:
  std::uint64_t value_ = 0;
};

class Printer {
 public:
  void entry(const RepositoryIndex::Listed& manifest, std::string_view tag) {
    const auto& [digest, entry] = manifest;
    if (!first_) out_ += ',';
    first_ = false;
    const std::string text = digest.to_string();
    seal_.add(text, tag);
    fmt::format_to(std::back_inserter(out_), R"({{"mediaType":{},"digest":"{}","size":{})",
                   json_string(*entry.media_type), text, entry.size);
    if (!tag.empty()) {
      fmt::format_to(std::back_inserter(out_), R"(,"annotations":{{"{}":{}}})", kName, quoted(tag));
    } else if (entry.subject) {
      fmt::format_to(std::back_inserter(out_), R"(,"annotations":{{"{}":"{}","{}":{}}})", kSubject,
                     entry.subject->to_string(), kReferrer, quoted(entry.referrer));
    }
    out_ += '}';
  }

  std::string finish() && {
    fmt::format_to(std::back_inserter(out_), R"(],"annotations":{{"{}":"{}"}}}})", kSeal,
                   seal_.text());
    return std::move(out_);
  }

 private:
  // Valid UTF-8, whole and as it is: names of foreign layouts, and JSON that we printed.
  static std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
      if (static_cast<unsigned char>(c) < 0x20) {
        fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
        continue;
      }
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    return out += '"';
  }

  std::string out_ =
      R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[)";
  bool first_ = true;
  Seal seal_;
};

Result<std::string_view> annotation(const bj::object* annotations, std::string_view key) {
  if (annotations == nullptr) return std::string_view();
  TS_TRY(const auto text, oci::json::find_string(*annotations, key));
  return text.value_or("");
}

// Entries of foreign layouts may hold anything: what is no manifest of ours is left alone.
Result<void> parse_entry(const bj::object& object, Seal& seal, std::vector<Change>& out) {
  TS_TRY(const auto text, oci::json::get_string(object, "digest"));
  TS_TRY(const bj::object* annotations, oci::json::find_object(object, "annotations"));
  TS_TRY(const auto name, annotation(annotations, kName));
  TS_TRY(const auto subject, annotation(annotations, kSubject));
  TS_TRY(const auto referrer, annotation(annotations, kReferrer));
  TS_TRY(const auto type, oci::json::find_string(object, "mediaType"));
  TS_TRY(const auto size, oci::json::get_int64(object, "size"));
  seal.add(text, name);
  auto digest = oci::Digest::parse(text);
  if (!digest || size < 0) return {};
  Change manifest{.kind = Change::Kind::kManifest, .digest = *digest};
  if (type && oci::media_type::is_safe(*type)) manifest.media_type = *type;
  manifest.size = static_cast<std::uint64_t>(size);
  if (auto parsed = oci::Digest::parse(subject)) {
    manifest.subject = std::move(*parsed);
    manifest.referrer = referrer;
  }
  out.push_back(std::move(manifest));
  if (!name.empty()) {
    out.push_back({.kind = Change::Kind::kTag, .digest = *digest, .tag = std::string(name)});
  }
  return {};
}

}  // namespace

std::string print_index_file(const RepositoryIndex& index) {
  Printer printer;
  for (const auto& [tag, manifest] : index.tags()) printer.entry(*manifest, tag);
  // Behind the tags: a subject's entry must be the last word on its manifest.
  std::vector<const RepositoryIndex::Listed*> rest;
  for (const auto& manifest : index.manifests()) {
    if (manifest.second.tags == 0 || manifest.second.subject) rest.push_back(&manifest);
  }
  std::ranges::sort(rest, {}, [](const auto* manifest) -> const auto& { return manifest->first; });
  for (const auto* manifest : rest) printer.entry(*manifest, "");
  return std::move(printer).finish();
}

Result<IndexFile> parse_index_file(std::string_view bytes) {
  // Our own file, as large as the repository is; the depth still has its bound.
  const oci::json::Limits limits{.max_bytes = std::numeric_limits<std::size_t>::max(),
                                 .max_values = std::numeric_limits<std::size_t>::max()};
  TS_TRY(const auto root, oci::json::parse_object(bytes, "index.json", limits));
  TS_TRY(const auto* manifests, oci::json::find_array(root, "manifests"));
  IndexFile out;
  Seal seal;
  if (manifests != nullptr) {
    for (const auto& value : *manifests) {
      TS_TRY(const auto* object, oci::json::as_object(value, "manifests[]"));
      TS_TRY(parse_entry(*object, seal, out.changes));
    }
  }
  TS_TRY(const auto* annotations, oci::json::find_object(root, "annotations"));
  TS_TRY(const auto sealed, annotation(annotations, kSeal));
  out.complete = sealed == seal.text();
  return out;
}

}  // namespace transship::server
