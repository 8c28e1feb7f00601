#include "support/stores/test_content.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <stdexcept>

namespace transship::test {

namespace {

constexpr const char* kManifestType = "application/vnd.oci.image.manifest.v1+json";
constexpr const char* kIndexType = "application/vnd.oci.image.index.v1+json";
constexpr const char* kConfigType = "application/vnd.oci.image.config.v1+json";
constexpr const char* kLayerType = "application/vnd.oci.image.layer.v1.tar";
constexpr const char* kEmptyType = "application/vnd.oci.empty.v1+json";

std::string descriptor(const std::string& type, const std::string& bytes,
                       const std::string& more = {}) {
  return fmt::format(R"({{"mediaType":"{}","digest":"{}","size":{}{}}})", type, sha256_of(bytes),
                     bytes.size(), more);
}

std::string joined(const std::vector<std::string>& items) {
  std::string out;
  for (const auto& item : items) out += (out.empty() ? "" : ",") + item;
  return out;
}

TestManifest manifest_of(const std::string& type, std::string bytes, std::string tag = {}) {
  std::string digest = sha256_of(bytes);
  return {.media_type = type, .bytes = std::move(bytes), .digest = digest, .tag = std::move(tag)};
}

// The spelling of tags that stand for a digest.
std::string digest_tag(std::string digest) {
  digest[digest.find(':')] = '-';
  return digest;
}

std::string path_of(const RawAnswer& answer) {
  std::string location = answer.header("location");
  if (const auto scheme = location.find("://"); scheme != std::string::npos) {
    location = location.substr(location.find('/', scheme + 3));
  }
  return location;
}

[[noreturn]] void refused(const std::string& what, const RawAnswer& answer) {
  throw std::runtime_error(fmt::format("{}: HTTP {} {}", what, answer.status, answer.body));
}

void push_blob(const RawHttp& registry, const std::string& repository, const std::string& bytes) {
  const auto opened = registry.send("POST", "/v2/" + repository + "/blobs/uploads/");
  if (opened.status != 202) refused("open an upload", opened);
  std::string where = path_of(opened);
  where += (where.find('?') == std::string::npos ? "?digest=" : "&digest=") + sha256_of(bytes);
  const auto done =
      registry.send("PUT", where, {{"Content-Type", "application/octet-stream"}}, bytes);
  if (done.status != 201) refused("upload a blob", done);
}

}  // namespace

std::string sha256_of(const std::string& bytes) {
  unsigned char hash[32];
  EVP_Digest(bytes.data(), bytes.size(), hash, nullptr, EVP_sha256(), nullptr);
  std::string out = "sha256:";
  for (const unsigned char byte : hash) out += fmt::format("{:02x}", byte);
  return out;
}

std::string seeded_bytes(std::uint64_t seed, std::size_t size) {
  std::string out(size, '\0');
  for (std::size_t i = 0; i < size; i += 8) {
    seed += 0x9e3779b97f4a7c15U;
    std::uint64_t z = seed;
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
    z ^= z >> 31U;
    for (std::size_t k = 0; k < 8 && i + k < size; ++k)
      out[i + k] = static_cast<char>(z >> (8 * k));
  }
  return out;
}

std::uint64_t TestContent::blob_bytes() const {
  std::uint64_t out = 0;
  for (const auto& blob : blobs) out += blob.size();
  return out;
}

const TestManifest& TestContent::manifest(const std::string& digest_or_tag) const {
  for (const auto& m : manifests) {
    if (m.digest == digest_or_tag || (!m.tag.empty() && m.tag == digest_or_tag)) return m;
  }
  throw std::runtime_error("no manifest " + digest_or_tag);
}

void TestContent::add(TestContent other) {
  for (auto& blob : other.blobs) blobs.push_back(std::move(blob));
  for (auto& manifest : other.manifests) manifests.push_back(std::move(manifest));
}

TestContent make_image(const ImageSpec& spec) {
  TestContent out;
  std::vector<std::string> layers, diff_ids;
  for (std::size_t i = 0; i < spec.first_layers.size() + spec.layers; ++i) {
    out.blobs.push_back(i < spec.first_layers.size()
                            ? spec.first_layers[i]
                            : seeded_bytes(spec.seed * 1000 + i, spec.layer_bytes));
    layers.push_back(descriptor(kLayerType, out.blobs.back()));
    diff_ids.push_back('"' + sha256_of(out.blobs.back()) + '"');
  }
  out.blobs.push_back(fmt::format(
      R"({{"architecture":"{}","os":"linux","created":"{}","config":{{}},"rootfs":{{"type":"layers","diff_ids":[{}]}}}})",
      spec.architecture, spec.created, joined(diff_ids)));
  out.manifests.push_back(manifest_of(
      kManifestType,
      fmt::format(R"({{"schemaVersion":2,"mediaType":"{}","config":{},"layers":[{}]}})",
                  kManifestType, descriptor(kConfigType, out.blobs.back()), joined(layers)),
      spec.tag));
  out.root = out.manifests.back().digest;
  return out;
}

TestContent make_referrer(const TestManifest& subject, const std::string& artifact_type,
                          const std::string& payload) {
  TestContent out;
  out.blobs = {"{}", payload};
  out.manifests.push_back(manifest_of(
      kManifestType,
      fmt::format(
          R"({{"schemaVersion":2,"mediaType":"{}","artifactType":"{}","config":{},"layers":[{}],"subject":{},"annotations":{{"org.opencontainers.image.created":"2026-01-01T00:00:00Z"}}}})",
          kManifestType, artifact_type, descriptor(kEmptyType, "{}"),
          descriptor(artifact_type, payload), descriptor(subject.media_type, subject.bytes))));
  out.root = out.manifests.back().digest;
  return out;
}

TestManifest make_fallback_index(const std::string& digest,
                                 const std::vector<TestManifest>& referrers) {
  std::vector<std::string> entries;
  for (const auto& referrer : referrers) {
    const std::string key = R"("artifactType":")";
    const auto at = referrer.bytes.find(key) + key.size();
    const std::string type = referrer.bytes.substr(at, referrer.bytes.find('"', at) - at);
    entries.push_back(descriptor(
        referrer.media_type, referrer.bytes,
        fmt::format(
            R"(,"artifactType":"{}","annotations":{{"org.opencontainers.image.created":"2026-01-01T00:00:00Z"}})",
            type)));
  }
  return manifest_of(kIndexType,
                     fmt::format(R"({{"schemaVersion":2,"mediaType":"{}","manifests":[{}]}})",
                                 kIndexType, joined(entries)),
                     digest_tag(digest));
}

