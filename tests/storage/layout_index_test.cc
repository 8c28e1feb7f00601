#include "storage/layout_index.h"

#include <gtest/gtest.h>

#include "oci/digest.h"

namespace transship::storage {
namespace {

constexpr std::uint64_t kLimit = 1U << 20U;
const std::string kEmpty = R"({"schemaVersion":2,"manifests":[]})";

oci::Descriptor described(const std::string& text) {
  return {.media_type = std::string(oci::media_type::kOciManifest),
          .digest = oci::digest_of(text),
          .size = text.size()};
}

LayoutEdit named(const std::string& text, std::string name) {
  return {.descriptor = described(text), .name = std::move(name)};
}

/// `text` after `edits`; what was there already stays `text`.
std::string edited(const std::string& text, const std::vector<LayoutEdit>& edits,
                   const std::vector<std::string>& referrers = {}) {
  auto needed = [&](const oci::Digest& digest) {
    for (const auto& one : referrers) {
      if (oci::digest_of(one) == digest) return true;
    }
    return false;
  };
  auto out = edit_layout_index(text, edits, needed, kLimit);
  EXPECT_TRUE(out) << out.error().describe();
  return out && *out ? **out : text;
}

/// "digest's text=name" of each entry.
std::vector<std::string> entries(const std::string& text, const std::vector<std::string>& texts) {
  std::vector<std::string> out;
  const auto index = parse_layout_index(text, kLimit);
  EXPECT_TRUE(index) << index.error().describe();
  for (const auto& entry : index->entries) {
    std::string label = "?";
    for (const auto& one : texts) {
      if (oci::digest_of(one) == entry.descriptor.digest) label = one;
    }
    out.push_back(label + "=" + entry.name);
  }
  return out;
}

using Names = std::vector<std::string>;

TEST(LayoutIndexTest, NamesAreAdded) {
  const std::string one = edited(kEmpty, {named("a", "v1"), named("b", "v2"), named("a", "v3")});
  EXPECT_EQ(entries(one, {"a", "b"}), (Names{"a=v1", "b=v2", "a=v3"}));
}

TEST(LayoutIndexTest, WhatIsThereIsNotWrittenAgain) {
  const std::string one = edited(kEmpty, {named("a", "v1")});
  const auto same = edit_layout_index(
      one, {named("a", "v1"), named("a", "")}, [](const auto&) { return false; }, kLimit);
  ASSERT_TRUE(same);
  EXPECT_FALSE(same->has_value());
}

TEST(LayoutIndexTest, AnOlderHolderOfANameGoes) {
  const std::string one = edited(kEmpty, {named("a", "v1"), named("c", "v2")});
  EXPECT_EQ(entries(edited(one, {named("b", "v1")}), {"a", "b", "c"}), (Names{"c=v2", "b=v1"}));
}

TEST(LayoutIndexTest, AnOlderHolderThatIsAReferrerStaysWithoutTheName) {
  const std::string one = edited(kEmpty, {named("a", "v1")});
  EXPECT_EQ(entries(edited(one, {named("b", "v1")}, {"a"}), {"a", "b"}), (Names{"a=", "b=v1"}));
}

TEST(LayoutIndexTest, AnUnnamedEntryTakesTheName) {
  const std::string one = edited(kEmpty, {named("a", "")});
  EXPECT_EQ(entries(one, {"a"}), (Names{"a="}));
  EXPECT_EQ(entries(edited(one, {named("a", "v1")}), {"a"}), (Names{"a=v1"}));
}

TEST(LayoutIndexTest, ChildrenAreReachedThroughTheirIndex) {
  const std::string one = edited(kEmpty, {named("a", ""), named("sbom", ""), named("b", "keep")});
  LayoutEdit index = named("index", "v1");
  index.children = {oci::digest_of("a"), oci::digest_of("sbom"), oci::digest_of("b")};
  EXPECT_EQ(entries(edited(one, {index}, {"sbom"}), {"a", "b", "sbom", "index"}),
            (Names{"sbom=", "b=keep", "index=v1"}));
}

TEST(LayoutIndexTest, WhatOthersWroteStays) {
  const std::string foreign =
      R"({"schemaVersion":2,"x-own":{"k":[1]},"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json",)"
      R"("digest":"sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",)"
      R"("size":3,"x-more":true,"annotations":{"org.opencontainers.image.ref.name":"old","io.containerd.image.name":"h/r:old"}}]})";
  const std::string out = edited(foreign, {named("a", "old")});
  EXPECT_NE(out.find(R"("x-own":{"k":[1]})"), out.npos) << out;
  EXPECT_NE(out.find(R"("x-more":true)"), out.npos) << out;
  EXPECT_NE(out.find(R"("annotations":{"io.containerd.image.name":"h/r:old"})"), out.npos) << out;
}

TEST(LayoutIndexTest, NamesAreFoundAsOtherToolsFindThem) {
  const std::string text =
      edited(kEmpty, {named("a", "v1"), named("b", "host/repo:v2"), named("c", "other/repo:v3"),
                      named("d", "host/repo:v3")});
  const auto index = parse_layout_index(text, kLimit).value();
  EXPECT_EQ(find_entry(index, "v1")->descriptor.digest, oci::digest_of("a"));
  EXPECT_EQ(find_entry(index, "host/repo:v2")->descriptor.digest, oci::digest_of("b"));
  EXPECT_EQ(find_entry(index, "v2")->descriptor.digest, oci::digest_of("b"));
  const auto two = find_entry(index, "v3");
  ASSERT_FALSE(two);
  EXPECT_EQ(two.error().code, Errc::kInvalidArgument);
  const auto none = find_entry(index, "v4");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Errc::kNotFound);
  EXPECT_NE(none.error().message.find("v1, host/repo:v2"), std::string::npos)
      << none.error().message;
}

// As containerd and docker name images.
TEST(LayoutIndexTest, AFullNameAloneNamesAnEntry) {
  const auto entry = [](const std::string& text, const std::string& full_name) {
    return R"({"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":")" +
           oci::digest_of(text).to_string() + R"(","size":1,"annotations":{)" +
           R"("io.containerd.image.name":")" + full_name + R"("}})";
  };
  const auto index = parse_layout_index(R"({"schemaVersion":2,"manifests":[)" +
                                            entry("a", "docker.io/library/app:1.0") + "," +
                                            entry("a", "docker.io/library/app:latest") + "," +
                                            entry("b", "docker.io/library/other:latest") + "," +
                                            entry("c", "host:5000/untagged") + "]}",
                                        kLimit)
                         .value();
  for (const char* name : {"docker.io/library/app:1.0", "library/app:1.0", "1.0"}) {
    const auto found = find_entry(index, name);
    // Only whole names, and what follows their ":".
    EXPECT_EQ(found.has_value(), std::string_view(name) != "library/app:1.0") << name;
    if (found) EXPECT_EQ(found->descriptor.digest, oci::digest_of("a"));
  }
  EXPECT_EQ(find_entry(index, "host:5000/untagged")->descriptor.digest, oci::digest_of("c"));
  EXPECT_EQ(find_entry(index, "latest").error().code, Errc::kInvalidArgument);
  EXPECT_EQ(find_entry(index, "docker.io/library/other:latest")->descriptor.digest,
            oci::digest_of("b"));
  const auto none = find_entry(index, "2.0");
  EXPECT_NE(none.error().message.find("docker.io/library/app:1.0, docker.io/library/app:latest"),
            std::string::npos)
      << none.error().message;
  EXPECT_EQ(tag_of(index.entries[0]), "1.0");
  EXPECT_EQ(tag_of(index.entries[3]), "5000/untagged");
}

