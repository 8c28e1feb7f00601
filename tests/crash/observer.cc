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

Observer::Observer(const RealRegistry& registry, const std::vector<Artifact>& artifacts, Kind kind)
    : registry_(registry.http()),
      artifacts_(artifacts),
      kind_(kind),
      thread_([this] { look_all_the_while(); }) {}

Observer::~Observer() { (void)stop(); }

std::string Observer::stop() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
  return violations_;
}

void Observer::look_all_the_while() {
  std::string repository, tags;
  for (std::size_t i = 0; !stopping_; i = (i + 1) % artifacts_.size()) {
    const Artifact& artifact = artifacts_[i];
    if (repository != artifact.repository) {
      const auto began = std::chrono::steady_clock::now();
      repository = artifact.repository;
      tags = ask("GET", "/v2/" + repository + "/tags/list").body;
      const auto took = std::chrono::steady_clock::now() - began;
      do {
        test::brief_pause();
      } while (!stopping_ && std::chrono::steady_clock::now() < began + 5 * took);
    }
    if (!complete_.contains(&artifact) && tags.contains('"' + artifact.tag + '"')) {
      look_at(artifact);
    }
  }
}

test::RawAnswer Observer::ask(std::string_view method, const std::string& target) const {
  auto answer = registry_.send(method, target, kAccept);
  // docker-registry 2.8 writes the link of a blob that comes once more in place (v3 renames it),
  // and answers 500 to whoever reads it at that moment. That says nothing of what is there: it is
  // looked at again.
  const bool half_written = kind_ == Kind::kDocker28 && answer.status == 500;
  unanswered_ = unanswered_ || answer.status == 0 || half_written;
  return answer;
}

void Observer::look_at(const Artifact& artifact) {
  unanswered_ = false;
  // distribution lists a tag before it can be read: until then it is not there for anybody.
  const auto tag = ask("HEAD", "/v2/" + artifact.repository + "/manifests/" + artifact.tag);
  if (tag.status == 404) return;
  const std::string lacks = missing(artifact);
  if (unanswered_) return;
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
    const auto answer = ask("HEAD", "/v2/" + artifact.repository + "/blobs/" + digest);
    if (answer.status != 200) return fmt::format("blob {} ({})", digest, answer.status);
  }
  return {};
}

std::string Observer::missing_manifest(const Artifact& artifact,
                                       const test::TestManifest& manifest) const {
  const std::string repository = "/v2/" + artifact.repository;
  if (!is_fallback_index(manifest)) {
    const std::string& name = manifest.tag.empty() ? manifest.digest : manifest.tag;
    const auto answer = ask("HEAD", repository + "/manifests/" + name);
    return answer.status == 200 ? "" : fmt::format("manifest {} ({})", name, answer.status);
  }
  std::string subject = manifest.tag;
  subject[subject.find('-')] = ':';
  const auto listed =
      ask("GET", repository + (e2e::has_referrers_api(kind_) ? "/referrers/" + subject
                                                             : "/manifests/" + manifest.tag));
  for (const std::string& referrer : digests_in(manifest.bytes)) {
    if (listed.body.find(referrer) == std::string::npos) {
      return fmt::format("referrer {} of {} in its list", referrer, subject);
    }
  }
  return {};
}

}  // namespace transship::crash
