#include "server/peers.h"

#include "server/fixture.h"

namespace transship::server {
namespace {

/// Programs of others push to the registry and pull from it.
class Peers : public ServerTest {
 protected:
  void SetUp() override {
    start();
    manifest = push_image("src/app", "v1");
    config = make_directory();
    from = server->endpoint().authority() + "/src/app:v1";
    to = server->endpoint().authority() + "/dst/app:v1";
  }
  ~Peers() override { std::filesystem::remove_all(config); }

  void run(const std::string& arguments) {
    const Ran ran =
        run_shell(fmt::format("HOME={0} DOCKER_CONFIG={0} {1}", config.string(), arguments));
    ASSERT_EQ(ran.code, 0) << arguments << "\n" << ran.output;
  }
  void expect_copied() const {
    EXPECT_EQ(ask("GET", "/v2/dst/app/manifests/v1").body, manifest);
    EXPECT_EQ(ask("GET", "/v2/dst/app/blobs/" + digest_text(some_bytes(1000))).body,
              some_bytes(1000));
  }

  std::filesystem::path config;
  std::string manifest, from, to;
};

TEST_F(Peers, Crane) {
  const auto crane = test::find_program("crane");
  if (!crane) GTEST_SKIP() << "crane is not on this machine";
  run(fmt::format("{} copy {} {}", *crane, from, to));
  expect_copied();
  run(fmt::format("{} catalog {}", *crane, server->endpoint().authority()));
  run(fmt::format("{} ls {}/dst/app", *crane, server->endpoint().authority()));
  run(fmt::format("{} delete {}", *crane, to));
}

TEST_F(Peers, Skopeo) {
  const auto skopeo = test::find_program("skopeo");
  if (!skopeo) GTEST_SKIP() << "skopeo is not on this machine";
  run(
      fmt::format("{} --insecure-policy copy --preserve-digests --src-tls-verify=false "
                  "--dest-tls-verify=false docker://{} docker://{}",
                  *skopeo, from, to));
  expect_copied();
  // The tree itself is readable once the registry has stopped.
  ASSERT_TRUE(server->stop());
  run(fmt::format("{} inspect --raw oci:{}:v1 > {}/raw", *skopeo,
                  (options.root / "dst/app").string(), config.string()));
  const Ran raw = run_shell("cat " + (config / "raw").string());
  EXPECT_EQ(raw.output, manifest);
}

TEST_F(Peers, Oras) {
  const auto oras = test::find_program("oras");
  if (!oras) GTEST_SKIP() << "oras is not on this machine";
  run(fmt::format("{} cp --from-plain-http --to-plain-http {} {}", *oras, from, to));
  expect_copied();
  run(
      fmt::format("cd {} && echo sbom > sbom.txt && {} attach --plain-http --artifact-type "
                  "application/spdx {} sbom.txt",
                  config.string(), *oras, to));
  const RawReply list = ask("GET", "/v2/dst/app/referrers/" + digest_text(manifest));
  EXPECT_NE(list.body.find("application/spdx"), std::string::npos);
}

TEST_F(Peers, Regctl) {
  const auto regctl = test::find_program("regctl");
  if (!regctl) GTEST_SKIP() << "regctl is not on this machine";
  run(fmt::format("{} registry set --tls disabled {}", *regctl, server->endpoint().authority()));
  run(fmt::format("{} image copy {} {}", *regctl, from, to));
  expect_copied();
  run(fmt::format("{} tag delete {}", *regctl, to));
  EXPECT_EQ(ask("GET", "/v2/dst/app/manifests/v1").status, 404);
}

}  // namespace
}  // namespace transship::server
