#include "server/fixture.h"
#include "server/peers.h"

namespace transship::server {
namespace {

class Conformance : public ServerTest, public testing::WithParamInterface<const char*> {};

TEST_P(Conformance, OfTheOciSuite) {
  const auto program = test::find_program("conformance");
  if (!program) GTEST_SKIP() << "the OCI conformance suite is not on this machine";
  options.sync = false;
  start();
  const auto results = make_directory();
  const Ran ran = run_shell(
      fmt::format("cd {0} && OCI_REGISTRY={1} OCI_TLS=disabled OCI_VERSION={2} OCI_RESULTS_DIR={0} "
                  "OCI_API_BLOBS_UPLOAD_CANCEL=true OCI_API_BLOBS_DIGEST_HEADER=true "
                  "OCI_API_MANIFESTS_DIGEST_HEADER=true OCI_API_MANIFESTS_TAG_PARAM=true {3}",
                  results.string(), server->endpoint().authority(), GetParam(), *program));
  EXPECT_EQ(ran.code, 0) << ran.output;
  // Nothing failed, nothing was skipped as unsupported.
  for (const std::string_view line : split(ran.output, '\n')) {
    if (line.contains("FAIL...") || line.contains("Error...") || line.contains("Skip...")) {
      EXPECT_TRUE(line.ends_with(" 0")) << line;
    }
  }
  EXPECT_NE(ran.output.find("Blob anonymous mount..........:       Pass"), std::string::npos);
  std::filesystem::remove_all(results);
}

INSTANTIATE_TEST_SUITE_P(Version, Conformance, testing::Values("1.1", "dev"), [](const auto& name) {
  return std::string(name.param) == "dev" ? "Dev" : "V11";
});

}  // namespace
}  // namespace transship::server
