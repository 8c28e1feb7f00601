#include "registry/profile.h"

#include <gtest/gtest.h>

#include "support/http/scripted_http.h"

namespace transship::registry {
namespace {

using test::answer;

TEST(Profile, ByHost) {
  const std::pair<const char*, const char*> cases[] = {
      {"docker.io", "dockerhub"},
      {"ghcr.io", "ghcr"},
      {"GHCR.io:443", "ghcr"},
      {"123456789012.dkr.ecr.eu-west-1.amazonaws.com", "ecr"},
      {"123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "ecr"},
      {"123456789012.dkr-ecr.eu-west-1.on.aws", "ecr"},
      {"public.ecr.aws", "ecr"},
      {"acme.azurecr.io", "acr"},
      {"azurecr.io.evil.org", "generic"},
      {"azurecr.io", "generic"},
      {"gcr.io", "gcr"},
      {"eu.gcr.io", "gcr"},
      {"europe-docker.pkg.dev", "gar"},
      {"quay.io", "quay"},
      {"acme.jfrog.io", "artifactory"},
      {"registry.gitlab.com", "gitlab"},
      {"localhost:5000", "generic"},
      {"12345.dkr.ecr.eu-west-1.amazonaws.com", "generic"}};
  for (const auto& [host, name] : cases) EXPECT_EQ(profile_for_host(host).name, name) << host;
}

TEST(Profile, ByName) {
  ASSERT_NE(profile_by_name("harbor"), nullptr);
  EXPECT_EQ(profile_by_name("nonsense"), nullptr);
  EXPECT_EQ(profile_by_name(""), nullptr);
}

TEST(Profile, ByAnswer) {
  EXPECT_EQ(profile_from_answer(answer(200)), nullptr);
  EXPECT_EQ(profile_from_answer(answer(200, {{"X-Artifactory-Id", "1"}}))->name, "artifactory");
  EXPECT_EQ(profile_from_answer(answer(200, {{"X-Harbor-Csrf-Token", "1"}}))->name, "harbor");
  EXPECT_EQ(profile_from_answer(answer(200, {{"Server", "Nexus/3.58"}}))->name, "nexus");
  const std::pair<const char*, const char*> challenges[] = {
      {R"(Bearer realm="https://h/service/token",service="harbor-registry")", "harbor"},
      {R"(Bearer realm="https://quay.corp/v2/auth",service="quay.corp")", "quay"},
      {R"(Bearer realm="https://git.corp/jwt/auth",service="container_registry")", "gitlab"}};
  for (const auto& [challenge, name] : challenges) {
    EXPECT_EQ(profile_from_answer(answer(401, {{"WWW-Authenticate", challenge}}))->name, name);
  }
  EXPECT_EQ(profile_from_answer(answer(401, {{"WWW-Authenticate", "Basic realm=x"}})), nullptr);
}

TEST(Profile, GhcrDoesNotVouchForBlobs) {
  EXPECT_FALSE(profile_by_name("ghcr")->checks_blobs);
  EXPECT_TRUE(profile_by_name("distribution")->checks_blobs);
  EXPECT_FALSE(profile_by_name("ecr")->mounts);
}

}  // namespace
}  // namespace transship::registry
