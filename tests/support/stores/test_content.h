#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "support/http/raw_http.h"

namespace transship::test {

/// "sha256:..." of some bytes, by OpenSSL.
std::string sha256_of(const std::string& bytes);

/// The same bytes for the same seed.
std::string seeded_bytes(std::uint64_t seed, std::size_t size);

/// One manifest or index, as it is pushed.
struct TestManifest {
  std::string media_type, bytes, digest;
  std::string tag;  ///< Empty: pushed by its digest.
};

/// What a repository is to hold: blobs, then manifests in the order of their pushes.
struct TestContent {
  std::vector<std::string> blobs;
  std::vector<TestManifest> manifests;
  std::string root;  ///< Digest of the root.

  std::uint64_t blob_bytes() const;
  const TestManifest& manifest(const std::string& digest_or_tag) const;
  void add(TestContent other);
};

struct ImageSpec {
  std::string tag = "1.0";
  std::size_t layers = 3;
  std::size_t layer_bytes = 10'000;
  std::uint64_t seed = 1;
  std::vector<std::string> first_layers{};  ///< Before the others: shared ones, large ones.
  std::string architecture = "amd64";
  std::string created = "2026-01-01T00:00:00Z";
};

/// An OCI image: config, layers, manifest.
TestContent make_image(const ImageSpec& spec);

/// An artifact of one blob that refers to `subject`.
TestContent make_referrer(const TestManifest& subject, const std::string& artifact_type,
                          const std::string& payload);

/// The index behind a fallback tag ("sha256-<hex>"): it lists `referrers` of the subject `digest`.
TestManifest make_fallback_index(const std::string& digest,
                                 const std::vector<TestManifest>& referrers);

/// An index over two platforms, an SBOM of the index, a signature of that SBOM, a scan result of
/// one child, and a cosign tag; `fallback_tags` adds the indexes that a registry without the
/// referrers API needs. The root is tagged `spec.tag`.
TestContent make_release(const ImageSpec& spec, bool fallback_tags);

/// Puts it into a repository; throws with the registry's answer when it does not take it.
void push(const RawHttp& registry, const std::string& repository, const TestContent& content);

/// Asks the registry for everything of `content`, byte for byte. "" when it is all there, else what
/// is missing or different. Fallback tags are looked at only when asked for: a target with the
/// referrers API has none.
std::string differences(const RawHttp& registry, const std::string& repository,
                        const TestContent& content, bool fallback_tags_too = false);

/// Does the repository have this tag?
bool has_tag(const RawHttp& registry, const std::string& repository, const std::string& tag);

}  // namespace transship::test
