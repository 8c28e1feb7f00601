// serve under other tools, both ways.
#include <gmock/gmock.h>

#include "e2e/worlds.h"

namespace transship::e2e {
namespace {

std::string target_of(const RealRegistry& registry) { return registry.host() + "/eu/app:1.0"; }

// How each tool copies an image from one plain registry to another.
Outcome copy_with(const std::string& name, const RealRegistry& source, const RealRegistry& target) {
  const std::string from = source.host() + "/hub/app:1.0", to = target_of(target);
  if (name == "skopeo") {
    return tool(
        name, {"--insecure-policy", "copy", "--all", "--preserve-digests", "--src-tls-verify=false",
               "--dest-tls-verify=false", "docker://" + from, "docker://" + to});
  }
  if (name == "crane") return tool(name, {"copy", "--insecure", from, to});
  if (name == "oras") {
    return tool(name, {"cp", "-r", "--no-tty", "--from-plain-http", "--to-plain-http", from, to});
  }
  const Home home;
  for (const auto* registry : {&source, &target}) {
    tool("regctl", {"registry", "set", "--tls", "disabled", registry->host()}, home);
  }
  return tool("regctl", {"image", "copy", "--referrers", from, to}, home);
}

class ServeUnder : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { TS_NEED(GetParam()); }
  // Tools that copy referrers too are held to them.
  static TestContent expected(const TestContent& release) {
    const std::string name = GetParam();
    if (name == "oras" || name == "regctl") {
      TestContent out = release;
      std::erase_if(out.manifests, [](const auto& m) { return m.tag.ends_with(".sig"); });
      return without_cosign_blobs(out);
    }
    TestContent out;
    out.blobs.assign(release.blobs.begin(), release.blobs.begin() + 8);
    out.manifests.assign(release.manifests.begin(), release.manifests.begin() + 3);
    return out;
  }
  // The last two blobs are the cosign image's.
  static TestContent without_cosign_blobs(TestContent content) {
    content.blobs.resize(content.blobs.size() - 2);
    return content;
  }
};

TEST_P(ServeUnder, IsPulledFrom) {
  if (!available(Kind::kDistribution3)) GTEST_SKIP() << "distribution v3 is not installed";
  Served source;
  const auto target = start(Kind::kDistribution3);
  const auto release = test::make_release({}, false);
  push(source.http(), "hub/app", release);
  ASSERT_DONE(copy_with(GetParam(), source, *target));
  EXPECT_EQ(differences(target->http(), "eu/app", expected(release)), "");
}

TEST_P(ServeUnder, IsPushedTo) {
  if (!available(Kind::kDocker28)) GTEST_SKIP() << "docker-registry is not installed";
  const auto source = start(Kind::kDocker28);
  Served target;
  const auto release = test::make_release({}, true);
  push(source->http(), "hub/app", release);
  ASSERT_DONE(copy_with(GetParam(), *source, target));
  EXPECT_EQ(differences(target.http(), "eu/app", expected(release)), "");
}

TEST_P(ServeUnder, CopiesWithinIt) {
  Served registry;
  const auto release = test::make_release({}, false);
  push(registry.http(), "hub/app", release);
  ASSERT_DONE(copy_with(GetParam(), registry, registry));
  EXPECT_EQ(differences(registry.http(), "eu/app", expected(release)), "");
}

INSTANTIATE_TEST_SUITE_P(Tools, ServeUnder, ::testing::Values("skopeo", "crane", "oras", "regctl"),
                         [](const auto& name) { return std::string(name.param); });

}  // namespace
}  // namespace transship::e2e
