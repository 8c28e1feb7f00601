// What the keys of [[job]] and [defaults] come to in a pass: what arrives, and under which name.
#include <gmock/gmock.h>

#include <map>
#include <set>

#include "e2e/sync/sync_rig.h"

namespace transship::e2e {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using Names = std::set<std::string>;

constexpr const char* kIndexes =
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json";

class JobKeys : public SyncRig {
 protected:
  static Names names_at(const RealRegistry& at, const std::string& target, const char* key) {
    const auto answer = at.http().get(target);
    if (answer.status != 200) return {};
    Names out;
    for (const auto& name : boost::json::parse(answer.body).at(key).as_array()) {
      out.emplace(name.as_string());
    }
    return out;
  }
  static Names tags_at(const RealRegistry& at, const std::string& repository) {
    return names_at(at, "/v2/" + repository + "/tags/list", "tags");
  }
  /// The repositories below `prefix`, without it.
  static Names below(const RealRegistry& at, const std::string& prefix) {
    Names out;
    for (const auto& name : names_at(at, "/v2/_catalog", "repositories")) {
      if (name.starts_with(prefix + "/")) out.insert(name.substr(prefix.size() + 1));
    }
    return out;
  }

  struct Wish {
    std::string name, keys;
    Names comes;
    std::string prefix{};  ///< Of the source.
  };
  /// One pass with a job for each wish, to prefixes of their own.
  void run(const std::vector<Wish>& wishes) {
    std::string text = "[defaults]\nreferrers = \"none\"\n";
    for (const Wish& one : wishes) {
      text += "[[job]]\nname = \"" + one.name + "\"\nsource = \"" + source_.host() + one.prefix +
              "\"\ntargets = [\"" + eu_.host() + "/" + one.name + "\"]\n" + one.keys + "\n";
    }
    ASSERT_DONE(pass(files_.write("jobs.toml", text)).outcome);
  }

