// Syncs between registries whose tokens live for five seconds, at a pace at which requests wait for
// their turn for longer than that, and bodies last longer than that.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "crash/world.h"
#include "support/http/token_issuer.h"

namespace transship::crash {
namespace {

using test::RawHttp;
using test::TokenIssuer;

constexpr int kLife = 5;
constexpr std::size_t kRepositories = 6;
constexpr std::size_t kArtifacts = 60;

struct Case {
  std::string name;
  std::string profile;    ///< Of the target, "": found by itself.
  std::uint64_t large;    ///< Bytes of one layer.
  std::string bandwidth;  ///< To the target.
};

void PrintTo(const Case& of, std::ostream* out) { *out << of.name; }

std::size_t refused(RealRegistry& registry) {
  const RequestLog log = registry.log();
  return static_cast<std::size_t>(
      std::ranges::count_if(log.all(), [](const auto& r) { return r.status == 401; }));
}

class TokenExpiry : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (!DistributionRegistry::installed(DistributionRegistry::Version::k28)) {
      GTEST_SKIP() << "docker-registry is not installed";
    }
    source_ = start(source_issuer_);
    target_ = start(target_issuer_);
    for (std::size_t i = 0; i < kArtifacts; ++i) {
      test::ImageSpec spec{.tag = fmt::format("v{}", i / kRepositories),
                           .layers = 2,
                           .layer_bytes = 64U << 10U,
                           .seed = i + 1};
      if (i == 0) spec.first_layers.push_back(test::seeded_bytes(9, GetParam().large));
      images_.push_back(test::make_image(spec));
      push(at(*source_, source_issuer_, repository(i)), repository(i), images_.back());
    }
  }

  static std::unique_ptr<DistributionRegistry> start(const TokenIssuer& issuer) {
    return std::make_unique<DistributionRegistry>(DistributionRegistry::Version::k28,
                                                  test::RegistrySpec{.token = issuer.trust()});
  }
  static std::string repository(std::size_t i) {
    return fmt::format("team/app{}", i % kRepositories);
  }
  static RawHttp at(const RealRegistry& registry, const TokenIssuer& issuer,
                    const std::string& name) {
    return registry.http(
        {{"Authorization", "Bearer " + issuer.token({"repository:" + name + ":pull,push"}, "t")}});
  }

  static TokenIssuer::Options issued() {
    return {.expires_in = kLife, .users = {{"robot", "secret"}}, .leeway = test::kRegistryLeeway};
  }
  TokenIssuer source_issuer_{issued()}, target_issuer_{issued()};
  std::unique_ptr<DistributionRegistry> source_, target_;
  std::vector<TestContent> images_;
  Home home_;
};

TEST_P(TokenExpiry, ASyncOfManyLivesOfATokenIsRefusedNothing) {
  home_.store_login(target_->host(), "robot", "secret");
  std::string repositories;
  for (std::size_t i = 0; i < kRepositories; ++i) repositories += '"' + repository(i) + "\",";
  const TempDir files;
  const std::string target = fmt::format(
      "[registry.\"{}\"]\nbandwidth = \"{}\"\n{}", target_->host(), GetParam().bandwidth,
      GetParam().profile.empty() ? "max_connections = 3\n"
                                 : "profile = \"" + GetParam().profile + "\"\n");
  const std::string jobs = files.write(
      "jobs.toml", fmt::format("{}[[job]]\nname = \"short\"\nsource = \"{}\"\ntargets = [\"{}\"]\n"
                               "repositories.include = [{}]\nreferrers = \"none\"\n",
                               target, source_->host(), target_->host(), repositories));
  const std::size_t source_before = refused(*source_), target_before = refused(*target_);
  const auto pass = e2e::transship({"sync", "-c", jobs, "--json"}, home_);
  EXPECT_DONE(pass);
  const double seconds = std::chrono::duration<double>(pass.took).count();
  const std::size_t at_source = refused(*source_) - source_before;
  const std::size_t at_target = refused(*target_) - target_before;
  fmt::print("{}: {:.1f} s; source: {} tokens, {} x 401; target: {} tokens, {} x 401\n",
             GetParam().name, seconds, source_issuer_.requests().size(), at_source,
             target_issuer_.requests().size(), at_target);
  EXPECT_GT(seconds, 2 * kLife);
  // The first request of each is bare; the log is asked once without a token. A busy machine may
  // hold a few up until their token is too old; where nobody looks at it as a request leaves, more
  // than a hundred are refused.
  constexpr std::size_t kHeldUp = 6;
  EXPECT_LE(at_source, 2U + kHeldUp);
  EXPECT_LE(at_target, 2U + kHeldUp);
  // One a repository at each half of a life, as a body needs that much left.
  const auto most = static_cast<std::size_t>(kRepositories * (2 * seconds / kLife + 2));
  EXPECT_LE(source_issuer_.requests().size(), most);
  EXPECT_LE(target_issuer_.requests().size(), most);
  EXPECT_GT(target_issuer_.requests().size(), kRepositories);
  for (std::size_t i = 0; i < kArtifacts; ++i) {
    EXPECT_EQ(differences(at(*target_, target_issuer_, repository(i)), repository(i), images_[i]),
              "");
  }
}

INSTANTIATE_TEST_SUITE_P(
    Forms, TokenExpiry,
    ::testing::Values(Case{"WholeBodies", "", 12 * kMiB, "1536KiB/s"},
                      // Chunks of 16 MiB: the token of the first is old when the next is sent.
                      Case{"Chunks", "acr", 40 * kMiB, "3MiB/s"}),
    [](const auto& param) { return param.param.name; });

// That the above would see it: this registry does refuse what is older than five seconds.
TEST(TokenExpiryControl, TheRegistryHoldsTokensToTheirLife) {
  if (!DistributionRegistry::installed(DistributionRegistry::Version::k28)) {
    GTEST_SKIP() << "docker-registry is not installed";
  }
  // Alive for as long as the leeway has been spent before: not at all.
  const TokenIssuer issuer(
      {.expires_in = 0, .leeway = test::kRegistryLeeway + std::chrono::seconds(1)});
  const DistributionRegistry registry(DistributionRegistry::Version::k28,
                                      test::RegistrySpec{.token = issuer.trust()});
  const std::string old = issuer.token({"repository:app:pull"}, "t");
  EXPECT_EQ(registry.http({{"Authorization", "Bearer " + old}}).get("/v2/app/tags/list").status,
            401);
  const TokenIssuer same({.expires_in = kLife});
  const DistributionRegistry other(DistributionRegistry::Version::k28,
                                   test::RegistrySpec{.token = same.trust()});
  const std::string good = same.token({"repository:app:pull"}, "t");
  EXPECT_NE(other.http({{"Authorization", "Bearer " + good}}).get("/v2/app/tags/list").status, 401);
}

}  // namespace
}  // namespace transship::crash
