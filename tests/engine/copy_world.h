#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "engine/copy/copy.h"
#include "support/engine/fake_clock.h"
#include "support/stores/memory_store.h"

// What the tests of the walk share: a source and targets in memory, content made by hand, a copy
// on virtual time, and an observer that checks invariant 2 after every call that a target answers.

namespace transship::test {

inline std::string json_descriptor(const oci::Descriptor& d, const std::string& more = "") {
  std::string out = fmt::format(R"({{"mediaType":"{}","digest":"{}","size":{})", d.media_type,
                                d.digest.to_string(), d.size);
  if (d.platform) {
    out += fmt::format(R"(,"platform":{{"os":"{}","architecture":"{}"}})", d.platform->os,
                       d.platform->architecture);
  }
  return out + more + "}";
}

struct ImageSpec {
  std::vector<std::string> layers;
  std::string config = R"({"os":"linux","architecture":"amd64"})";
  std::optional<oci::Descriptor> subject{};
  std::string artifact_type{};
  std::string config_type = "application/vnd.oci.image.config.v1+json";
  std::string more{};  ///< Further fields, as JSON text with a leading comma.
  std::string layer_type = "application/vnd.oci.image.layer.v1.tar";
};

inline oci::Manifest add_image(MemoryRepository& to, const ImageSpec& spec,
                               const std::string& tag = "") {
  const oci::Descriptor config = to.add_blob(spec.config, spec.config_type);
  std::string layers;
  for (const std::string& layer : spec.layers) {
    if (!layers.empty()) layers += ",";
    layers += json_descriptor(to.add_blob(layer, spec.layer_type));
  }
  std::string text =
      fmt::format(R"({{"schemaVersion":2,"mediaType":"{}","config":{},"layers":[{}])",
                  oci::media_type::kOciManifest, json_descriptor(config), layers);
  if (spec.subject) text += R"(,"subject":)" + json_descriptor(*spec.subject);
  if (!spec.artifact_type.empty()) {
    text += fmt::format(R"(,"artifactType":"{}")", spec.artifact_type);
  }
  return to.add_manifest(text + spec.more + "}", std::string(oci::media_type::kOciManifest), tag);
}

inline oci::Manifest add_index(MemoryRepository& to, const std::vector<std::string>& entries,
                               const std::string& tag = "", const std::string& more = "") {
  std::string text = fmt::format(R"({{"schemaVersion":2,"mediaType":"{}","manifests":[)",
                                 oci::media_type::kOciIndex);
  for (std::size_t i = 0; i < entries.size(); ++i) text += (i > 0 ? "," : "") + entries[i];
  return to.add_manifest(text + "]" + more + "}", std::string(oci::media_type::kOciIndex), tag);
}

inline std::string entry(const oci::Manifest& manifest, const std::string& platform = "",
                         const std::string& more = "") {
  oci::Descriptor d = manifest.descriptor();
  if (!platform.empty()) d.platform = oci::Platform::parse(platform).value();
  return json_descriptor(d, more);
}

inline oci::Manifest add_referrer(MemoryRepository& to, const oci::Manifest& subject,
                                  const std::string& type, const std::string& content) {
  return add_image(to, {.layers = {content},
                        .config = "{}",
                        .subject = subject.descriptor(),
                        .artifact_type = type,
                        .config_type = std::string(oci::media_type::kEmpty)});
}

/// Lists `entries` under the fallback tag of `subject`: what clients do where there is no API.
inline void add_fallback_tag(MemoryRepository& to, const oci::Manifest& subject,
                             const std::vector<oci::Manifest>& entries) {
  std::vector<oci::Descriptor> list;
  for (const oci::Manifest& one : entries) list.push_back(one.descriptor());
  to.add_manifest(oci::print_index(list), std::string(oci::media_type::kOciIndex),
                  oci::fallback_tag(subject.digest));
}

/// Notes what it was told.
class NotedProgress final : public engine::Progress {
 public:
  void blob_started(std::uint64_t, const oci::Descriptor&, const oci::RepositoryId&) override {
    ++started;
  }
  void moved(std::uint64_t, std::uint64_t) override {}
  void blob_ended(std::uint64_t, BlobEnd) override { ++ended; }
  void expected(std::uint64_t blobs, std::uint64_t) override { expected_blobs += blobs; }
  void tagged(const oci::RepositoryId& target, std::string_view tag, const oci::Digest&) override {
    tags.push_back(fmt::format("{}:{}", target.to_string(), tag));
  }
  void note(std::string_view) override {}
  void artifacts_found(std::string_view, std::uint64_t more) override { found += more; }
  void artifact_ended(std::string_view target, engine::ItemOutcome outcome) override {
    artifacts.push_back(fmt::format("{} {}", target, to_string(outcome)));
  }

  std::uint64_t found = 0;
  std::vector<std::string> artifacts;
  std::uint64_t started = 0, ended = 0, expected_blobs = 0;
  std::vector<std::string> tags;
};

class CopyWorld : public ::testing::Test {
 public:
  Shards shards{1};
  FakeClock clock;
  MemoryBudget memory{64U << 20U};
  NotedProgress progress;
  engine::Options options{.random_seed = 1};
  MemoryStore source_store{"source.example", clock};
  MemoryStore target_store{"target.example", clock};
  MemoryRepository& source = source_store.repository("team/app");
  MemoryRepository& target = target_store.repository("mirror/app");
  engine::CopyOptions copy_options;

