// serve with TLS of its own, under other tools and ours.
#include <gmock/gmock.h>

#include "e2e/harness.h"
#include "support/http/certificates.h"

namespace transship::e2e {
namespace {

using test::Certificate;
using ::testing::HasSubstr;

class ServeOverTls : public ::testing::Test {
 protected:
  // crane takes an authority from the environment alone, skopeo from a directory.
  Outcome crane_copy(const std::string& from, const std::string& to) const {
    const Home home;
    auto environment = home.environment();
    environment["SSL_CERT_FILE"] = ca_file_;
    return test::run({test::find_program("crane").value(), "copy", "--insecure", from, to},
                     environment);
  }
  Outcome skopeo_copy(const std::string& from, const std::string& to) const {
    return tool("skopeo", {"--insecure-policy", "copy", "--all", "--preserve-digests",
                           "--src-cert-dir", (files_ / "certs").string(), "--dest-tls-verify=false",
                           "docker://" + from, "docker://" + to});
  }

  const TempDir files_;
  const Certificate ca_ = Certificate::make({.common_name = "test ca", .is_ca = true});
  const Certificate own_ = Certificate::make({.names = "IP:127.0.0.1"}, &ca_);
  const std::string ca_file_ = files_.write("certs/ca.crt", ca_.pem());
  Served plain_;
  Served secure_{{"--tls-cert", files_.write("own.pem", own_.pem()), "--tls-key",
                  files_.write("own.key", own_.key_pem())}};
};

TEST_F(ServeOverTls, IsPushedToMountsAndIsPulledFrom) {
  TS_NEED("crane");
  TS_NEED("skopeo");
  const auto image = test::make_image({.layers = 3, .layer_bytes = 600'000});
  push(plain_.http(), "hub/app", image);
  ASSERT_DONE(crane_copy(plain_.host() + "/hub/app:1.0", secure_.host() + "/hub/app:1.0"));
  ASSERT_DONE(transship(
      {"copy", "--ca", ca_file_, secure_.host() + "/hub/app:1.0", secure_.host() + "/eu/app:1.0"}));
  ASSERT_DONE(skopeo_copy(secure_.host() + "/eu/app:1.0", plain_.host() + "/back/app:1.0"));
  EXPECT_EQ(differences(plain_.http(), "back/app", image), "");

  secure_.process().stop();
  std::size_t mounted = 0;
  for (const auto& request :
       RequestLog::parse_serve(secure_.directory().read("access.log")).all()) {
    if (!request.target.starts_with("/v2/eu/app/blobs/uploads/")) continue;
    EXPECT_EQ(request.method, "POST") << "a byte was sent to where it could be mounted";
    EXPECT_EQ(request.status, 201);
    ++mounted;
  }
  EXPECT_EQ(mounted, image.blobs.size());
}

TEST_F(ServeOverTls, TakesBlobsOfAllSizesFromUs) {
  const auto image = test::make_image({.layers = 4, .layer_bytes = 3'000'000});
  push(plain_.http(), "app", image);
  ASSERT_DONE(transship(
      {"copy", "--ca", ca_file_, plain_.host() + "/app:1.0", secure_.host() + "/app:1.0"}));
  ASSERT_DONE(transship(
      {"copy", "--ca", ca_file_, secure_.host() + "/app:1.0", plain_.host() + "/back:1.0"}));
  EXPECT_EQ(differences(plain_.http(), "back", image), "");
}

TEST_F(ServeOverTls, WithoutItsAuthorityNothingIsSent) {
  const auto refused = transship({"inspect", secure_.host() + "/app:1.0"});
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, HasSubstr("--ca"));
}

}  // namespace
}  // namespace transship::e2e
