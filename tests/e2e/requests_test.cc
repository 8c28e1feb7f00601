// What a copy costs in requests and bytes, by the registries' own access logs.
#include <gmock/gmock.h>

#include "e2e/worlds.h"

namespace transship::e2e {
namespace {

using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class Requests : public TwoRegistries {};

TEST_P(Requests, OneImageCosts3LPlus6AndTheSameAgain2) {
  for (const std::size_t layers : {1U, 5U, 12U}) {
    const std::string repository = "team/app" + std::to_string(layers);
    const auto image = test::make_image({.layers = layers, .seed = layers});
    push(source_->http(), repository, image);
    const std::string from = source_->host() + "/" + repository + ":1.0";
    const std::string to = target_->host() + "/" + repository + ":1.0";

    const auto source_before = source_->log().size();
    const auto target_before = target_->log().size();
    const Home home;
    ASSERT_DONE(transship({"copy", "--referrers", "none", from, to}, home));
    EXPECT_EQ(differences(target_->http(), repository, image), "");
    const auto source_log = source_->log().after(source_before);
    const auto target_log = target_->log().after(target_before);
    EXPECT_EQ(source_log.size() + target_log.size(), 3 * layers + 6)
        << "source:\n"
        << source_log.text() << "target:\n"
        << target_log.text();
    EXPECT_THAT(source_log.by_kind(),
                UnorderedElementsAre(Pair("manifest GET", 1), Pair("blob GET", layers + 1)));
    EXPECT_EQ(target_log.count("mount POST") + target_log.count("upload POST"), layers + 1);
    EXPECT_EQ(target_log.count("upload PUT"), layers + 1);
    EXPECT_EQ(target_log.count("manifest PUT"), 1U);

    ASSERT_DONE(transship({"copy", "--referrers", "none", from, to}, home));
    const auto again_source = source_->log().after(source_before + source_log.size());
    const auto again_target = target_->log().after(target_before + target_log.size());
    EXPECT_EQ(again_source.size() + again_target.size(), 2U) << "source:\n"
                                                             << again_source.text() << "target:\n"
                                                             << again_target.text();
  }
}

TEST_P(Requests, WhatTheTargetHasIsNotSent) {
  auto image = test::make_image({.layers = 4});
  push(source_->http(), "app", image);
  // Two of the four layers are there; the manifest is not.
  TestContent half;
  half.blobs.assign(image.blobs.begin(), image.blobs.begin() + 2);
  push(target_->http(), "app", half);
  const auto before = target_->log().size();
  ASSERT_DONE(transship(
      {"copy", "--referrers", "none", source_->host() + "/app:1.0", target_->host() + "/app:1.0"}));
  EXPECT_EQ(differences(target_->http(), "app", image), "");
  const auto log = target_->log().after(before);
  EXPECT_EQ(log.count("upload PUT"), image.blobs.size() - 2) << log.text();
  EXPECT_EQ(source_->log().count("blob GET"), image.blobs.size() - 2);
}

INSTANTIATE_TEST_SUITE_P(
    Registries, Requests,
    ::testing::Values(e2e::Pair{.source = Kind::kDocker28, .target = Kind::kDistribution3},
                      e2e::Pair{.source = Kind::kDistribution3, .target = Kind::kServe},
                      e2e::Pair{.source = Kind::kServe, .target = Kind::kDocker28}),
    pair_name);

class OneRegistry : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    if (!available(GetParam())) GTEST_SKIP() << to_string(GetParam()) << " is not installed";
    registry_ = start(GetParam());
  }
  std::unique_ptr<RealRegistry> registry_;
};

TEST_P(OneRegistry, WithinItNothingIsUploaded) {
  const auto release = test::make_release({.layers = 4}, !has_referrers_api(GetParam()));
  push(registry_->http(), "hub/app", release);
  const auto before = registry_->log().size();
  const auto copied = transship(
      {"copy", "--json", registry_->host() + "/hub/app:1.0", registry_->host() + "/eu/app:1.0"});
  ASSERT_DONE(copied);
  EXPECT_EQ(differences(registry_->http(), "eu/app", release), "");
  const auto log = registry_->log().after(before);
  EXPECT_EQ(log.count("upload PUT"), 0U) << log.text();
  EXPECT_EQ(log.count("upload PATCH"), 0U);
  EXPECT_EQ(log.count("blob GET"), 0U);
  EXPECT_GE(log.count("mount POST"), 10U);
  for (const auto& request : log.all()) {
    if (request.kind() == "mount POST") EXPECT_EQ(request.status, 201) << request.target;
  }
  EXPECT_THAT(copied.out, ::testing::HasSubstr(R"("bytesSent":0)"));
}

INSTANTIATE_TEST_SUITE_P(Registries, OneRegistry,
                         ::testing::Values(Kind::kDocker28, Kind::kDistribution3, Kind::kServe),
                         [](const auto& kind) { return to_string(kind.param); });

TEST(SeveralTargets, TheSourceIsReadOnce) {
  Served source, first, second, third;
  const auto image = test::make_image({.layers = 4, .layer_bytes = 300'000});
  push(source.http(), "app", image);
  ASSERT_DONE(transship({"copy", source.host() + "/app:1.0", first.host() + "/app:1.0",
                         second.host() + "/app:1.0", third.host() + "/app:1.0"}));
  for (const auto* target : {&first, &second, &third}) {
    EXPECT_EQ(differences(target->http(), "app", image), "");
  }
  EXPECT_EQ(source.log().count("blob GET"), image.blobs.size()) << source.log().text();
}

}  // namespace
}  // namespace transship::e2e
