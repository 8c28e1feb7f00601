#include "engine/graph/platform_filter.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <set>

#include "oci/json.h"
#include "oci/manifest.h"

namespace transship::engine {
namespace {

namespace json = boost::json;

constexpr std::uint64_t kMaxConfig = 4ULL << 20U;
constexpr std::string_view kAttested = "vnd.docker.reference.digest";

bool wished(const oci::Platform& platform, const std::vector<oci::Platform>& wishes) {
  return std::ranges::any_of(wishes,
                             [&](const oci::Platform& wish) { return platform.satisfies(wish); });
}

std::string names(const std::vector<oci::Platform>& platforms) {
  std::set<std::string> sorted;
  for (const oci::Platform& platform : platforms) sorted.insert(platform.to_string());
  std::string out;
  for (const std::string& name : sorted) out += (out.empty() ? "" : ", ") + name;
  return out;
}

// --- indexes

class Filter {
 public:
  Filter(SourceView& source, const std::vector<oci::Platform>& wishes)
      : source_(source), wishes_(wishes) {}

  /// Nothing when no entry is left.
  Task<Result<ManifestPtr>> index(ManifestPtr index, int depth);

  std::vector<oci::Platform> seen;
  std::vector<ManifestPtr> made;

 private:
  Task<Result<std::optional<oci::Descriptor>>> entry(const oci::Descriptor& entry, int depth);
  Result<ManifestPtr> rewrite(const oci::Manifest& index,
                              const std::map<oci::Digest, oci::Descriptor>& kept);

  SourceView& source_;
  const std::vector<oci::Platform>& wishes_;
  /// What became of each index: one may stand at very many places.
  std::map<oci::Digest, ManifestPtr> done_;
};

Task<Result<std::optional<oci::Descriptor>>> Filter::entry(const oci::Descriptor& entry,
                                                           int depth) {
  std::optional<oci::Descriptor> out;
  if (entry.annotations.contains(std::string(kAttested))) co_return out;
  if (entry.platform) {
    seen.push_back(*entry.platform);
    if (wished(*entry.platform, wishes_)) out = entry;
    co_return out;
  }
  if (!oci::media_type::is_index(entry.media_type)) co_return out;
  auto known = done_.find(entry.digest);
  if (known == done_.end()) {
    TS_CO_TRY(ManifestPtr nested,
              co_await source_.manifest(oci::ManifestName::by_digest(entry.digest)));
    TS_CO_TRY(ManifestPtr kept, co_await index(std::move(nested), depth + 1));
    known = done_.emplace(entry.digest, std::move(kept)).first;
  }
  const ManifestPtr below = known->second;
  if (!below) co_return out;
  out = entry;
  out->digest = below->digest;
  out->size = below->bytes.size();
  co_return out;
}

Task<Result<ManifestPtr>> Filter::index(ManifestPtr index, int depth) {
  if (depth > 64) co_return fail(Errc::kTooLarge, "indexes are nested deeper than 64");
  std::map<oci::Digest, oci::Descriptor> kept;
  bool changed = false;
  for (const oci::Descriptor& one : index->manifests) {
    TS_CO_TRY(const std::optional<oci::Descriptor> now, co_await entry(one, depth));
    if (now) kept.emplace(one.digest, *now);
    changed = changed || (now && now->digest != one.digest);
  }
  if (kept.empty()) co_return ManifestPtr();
  for (const oci::Descriptor& one : index->manifests) {
    auto attested = one.annotations.find(std::string(kAttested));
    if (attested == one.annotations.end()) continue;
    auto image = oci::Digest::parse(attested->second);
    if (image && kept.contains(*image)) kept.emplace(one.digest, one);
  }
  changed = changed || std::ranges::any_of(index->manifests, [&](const oci::Descriptor& one) {
              return !kept.contains(one.digest);
            });
  if (!changed) co_return index;
  co_return rewrite(*index, kept);
}

// The original document without some of its entries: fields that are not known to us stay.
Result<ManifestPtr> Filter::rewrite(const oci::Manifest& index,
                                    const std::map<oci::Digest, oci::Descriptor>& kept) {
  TS_TRY(json::object document, oci::json::parse_object(index.bytes, "index"));
  json::array entries;
  for (json::value& value : document["manifests"].as_array()) {
    json::object& one = value.as_object();
    TS_TRY(const oci::Digest digest, oci::Digest::parse(one["digest"].as_string()));
    auto found = kept.find(digest);
    if (found == kept.end()) continue;
    one["digest"] = found->second.digest.to_string();
    one["size"] = found->second.size;
    if (found->second.digest != digest) one.erase("data");
    entries.push_back(std::move(value));
  }
  document["manifests"] = std::move(entries);
  TS_TRY(oci::Manifest parsed,
         oci::parse_manifest(json::serialize(document), index.media_type, std::nullopt));
  made.push_back(std::make_shared<const oci::Manifest>(std::move(parsed)));
  return made.back();
}

// --- images by themselves

bool is_image_config(std::string_view type) {
  return type == "application/vnd.oci.image.config.v1+json" ||
         type == "application/vnd.docker.container.image.v1+json";
}

Task<Result<oci::Platform>> platform_of(SourceView& source, const oci::Descriptor& config) {
  if (config.size > kMaxConfig) co_return fail(Errc::kTooLarge, "an image config above 4 MiB");
  TS_CO_TRY(const std::string text, co_await source.small_blob(config));
  TS_CO_TRY(const json::object object, oci::json::parse_object(text, "image config"));
  oci::Platform platform;
  struct Field {
    std::string_view key;
    std::string oci::Platform::* into;
  };
  for (const Field& field :
       {Field{"os", &oci::Platform::os}, Field{"architecture", &oci::Platform::architecture},
        Field{"variant", &oci::Platform::variant},
        Field{"os.version", &oci::Platform::os_version}}) {
    TS_CO_TRY(const auto value, oci::json::find_string(object, field.key));
    if (value) platform.*field.into = std::string(*value);
  }
  co_return platform;
}

std::unexpected<Error> none_of(const SourceView& source, const oci::Manifest& root,
                               const std::vector<oci::Platform>& wishes,
                               const std::vector<oci::Platform>& seen) {
  Error error{.code = Errc::kNotFound,
              .message = fmt::format("{} of {} is not for {}: it is for {}",
                                     root.digest.to_string(), source.id().to_string(),
                                     names(wishes), seen.empty() ? "no platform" : names(seen)),
              .side = Side::kSource};
  return std::unexpected(std::move(error).with_hint(
      "choose one of these with --platform, or with platforms of the job"));
}

}  // namespace

Task<Result<Filtered>> filter_platforms(SourceView& source, ManifestPtr root,
                                        const std::vector<oci::Platform>& wishes) {
  if (wishes.empty()) co_return Filtered{.root = std::move(root), .made = {}};
  if (root->kind == oci::Manifest::Kind::kIndex) {
    Filter filter(source, wishes);
    TS_CO_TRY(ManifestPtr left, co_await filter.index(root, 0));
    if (!left) co_return none_of(source, *root, wishes, filter.seen);
    co_return Filtered{.root = std::move(left), .made = std::move(filter.made)};
  }
  if (root->config && is_image_config(root->config->media_type)) {
    TS_CO_TRY(const oci::Platform platform, co_await platform_of(source, *root->config));
    if (!wished(platform, wishes)) co_return none_of(source, *root, wishes, {platform});
  }
  co_return Filtered{.root = std::move(root), .made = {}};
}

}  // namespace transship::engine