TEST(LayoutIndexTest, BrokenTextIsRefused) {
  for (const char* text :
       {"", "[]", "{}", R"({"manifests":{}})", R"({"manifests":[1]})", R"({"manifests":[{}]})",
        R"({"manifests":[],"manifests":[]})",
        R"({"manifests":[{"digest":"sha256:../../etc/passwd","size":1,"mediaType":"a/b"}]})"}) {
    const auto parsed = parse_layout_index(text, kLimit);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, Errc::kMalformed) << parsed.error().describe();
  }
  const auto large = parse_layout_index(kEmpty, 10);
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().code, Errc::kTooLarge);
}

TEST(LayoutIndexTest, IsNotWrittenLargerThanItMayBeRead) {
  const auto out =
      edit_layout_index(kEmpty, {named("a", "v1")}, [](const auto&) { return false; }, 60);
  ASSERT_FALSE(out);
  EXPECT_EQ(out.error().code, Errc::kTooLarge);
}

TEST(LayoutMarkerTest, OtherVersionsAreRefused) {
  EXPECT_TRUE(check_layout_marker(kLayoutMarker));
  EXPECT_TRUE(check_layout_marker(R"({ "imageLayoutVersion" : "1.0.0", "more": 1 })"));
  EXPECT_EQ(check_layout_marker(R"({"imageLayoutVersion":"2.0.0"})").error().code,
            Errc::kUnsupported);
  EXPECT_EQ(check_layout_marker("{}").error().code, Errc::kMalformed);
}

}  // namespace
}  // namespace transship::storage
