// inspect and tree, where not all of an artifact can be read.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <boost/json/parse.hpp>

#include "e2e/answering_proxy.h"
#include "support/json_schema.h"

namespace transship::e2e {
namespace {

using ::testing::HasSubstr;

/// A release, looked at through a door that answers some requests by itself.
class UnreadableParts : public ::testing::Test {
 protected:
  void SetUp() override { push(source_.http(), "app", release_); }

  // Answers GETs of paths with `part` in them.
  static AnsweringProxy::Fault answering(const std::string& part, const std::string& bytes) {
    return [part, bytes](const Asked& asked) -> std::optional<std::string> {
      if (!asked.is("GET", part)) return std::nullopt;
      return bytes;
    };
  }
  static Outcome show(const AnsweringProxy& door, const std::string& command,
                      const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {command, door.host() + "/app:1.0"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return transship(arguments);
  }
  static boost::json::value json(const AnsweringProxy& door, const std::string& command, int code) {
    const Outcome outcome = show(door, command, {"--json"});
    EXPECT_EQ(outcome.code, code) << shown(outcome);
    EXPECT_EQ(test::violations("artifact.schema.json", outcome.out), "") << outcome.out;
    return boost::json::parse(outcome.out);
  }
  std::string first_child() const {
    const auto index = boost::json::parse(release_.manifest(release_.root).bytes);
    return std::string(index.at("manifests").at(0).at("digest").as_string());
  }

  const TestContent release_ = test::make_release({}, false);
  Served source_;
};

TEST_F(UnreadableParts, WhatCannotBeReadIsNamed) {
  struct Case {
    std::string part, named;
  };
  for (const Case& each : {Case{"/tags/list", "tags"},
                           {"/referrers/", "referrers of sha256:"},
                           {"/manifests/" + first_child(), first_child()}}) {
    SCOPED_TRACE(each.part);
    const AnsweringProxy door(
        source_.port(),
        answering(each.part, BadRegistry::error("403 Forbidden", "DENIED", "not for you")));
    for (const std::string command : {"inspect", "tree"}) {
      const Outcome outcome = show(door, command);
      EXPECT_EQ(outcome.code, 1) << shown(outcome);
      EXPECT_THAT(outcome.err, HasSubstr(each.named));
      EXPECT_THAT(outcome.err, HasSubstr("not for you"));
      EXPECT_THAT(outcome.out, HasSubstr("index of 2")) << "what could be read is shown";
      const auto told = json(door, command, 1);
      EXPECT_FALSE(told.at("complete").as_bool());
      const auto& problem = told.at("problems").at(0);
      EXPECT_EQ(problem.at("httpStatus").as_int64(), 403);
      EXPECT_THAT(std::string(problem.at("message").as_string()), HasSubstr(each.named));
    }
  }
}

TEST_F(UnreadableParts, AChildThatIsNotThereIsNamed) {
  const AnsweringProxy door(source_.port(),
                            answering("/manifests/" + first_child(),
                                      BadRegistry::error("404 Not Found", "MANIFEST_UNKNOWN")));
  const Outcome outcome = show(door, "tree");
  EXPECT_EQ(outcome.code, 1) << shown(outcome);
  EXPECT_THAT(outcome.err, HasSubstr(first_child()));
  EXPECT_THAT(outcome.out, HasSubstr("unreadable: "));
}

TEST_F(UnreadableParts, ThatThereAreNoneIsNoProblem) {
  for (const std::string part : {"nothing", "/tags/list", "/referrers/"}) {
    SCOPED_TRACE(part);
    const AnsweringProxy door(source_.port(),
                              answering(part, BadRegistry::error("404 Not Found", "NAME_UNKNOWN")));
    const Outcome outcome = show(door, "tree");
    EXPECT_DONE(outcome);
    EXPECT_EQ(outcome.err, "");
    const auto told = json(door, "inspect", 0);
    EXPECT_TRUE(told.at("complete").as_bool());
    EXPECT_TRUE(told.at("problems").as_array().empty());
  }
}

// 2^24 ways lead to one image; what is walked is bounded, and what is read is read once.
TEST(Tree, OfVeryManyPathsEnds) {
  constexpr int kLevels = 24;
  TestContent content = test::make_image({.tag = ""});
  for (int i = 0; i < kLevels; ++i) {
    const test::TestManifest below = content.manifests.back();
    const auto entry = [&](const std::string& architecture) {
      return fmt::format(
          R"({{"mediaType":"{}","digest":"{}","size":{},"platform":{{"os":"linux","architecture":"{}"}}}})",
          below.media_type, below.digest, below.bytes.size(), architecture);
    };
    test::TestManifest index{
        .media_type = "application/vnd.oci.image.index.v1+json",
        .bytes =
            fmt::format(R"({{"schemaVersion":2,"mediaType":"{}","manifests":[{},{}]}})",
                        "application/vnd.oci.image.index.v1+json", entry("amd64"), entry("arm64")),
        .digest = "",
        .tag = i + 1 == kLevels ? "deep" : ""};
    index.digest = test::sha256_of(index.bytes);
    content.manifests.push_back(std::move(index));
  }
  Served source;
  push(source.http(), "app", content);
  const Outcome tree = transship({"tree", source.host() + "/app:deep"});
  EXPECT_EQ(tree.code, 0) << tree.err;
  EXPECT_LT(tree.took, std::chrono::seconds(20));
  EXPECT_LE(source.log().count("manifest GET"), 2U * (kLevels + 1));
}

}  // namespace
}  // namespace transship::e2e
