#include "engine/sync/sync_evidence.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/graph/evidence_lists.h"

namespace transship::engine {
namespace {

constexpr std::size_t kLength = 32;  // Half a sha256 in hex: no one gains from a collision.

std::string options_text(const CopyOptions& options) {
  std::string out = "1\n";
  for (const oci::Platform& platform : options.platforms) out += platform.to_string() + "\n";
  out += fmt::format("referrers {}\n", static_cast<int>(options.referrers.which));
  for (const std::string& type : options.referrers.types) out += type + "\n";
  return out;
}

std::string fingerprint(const CopyOptions& options, const oci::Digest& digest,
                        std::string_view found) {
  const std::string text = options_text(options) + digest.to_string() + "\n";
  return oci::digest_of(text + std::string(found)).hex().substr(0, kLength);
}

Task<Result<std::string>> found_text(SourceView& source, const CopyOptions& options,
                                     oci::Digest digest) {
  std::vector<std::string> lines;
  TS_CO_TRY(const auto referrers, co_await source.referrers(digest));
  for (const oci::Descriptor& one : referrers) lines.push_back(one.digest.to_string());
  TS_CO_TRY(const auto tags, co_await wanted_digest_tags(source, options.referrers, digest));
  for (const std::string& tag : tags) {
    auto there = co_await source.resolve(oci::ManifestName::by_tag(tag));
    if (!there && there.error().code == Errc::kNotFound) continue;
    if (!there) co_return std::unexpected(std::move(there).error());
    lines.push_back(tag + " " + there->digest.to_string());
  }
  std::ranges::sort(lines);
  std::string out;
  for (const std::string& line : lines) out += line + "\n";
  co_return out;
}

}  // namespace

std::string plain_fingerprint(const CopyOptions& options, const oci::Digest& digest) {
  return fingerprint(options, digest, "");
}

Task<Result<std::string>> evidence_fingerprint(SourceView& source, const CopyOptions& options,
                                               oci::Digest digest) {
  std::string found;
  if (options.referrers.which != ReferrerChoice::Which::kNone) {
    TS_CO_TRY(found, co_await found_text(source, options, digest));
  }
  co_return fingerprint(options, digest, found);
}

}  // namespace transship::engine