TestContent make_release(const ImageSpec& spec, bool fallback_tags) {
  TestContent out;
  std::vector<std::string> children;
  for (const std::string architecture : {"amd64", "arm64"}) {
    ImageSpec one = spec;
    one.tag.clear();
    one.architecture = architecture;
    one.seed = spec.seed + (architecture == "arm64" ? 500 : 0);
    TestContent image = make_image(one);
    children.push_back(descriptor(
        kManifestType, image.manifests.back().bytes,
        fmt::format(R"(,"platform":{{"architecture":"{}","os":"linux"}})", architecture)));
    out.add(std::move(image));
  }
  const TestManifest child = out.manifests.front();
  const TestManifest root =
      manifest_of(kIndexType,
                  fmt::format(R"({{"schemaVersion":2,"mediaType":"{}","manifests":[{}]}})",
                              kIndexType, joined(children)),
                  spec.tag);
  out.root = root.digest;
  out.manifests.push_back(root);
  TestContent sbom = make_referrer(root, "application/spdx+json", R"({"spdxVersion":"SPDX-2.3"})");
  TestContent signature = make_referrer(sbom.manifests.back(), "application/vnd.example.signature",
                                        "signature of the SBOM");
  TestContent scan = make_referrer(child, "application/vnd.example.scan", "nothing found");
  std::vector<TestManifest> indexes;
  if (fallback_tags) {
    indexes = {make_fallback_index(root.digest, {sbom.manifests.back()}),
               make_fallback_index(sbom.root, {signature.manifests.back()}),
               make_fallback_index(child.digest, {scan.manifests.back()})};
  }
  TestContent cosign = make_image({.tag = digest_tag(root.digest) + ".sig",
                                   .layers = 1,
                                   .layer_bytes = 200,
                                   .seed = spec.seed + 900});
  for (auto* part : {&sbom, &signature, &scan, &cosign}) out.add(std::move(*part));
  for (auto& index : indexes) out.manifests.push_back(std::move(index));
  return out;
}

void push(const RawHttp& registry, const std::string& repository, const TestContent& content) {
  for (const auto& blob : content.blobs) push_blob(registry, repository, blob);
  for (const auto& m : content.manifests) {
    const auto put = registry.send(
        "PUT", "/v2/" + repository + "/manifests/" + (m.tag.empty() ? m.digest : m.tag),
        {{"Content-Type", m.media_type}}, m.bytes);
    if (put.status != 201) refused("push manifest " + m.digest, put);
  }
}

std::string differences(const RawHttp& registry, const std::string& repository,
                        const TestContent& content, bool fallback_tags_too) {
  std::string out;
  const RawHttp::Headers accept = {
      {"Accept", std::string(kManifestType) + ", " + std::string(kIndexType)}};
  const auto compare = [&](const std::string& what, const RawAnswer& got,
                           const std::string& bytes) {
    if (got.status != 200) out += fmt::format("{}: HTTP {}\n", what, got.status);
    if (got.status == 200 && got.body != bytes) out += what + ": other bytes\n";
  };
  for (const auto& blob : content.blobs) {
    const std::string digest = sha256_of(blob);
    compare("blob " + digest, registry.get("/v2/" + repository + "/blobs/" + digest), blob);
  }
  for (const auto& m : content.manifests) {
    const bool fallback = m.tag.starts_with("sha256-") && m.media_type == kIndexType;
    if (fallback && !fallback_tags_too) continue;
    const std::string reference = m.tag.empty() ? m.digest : m.tag;
    const auto got = registry.get("/v2/" + repository + "/manifests/" + reference, accept);
    compare("manifest " + reference, got, m.bytes);
    if (got.status == 200 && got.header("content-type") != m.media_type) {
      out += "manifest " + reference + ": Content-Type " + got.header("content-type") + "\n";
    }
  }
  return out;
}

bool has_tag(const RawHttp& registry, const std::string& repository, const std::string& tag) {
  return registry
             .get("/v2/" + repository + "/manifests/" + tag,
                  {{"Accept", std::string(kManifestType) + ", " + std::string(kIndexType)}})
             .status == 200;
}

}  // namespace transship::test
