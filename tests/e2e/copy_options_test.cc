// What the options of copy do, seen at the registries and in the files that they name.
#include <gmock/gmock.h>

#include <boost/json/parse.hpp>
#include <regex>

#include "e2e/harness.h"
#include "support/json_schema.h"

namespace transship::e2e {
namespace {

using ::testing::HasSubstr;

constexpr const char* kIndexType = "application/vnd.oci.image.index.v1+json";

/// A release in a source, and an empty target.
class CopyOptions : public ::testing::Test {
 protected:
  void SetUp() override { push(source_.http(), "app", release_); }

  Outcome copy(std::vector<std::string> options) const {
    options.insert(options.begin(), "copy");
    options.insert(options.end(), {source_.host() + "/app:1.0", target_.host() + "/app:1.0"});
    return transship(options);
  }
  boost::json::value copied_index() const {
    const auto got = target_.http().get("/v2/app/manifests/1.0", {{"Accept", kIndexType}});
    EXPECT_EQ(got.status, 200);
    return boost::json::parse(got.body);
  }
  /// By its place in the source's index: the release's images come first.
  const std::string& child(std::size_t at) const { return release_.manifests[at].digest; }
  bool at_target(const std::string& digest) const {
    return target_.http().send("HEAD", "/v2/app/manifests/" + digest, {{"Accept", "*/*"}}).status ==
           200;
  }

  const TestContent release_ = test::make_release({.layers = 2}, false);
  const TempDir files_;
  Served source_, target_;
};

TEST_F(CopyOptions, ADigestFileHasTheRootAndALineEnd) {
  const std::string file = (files_ / "digest").string();
  ASSERT_DONE(copy({"--digest-file", file}));
  EXPECT_EQ(files_.read("digest"), release_.root + "\n");
  // What the next program does with it.
  EXPECT_DONE(transship({"inspect", target_.host() + "/app@" + release_.root}));
}

TEST_F(CopyOptions, ADigestFileIsLeftAsItWasWhereTheCopyFails) {
  const std::string file = files_.write("digest", "of an earlier run\n");
  const Outcome failed = transship(
      {"copy", "--digest-file", file, source_.host() + "/app:none", target_.host() + "/app:none"});
  EXPECT_EQ(failed.code, 1) << shown(failed);
  EXPECT_EQ(files_.read("digest"), "of an earlier run\n");
}

TEST_F(CopyOptions, VerboseTwiceTellsEachRequest) {
  const std::size_t read = source_.log().size(), written = target_.log().size();
  const Outcome done = copy({"-vv"});
  ASSERT_DONE(done);
  EXPECT_THAT(done.err, HasSubstr("GET http://" + source_.host() + "/v2/app/manifests/1.0: 200; "));
  const std::regex end("; [0-9]+ ms, [0-9]+ B sent, [0-9]+ B received\n");
  const auto told = std::distance(std::sregex_iterator(done.err.begin(), done.err.end(), end),
                                  std::sregex_iterator());
  EXPECT_EQ(static_cast<std::size_t>(told),
            source_.log().after(read).size() + target_.log().after(written).size());
}

TEST_F(CopyOptions, OnlyThePlatformsThatAreAskedFor) {
  const std::string file = (files_ / "digest").string();
  const Outcome done = copy({"--platform", "linux/arm64", "--digest-file", file});
  ASSERT_DONE(done);
  EXPECT_THAT(done.err, HasSubstr("signatures and other")) << "what the new index has not";
  const auto index = copied_index();
  ASSERT_EQ(index.at("manifests").as_array().size(), 1U);
  const auto& kept = index.at("manifests").at(0);
  EXPECT_EQ(kept.at("platform").at("architecture").as_string(), "arm64");
  EXPECT_EQ(kept.at("digest").as_string(), child(1));
  EXPECT_TRUE(at_target(child(1)));
  EXPECT_FALSE(at_target(child(0))) << "amd64 was not asked for";
  EXPECT_FALSE(at_target(release_.root));
  const std::string written = files_.read("digest");
  ASSERT_THAT(written, ::testing::EndsWith("\n"));
  EXPECT_TRUE(at_target(written.substr(0, written.size() - 1))) << "the new index's digest";
}

TEST_F(CopyOptions, APlatformThatIsNotThereNamesThoseThatAre) {
  const Outcome failed = copy({"--platform", "windows/amd64"});
  EXPECT_EQ(failed.code, 1) << shown(failed);
  for (const char* there : {"windows/amd64", "linux/amd64", "linux/arm64", "--platform"}) {
    EXPECT_THAT(failed.err, HasSubstr(there));
  }
  EXPECT_FALSE(test::has_tag(target_.http(), "app", "1.0"));
}

TEST_F(CopyOptions, AReportTellsWhatTheRegistriesSaw) {
  const std::string file = (files_ / "report.json").string();
  ASSERT_DONE(copy({"--report", file}));
  const std::string text = files_.read("report.json");
  EXPECT_EQ(test::report_violations(text), "") << text;
  const auto report = boost::json::parse(text);
  EXPECT_EQ(report.at("items").at(0).at("digest").as_string(), release_.root);
  const auto& totals = report.at("items").at(0).at("totals");
  const auto log = target_.log();
  EXPECT_EQ(totals.at("blobsSent").to_number<std::uint64_t>(), log.count("upload PUT"));
  EXPECT_EQ(totals.at("manifestsPut").to_number<std::uint64_t>(), log.count("manifest PUT"));
  std::uint64_t received = 0;
  for (const auto& request : source_.log().all()) {
    if (request.kind() == "blob GET") received += request.sent;
  }
  EXPECT_EQ(totals.at("bytesSent").to_number<std::uint64_t>(), received);
  // What was there before is told as such.
  ASSERT_DONE(copy({"--report", file}));
  const auto again = boost::json::parse(files_.read("report.json"));
  EXPECT_EQ(again.at("items").at(0).at("outcome").as_string(), "unchanged");
  EXPECT_EQ(again.at("items").at(0).at("totals").at("bytesSent").to_number<std::uint64_t>(), 0U);
}

}  // namespace
}  // namespace transship::e2e
