// What the fixtures themselves promise.
#include "e2e/harness.h"

#include "support/http/token_issuer.h"

namespace transship::e2e {
namespace {

class Peers : public ::testing::TestWithParam<DistributionRegistry::Version> {};

TEST_P(Peers, KeepWhatIsPushedAndLogIt) {
  if (!DistributionRegistry::installed(GetParam())) GTEST_SKIP() << "not installed";
  DistributionRegistry registry(GetParam());
  const auto release = test::make_release({}, true);
  test::push(registry.http({{"User-Agent", "test"}}), "team/app", release);
  EXPECT_EQ(test::differences(registry.http(), "team/app", release, true), "");
  const auto log = registry.log();
  EXPECT_EQ(log.count("upload POST"), release.blobs.size());
  EXPECT_EQ(log.count("upload PUT"), release.blobs.size());
  EXPECT_EQ(log.count("manifest PUT"), release.manifests.size());
  EXPECT_EQ(log.size(), 2 * release.blobs.size() + release.manifests.size()) << log.text();

  registry.stop();
  registry.start();
  EXPECT_EQ(test::differences(registry.http(), "team/app", release, true), "");
}

TEST_P(Peers, TrustTheTokenIssuer) {
  if (!DistributionRegistry::installed(GetParam())) GTEST_SKIP() << "not installed";
  const test::TokenIssuer issuer({.users = {{"robot", "secret"}}});
  DistributionRegistry registry(GetParam(), {.token = issuer.trust()});
  EXPECT_EQ(registry.http().get("/v2/").status, 401);
  const auto allowed = issuer.token({"repository:app:pull,push"}, "robot");
  test::push(registry.http({{"Authorization", "Bearer " + allowed}}), "app", test::make_image({}));
  const auto reader = issuer.token({"repository:app:pull,push"});
  EXPECT_EQ(registry.http({{"Authorization", "Bearer " + reader}})
                .send("POST", "/v2/app/blobs/uploads/")
                .status,
            401)
      << "without a user the issuer grants pull alone";

  const RawHttp realm(
      static_cast<std::uint16_t>(std::stoi(issuer.realm().substr(issuer.realm().rfind(':') + 1))));
  const auto answer = realm.get("/token?service=registry.test&scope=repository:app:pull");
  EXPECT_EQ(answer.status, 200);
  ASSERT_EQ(issuer.requests().size(), 1U);
  EXPECT_EQ(issuer.requests()[0].scopes, std::vector<std::string>{"repository:app:pull"});
  EXPECT_EQ(realm.get("/token?service=x", {{"Authorization", "Basic cm9ib3Q6bm8="}}).status, 401);
}

TEST_P(Peers, CheckPasswords) {
  if (!DistributionRegistry::installed(GetParam())) GTEST_SKIP() << "not installed";
  TS_NEED("htpasswd");
  DistributionRegistry registry(GetParam(), {.htpasswd = test::htpasswd_line("robot", "secret")});
  EXPECT_EQ(registry.http().get("/v2/").status, 401);
  EXPECT_EQ(registry.http({{"Authorization", "Basic cm9ib3Q6c2VjcmV0"}}).get("/v2/").status, 200);
}

INSTANTIATE_TEST_SUITE_P(Versions, Peers,
                         ::testing::Values(DistributionRegistry::Version::k28,
                                           DistributionRegistry::Version::k3),
                         [](const auto& version) {
                           return version.param == DistributionRegistry::Version::k28
                                      ? "DockerRegistry28"
                                      : "DistributionV3";
                         });

TEST(ProcessFixture, TellsHowItEnded) {
  EXPECT_EQ(
      test::run({"/bin/sh", "-c", "cat; echo no >&2; exit 3"}, {}, std::chrono::seconds(9), "hello")
          .out,
      "hello");
  const auto failed = test::run({"/bin/sh", "-c", "echo no >&2; exit 3"});
  EXPECT_EQ(failed.code, 3);
  EXPECT_EQ(failed.err, "no\n");
  EXPECT_EQ(test::run({"/bin/sh", "-c", "kill -TERM $$"}).code, 143);
  EXPECT_EQ(test::run({"/bin/sleep", "60"}, {}, std::chrono::milliseconds(50)).code, -1);
  EXPECT_EQ(test::run({"/nonexistent"}).code, 127);
}

}  // namespace
}  // namespace transship::e2e
