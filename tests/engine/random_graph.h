#pragma once

#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "engine/copy_world.h"

namespace transship::test {

/// A repository of made-up images, indexes, referrers, digest tags and tags; the same for the same
/// seed. Few different layers and configs: most are shared, with other repositories too.
class RandomGraph {
 public:
  /// At most so many, and at least one image and one tag.
  struct Size {
    std::size_t images = 6, indexes = 4, referrers = 7, tags = 5;
    std::size_t layer_unit = 1000;  ///< Layers have up to 11 times these bytes.
  };
  RandomGraph(std::uint64_t seed, MemoryRepository& to, Size size)
      : random_(seed), to_(to), size_(size) {}

  void build() {
    const std::size_t images = 1 + below(size_.images);
    for (std::size_t i = 0; i < images; ++i) made_.push_back(image(std::nullopt));
    const std::size_t indexes = below(size_.indexes + 1);
    for (std::size_t i = 0; i < indexes; ++i) made_.push_back(index());
    const std::size_t referrers = below(size_.referrers + 1);
    for (std::size_t i = 0; i < referrers; ++i) {
      made_.push_back(image(made_[below(made_.size())].descriptor()));
      referrers_.push_back(made_.back());
    }
    for (std::size_t i = 0; i < below(3); ++i) {
      const oci::Manifest& subject = made_[below(made_.size())];
      to_.tag("sha256-" + subject.digest.hex() + (chance(50) ? ".sig" : ".att"),
              made_[below(images)].digest);
    }
    const std::size_t tags = 1 + below(size_.tags);
    for (std::size_t i = 0; i < tags; ++i) {
      to_.tag(fmt::format("t{}", i), made_[below(made_.size())].digest);
    }
  }
  void write_fallback_tags() {
    std::map<oci::Digest, std::vector<oci::Manifest>> by_subject;
    for (const oci::Manifest& one : referrers_) by_subject[one.subject->digest].push_back(one);
    for (const auto& [subject, list] : by_subject) {
      add_fallback_tag(to_, *to_.find(oci::ManifestName::by_digest(subject)), list);
    }
  }

 private:
  std::size_t below(std::size_t n) { return random_() % n; }
  bool chance(unsigned percent) { return random_() % 100 < percent; }

  oci::Manifest image(std::optional<oci::Descriptor> subject) {
    ImageSpec spec{.layers = {},
                   .config = fmt::format("{{\"n\":{}}}", ++count_),
                   .subject = std::move(subject)};
    const std::size_t layers = below(5);
    for (std::size_t i = 0; i < layers; ++i) {
      spec.layers.push_back(
          std::string(below(12) * size_.layer_unit, static_cast<char>('a' + below(6))));
    }
    return add_image(to_, spec);
  }
  oci::Manifest index() {
    std::vector<std::string> entries;
    const std::size_t children = below(4);
    for (std::size_t i = 0; i < children; ++i) entries.push_back(entry(made_[below(made_.size())]));
    return add_index(to_, entries, "", fmt::format(R"(,"annotations":{{"n":"{}"}})", ++count_));
  }

  std::mt19937_64 random_;
  MemoryRepository& to_;
  Size size_;
  std::vector<oci::Manifest> made_, referrers_;
  int count_ = 0;
};

}  // namespace transship::test