  static TestContent release() {
    return test::make_release({.tag = "1.0", .layers = 1, .layer_bytes = 2'000, .seed = 7}, false);
  }
  // Of a release, in the order of make_release.
  enum Part : std::uint8_t { kAmd64, kArm64, kRoot, kSbom, kSignature, kScan };
  bool here(const std::string& repository, Part part) const {
    return status_of(eu_, repository, release().manifests.at(part).digest) == 200;
  }
  /// The architectures of the index "1.0".
  Names architectures(const std::string& repository) const {
    const auto index =
        eu_.http().get("/v2/" + repository + "/manifests/1.0", {{"Accept", kIndexes}});
    if (index.status != 200) return {"HTTP " + std::to_string(index.status)};
    Names out;
    for (const auto& child : boost::json::parse(index.body).at("manifests").as_array()) {
      out.emplace(child.at("platform").at("architecture").as_string());
    }
    return out;
  }

  Served source_, eu_;
};

TEST_F(JobKeys, TagsAreChosenByGlobsVersionsAndTheirOrder) {
  const Names all = {"1.2.0", "1.10.0", "v1.9",      "2.0.0-rc1",
                     "2.0.0", "latest", "nightly-9", "nightly-10"};
  for (const auto& tag : all) push_image(source_, "app", tag, 1);
  const std::vector<Wish> wishes = {
      {.name = "all", .keys = "", .comes = all},
      {.name = "include",
       .keys = R"(tags.include = ["v*", "nightly-?"])",
       .comes = {"v1.9", "nightly-9"}},
      {.name = "exclude",
       .keys = R"(tags.exclude = ["*.*", "latest"])",
       .comes = {"nightly-9", "nightly-10"}},
      {.name = "semver", .keys = R"(tags.semver = ">=1.5 <2")", .comes = {"1.10.0", "v1.9"}},
      {.name = "prerelease",
       .keys = R"(tags.semver = ">=2.0.0-rc1 || 1.2.x")",
       .comes = {"2.0.0-rc1", "2.0.0", "1.2.0"}},
      {.name = "latest", .keys = "tags.latest = 3", .comes = {"2.0.0", "2.0.0-rc1", "1.10.0"}},
      {.name = "by-version",
       .keys = R"(tags = { latest = 2, sort = "semver", exclude = ["*-rc*"] })",
       .comes = {"2.0.0", "1.10.0"}},
      {.name = "by-name",
       .keys = R"(tags = { latest = 2, sort = "name" })",
       .comes = {"v1.9", "nightly-9"}},
      {.name = "by-name-of-some",
       .keys = R"(tags = { latest = 1, sort = "name", semver = "1.x" })",
       .comes = {"v1.9"}}};
  run(wishes);
  for (const Wish& one : wishes) EXPECT_EQ(tags_at(eu_, one.name + "/app"), one.comes) << one.name;
}

TEST_F(JobKeys, RepositoriesAreChosenAndRenamed) {
  const Names all = {"team/app", "team/tool", "team/lib/core", "other"};
  std::uint64_t seed = 0;
  for (const auto& name : all) push_image(source_, name, "v1", ++seed);
  const std::vector<Wish> wishes = {
      {.name = "all", .keys = "", .comes = all},
      {.name = "include",
       .keys = R"(repositories.include = ["team/*"])",
       .comes = {"team/app", "team/tool"}},
      {.name = "deep",
       .keys = R"(repositories.include = ["team/**"])",
       .comes = {"team/app", "team/tool", "team/lib/core"}},
      {.name = "exclude", .keys = R"(repositories.exclude = ["team/**"])", .comes = {"other"}},
      {.name = "prefix", .keys = "", .comes = {"app", "tool", "lib/core"}, .prefix = "/team"},
      {.name = "below-prefix",
       .keys = R"(repositories = { include = ["*"], exclude = ["tool"] })",
       .comes = {"app"},
       .prefix = "/team"},
      {.name = "renamed",
       .keys = "[[job.rename]]\nfrom = \"team/\"\nto = \"apps/\"\n"
               "[[job.rename]]\nfrom = \"team/app\"\nto = \"main\"\n"
               "[[job.rename]]\nfrom = \"team/lib/\"\nto = \"libraries/\"",
       .comes = {"main", "apps/tool", "libraries/core", "other"}},
      {.name = "shortened",
       .keys = R"(rename = [{ from = "team/", to = "" }])",
       .comes = {"app", "tool", "lib/core", "other"}}};
  run(wishes);
  for (const Wish& one : wishes) EXPECT_EQ(below(eu_, one.name), one.comes) << one.name;
  seed = 0;
  for (const auto& name : all) EXPECT_EQ(lacking(eu_, "all/" + name, "v1", ++seed), "");
}

TEST_F(JobKeys, PlainNamesNeedNoCatalog) {
  push_image(source_, "team/app", "v1", 1);
  run({{.name = "named", .keys = R"(repositories.include = ["team/app"])", .comes = {}}});
  EXPECT_EQ(lacking(eu_, "named/team/app", "v1", 1), "");
  EXPECT_EQ(source_.log().count("catalog GET"), 0U);
  run({{.name = "found", .keys = R"(repositories.include = ["team/ap*"])", .comes = {}}});
  EXPECT_EQ(lacking(eu_, "found/team/app", "v1", 1), "");
  EXPECT_EQ(source_.log().count("catalog GET"), 1U);
}

TEST_F(JobKeys, PlatformsLeaveOutTheOthers) {
  push(source_.http(), "app", release());
  run({{.name = "all", .keys = "platforms = \"all\"", .comes = {}},
       {.name = "some", .keys = R"(platforms = ["linux/arm64"])", .comes = {}}});
  EXPECT_EQ(architectures("all/app"), (Names{"amd64", "arm64"}));
  EXPECT_TRUE(here("all/app", kRoot));
  EXPECT_EQ(architectures("some/app"), Names{"arm64"});
  EXPECT_TRUE(here("some/app", kArm64));
  EXPECT_FALSE(here("some/app", kAmd64));
  EXPECT_FALSE(here("some/app", kRoot)) << "another index, with another digest";
}

TEST_F(JobKeys, WhatIsForNoneOfThePlatformsIsAnErrorOfItsTag) {
  push_image(source_, "app", "v1", 1);
  push(source_.http(), "app", release());
  const Pass done = pass(
      job(source_.host(), {eu_.host()}, "referrers = \"none\"\nplatforms = [\"linux/arm64\"]\n"));
  EXPECT_EQ(done.outcome.code, 1) << shown(done.outcome);
  EXPECT_THAT(done.failures(eu_.host()),
              AllOf(HasSubstr("app:v1"), HasSubstr("it is for linux/amd64"),
                    HasSubstr("platforms of the job")));
  EXPECT_EQ(tags_at(eu_, "app"), Names{"1.0"});
}

TEST_F(JobKeys, ReferrersComeByType) {
  push(source_.http(), "app", release());
  run({{.name = "none", .keys = "", .comes = {}},
       {.name = "all", .keys = "referrers = \"all\"", .comes = {}},
       {.name = "sbom", .keys = R"(referrers = ["application/spdx+json"])", .comes = {}},
       {.name = "scan", .keys = R"(referrers = ["application/vnd.example.scan"])", .comes = {}}});
  const std::map<std::string, std::vector<bool>> comes = {{"none", {false, false, false}},
                                                          {"all", {true, true, true}},
                                                          {"sbom", {true, false, false}},
                                                          {"scan", {false, false, true}}};
  for (const auto& [name, those] : comes) {
    const std::string repository = name + "/app";
    EXPECT_TRUE(here(repository, kRoot)) << name;
    EXPECT_EQ(those, (std::vector<bool>{here(repository, kSbom), here(repository, kSignature),
                                        here(repository, kScan)}))
        << name;
  }
}

TEST_F(JobKeys, PinnedDigestsComeBesidesTheTagsAndGetNone) {
  push_image(source_, "app", "v1", 1);
  TestContent untagged = image("", 2);
  push(source_.http(), "app", untagged);
  run({{.name = "without", .keys = "", .comes = {}},
       {.name = "pinned", .keys = "pinned = [\"app@" + untagged.root + "\"]", .comes = {}}});
  EXPECT_EQ(status_of(eu_, "without/app", untagged.root), 404);
  EXPECT_EQ(differences(eu_.http(), "pinned/app", untagged), "");
  EXPECT_EQ(tags_at(eu_, "pinned/app"), Names{"v1"});
}

TEST_F(JobKeys, DefaultsHoldForJobsThatSayNothingElse) {
  push(source_.http(), "app", release());
  const TestContent moved =
      test::make_image({.tag = "1.1", .layers = 1, .seed = 2, .architecture = "arm64"});
  push(source_.http(), "app", moved);
  push_image(source_, "app", "2.0", 3);
  push_image(source_, "scratch", "1.0", 4);
  for (const std::string at : {"quiet", "own"}) push_image(eu_, at + "/app", "1.1", 9);
  std::string text =
      "[defaults]\nrepositories.exclude = [\"scratch\"]\ntags.include = [\"1.*\"]\n"
      "platforms = [\"linux/arm64\"]\nreferrers = \"none\"\noverwrite = \"never\"\n";
  for (const auto& [name, keys] :
       {std::pair("quiet", ""),
        {"own",
         "repositories.include = [\"**\"]\ntags.include = [\"?.?\"]\nplatforms = \"all\"\n"
         "referrers = \"all\"\noverwrite = \"always\"\n"}}) {
    text += std::string("[[job]]\nname = \"") + name + "\"\nsource = \"" + source_.host() +
            "\"\ntargets = [\"" + eu_.host() + "/" + name + "\"]\n" + keys;
  }
  ASSERT_DONE(pass(files_.write("jobs.toml", text)).outcome);

  EXPECT_EQ(below(eu_, "quiet"), Names{"app"});
  EXPECT_EQ(tags_at(eu_, "quiet/app"), (Names{"1.0", "1.1"}));
  EXPECT_EQ(architectures("quiet/app"), Names{"arm64"});
  EXPECT_FALSE(here("quiet/app", kSbom));
  EXPECT_EQ(lacking(eu_, "quiet/app", "1.1", 9), "");

  EXPECT_EQ(below(eu_, "own"), (Names{"app", "scratch"}));
  EXPECT_EQ(lacking(eu_, "own/app", "2.0", 3), "");
  EXPECT_EQ(architectures("own/app"), (Names{"amd64", "arm64"}));
  EXPECT_TRUE(here("own/app", kSbom));
  EXPECT_EQ(differences(eu_.http(), "own/app", moved), "");
}

TEST_F(JobKeys, AnUnknownProfileIsNamedWithItsPlaceBeforeAnythingIsAsked) {
  const std::string file = job(source_.host(), {eu_.host()});
  say_of(eu_.host(), "profile = \"artifctory\"\n");
  for (const auto& argv : std::vector<std::vector<std::string>>{
           {"sync", "-c", file}, {"plan", "-c", file}, {"config", "check", file}}) {
    const Outcome wrong = transship(argv, home_);
    EXPECT_EQ(wrong.code, 2) << shown(wrong);
    EXPECT_THAT(wrong.err, HasSubstr("jobs.toml:2:11: registry.\"" + eu_.host() + "\".profile: "));
    EXPECT_THAT(wrong.err, HasSubstr("did you mean artifactory?"));
  }
  EXPECT_EQ(source_.log().count("catalog GET"), 0U);
}

}  // namespace
}  // namespace transship::e2e
