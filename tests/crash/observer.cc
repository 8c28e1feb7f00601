#include "crash/observer.h"

#include <fmt/format.h>

#include <regex>

namespace transship::crash {

namespace {

const test::RawHttp::Headers kAccept = {
    {"Accept",
     "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json"}};

bool is_fallback_index(const test::TestManifest& manifest) {
  return manifest.tag.starts_with("sha256-") && manifest.tag.find('.') == std::string::npos;
}

// The digests that an index lists.
std::vector<std::string> digests_in(const std::string& index) {
  static const std::regex form("\"digest\":\"(sha256:[0-9a-f]{64})\"");
  std::vector<std::string> out;
  for (std::sregex_iterator at(index.begin(), index.end(), form), end; at != end; ++at) {
    out.push_back((*at)[1]);
  }
  return out;
}

}  // namespace

Observer::Observer(const RealRegistry& registry, const std::vector<Artifact>& artifacts,
                   bool referrers_api)
    : registry_(registry.http()),
      artifacts_(artifacts),
      referrers_api_(referrers_api),
      thread_([this] { look_all_the_while(); }) {}

Observer::~Observer() { (void)stop(); }

std::string Observer::stop() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
  return violations_;
}

void Observer::look_all_the_while() {
  while (!stopping_) {
    std::string repository, tags;
    for (const Artifact& artifact : artifacts_) {
      if (stopping_) return;
      if (complete_.contains(&artifact)) continue;
      if (repository != artifact.repository) {
        repository = artifact.repository;
        tags = registry_.get("/v2/" + repository + "/tags/list").body;
      }
      if (tags.find('"' + artifact.tag + '"') != std::string::npos) look_at(artifact);
    }
    test::brief_pause();
  }
}

void Observer::look_at(const Artifact& artifact) {
  // distribution lists a tag before it can be read: until then it is not there for anybody.
  const auto tag =
      registry_.send("HEAD", "/v2/" + artifact.repository + "/manifests/" + artifact.tag, kAccept);
  if (tag.status == 404) return;
  const std::string lacks = missing(artifact);
  if (!lacks.empty()) {
    violations_ +=
        fmt::format("{}:{} is there without {}\n", artifact.repository, artifact.tag, lacks);
  }
  complete_.insert(&artifact);
  seen_ = complete_.size();
}

std::string Observer::missing(const Artifact& artifact) const {
  for (const auto& manifest : artifact.content.manifests) {
    if (auto lacks = missing_manifest(artifact, manifest); !lacks.empty()) return lacks;
  }
  for (const auto& blob : artifact.content.blobs) {
    const std::string digest = test::sha256_of(blob);
    const auto answer = registry_.send("HEAD", "/v2/" + artifact.repository + "/blobs/" + digest);
    if (answer.status != 200) return fmt::format("blob {} ({})", digest, answer.status);
  }
  return {};
}

std::string Observer::missing_manifest(const Artifact& artifact,
                                       const test::TestManifest& manifest) const {
  const std::string repository = "/v2/" + artifact.repository;
  if (!is_fallback_index(manifest)) {
    const std::string& name = manifest.tag.empty() ? manifest.digest : manifest.tag;
    const auto answer = registry_.send("HEAD", repository + "/manifests/" + name, kAccept);
    return answer.status == 200 ? "" : fmt::format("manifest {} ({})", name, answer.status);
  }
  std::string subject = manifest.tag;
  subject[subject.find('-')] = ':';
  const auto listed = registry_.get(
      repository + (referrers_api_ ? "/referrers/" + subject : "/manifests/" + manifest.tag),
      kAccept);
  for (const std::string& referrer : digests_in(manifest.bytes)) {
    if (listed.body.find(referrer) == std::string::npos) {
      return fmt::format("referrer {} of {} in its list", referrer, subject);
    }
  }
  return {};
}

}  // namespace transship::crash