  engine::Report copy(oci::ManifestName root, std::vector<engine::CopyTarget> targets) {
    return run([&](const engine::Context& context) {
      return engine::copy_artifact(context, source, std::move(root), std::move(targets),
                                   copy_options);
    });
  }
  engine::Report copy(const std::string& tag) {
    return copy(oci::ManifestName::by_tag(tag), {{&target, tag}});
  }
  engine::Report copy_all(std::vector<engine::CopyTarget> targets) {
    return run([&](const engine::Context& context) {
      return engine::copy_all_tags(context, source, std::move(targets), copy_options);
    });
  }

  engine::Report run(const std::function<Task<engine::Report>(const engine::Context&)>& what) {
    const engine::Context context{shards, clock, memory, progress, options};
    engine::Report report;
    auto task = [&]() -> Task<Result<void>> {
      report = co_await what(context);
      co_return Result<void>{};
    };
    const Result<void> done = run_virtual(shards, clock, task);
    EXPECT_TRUE(done) << (done ? "" : done.error().describe());
    EXPECT_EQ(progress.started, progress.ended);
    EXPECT_EQ(progress.started, progress.expected_blobs);
    return report;
  }

  std::size_t requests() const { return source_store.log.size() + target_store.log.size(); }
  void clear_logs() {
    source_store.log.clear();
    target_store.log.clear();
  }

  /// From now on, after every call to `store`: no tag of `at` whose graph or evidence (as far as
  /// `from` has it) is not there.
  void observe(MemoryStore& store, MemoryRepository& at, MemoryRepository& from) {
    store.watch = [this, &at, &from](const Call& call) {
      for (const auto& [tag, digest] : at.tag_map()) {
        if (oci::parse_digest_tag(tag)) continue;
        const auto known = accepted_.find(&at);
        if (known != accepted_.end() && known->second.contains({tag, digest.to_string()})) continue;
        std::set<oci::Digest> seen;
        const std::string missing = first_missing(at, from, digest, seen);
        EXPECT_EQ(missing, "") << "tag " << tag << " after " << to_string(call.step) << " "
                               << call.what;
        if (missing.empty()) accepted_[&at].insert({tag, digest.to_string()});
      }
    };
  }

  /// "" when all of `digest` that `from` has is in `at`, byte for byte.
  static std::string first_missing(const MemoryRepository& at, const MemoryRepository& from,
                                   const oci::Digest& digest, std::set<oci::Digest>& seen,
                                   bool evidence = true) {
    if (!seen.insert(digest).second) return "";
    const auto name = oci::ManifestName::by_digest(digest);
    const oci::Manifest* there = at.find(name);
    const oci::Manifest* original = from.find(name);
    if (there == nullptr) return "manifest " + digest.to_string();
    if (original != nullptr && original->bytes != there->bytes)
      return "other bytes " + digest.to_string();
    for (const oci::Descriptor& blob : there->blobs()) {
      const std::string* bytes = at.blob_bytes(blob.digest);
      if (bytes == nullptr) return "blob " + blob.digest.to_string();
      const std::string* expected = from.blob_bytes(blob.digest);
      if (expected != nullptr && *bytes != *expected)
        return "other bytes " + blob.digest.to_string();
    }
    for (const oci::Descriptor& child : there->manifests) {
      if (from.find(oci::ManifestName::by_digest(child.digest)) == nullptr) {
        if (at.blob_bytes(child.digest) == nullptr) return "entry " + child.digest.to_string();
        continue;
      }
      auto missing = first_missing(at, from, child.digest, seen, evidence);
      if (!missing.empty()) return missing;
    }
    return evidence ? missing_evidence(at, from, digest, seen) : "";
  }

  static std::string missing_evidence(const MemoryRepository& at, const MemoryRepository& from,
                                      const oci::Digest& digest, std::set<oci::Digest>& seen) {
    for (const auto& [referrer, manifest] : from.manifests()) {
      if (!manifest.subject || manifest.subject->digest != digest) continue;
      auto missing = first_missing(at, from, referrer, seen);
      if (!missing.empty()) return "referrer: " + missing;
    }
    for (const auto& [tag, tagged] : from.tag_map()) {
      const auto parsed = oci::parse_digest_tag(tag);
      if (!parsed || parsed->suffix.empty() || parsed->hex != digest.hex().substr(0, 64)) continue;
      const auto there = at.tag_map().find(tag);
      if (there == at.tag_map().end() || there->second != tagged) return "digest tag " + tag;
      auto missing = first_missing(at, from, tagged, seen);
      if (!missing.empty()) return "digest tag: " + missing;
    }
    return "";
  }

  static void expect_complete(const MemoryRepository& at, const MemoryRepository& from,
                              const oci::Digest& digest, bool evidence = true) {
    std::set<oci::Digest> seen;
    EXPECT_EQ(first_missing(at, from, digest, seen, evidence), "");
  }

  static std::string why(const engine::Report& report) {
    std::string out;
    for (const engine::ItemReport& item : report.items) {
      out += fmt::format("{} -> {}: {}{}{}\n", item.source, item.target,
                         engine::to_string(item.outcome), item.error ? ": " : "",
                         item.error ? item.error->describe() : "");
    }
    return out;
  }

 private:
  std::map<const MemoryRepository*, std::set<std::pair<std::string, std::string>>> accepted_;
};

}  // namespace transship::test
