#include "cli/configured_credentials.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/task_group.h"
#include "base/worker_pool.h"
#include "support/process/temp_dir.h"

namespace transship::cli {
namespace {

using registry::Credential;

/// A helper "fleet" on PATH that knows one server.
class ConfiguredCredentialsTest : public ::testing::Test {
 protected:
  explicit ConfiguredCredentialsTest() {
    const std::string helper =
        directory_.write("docker-credential-fleet",
                         "#!/bin/sh\n[ \"$(cat)\" = https://index.docker.io/v1/ ] || "
                         "{ echo credentials not found in native keychain; exit 1; }\n"
                         "echo '{\"Username\":\"robot\",\"Secret\":\"s3cret\"}'\n");
    std::filesystem::permissions(helper, std::filesystem::perms::owner_all);
    ::setenv("PATH", (directory_.path().string() + ":" + old_path_).c_str(), 1);
  }
  ~ConfiguredCredentialsTest() override { ::setenv("PATH", old_path_.c_str(), 1); }

  Result<std::optional<Credential>> lookup(const std::string& host) {
    Result<std::optional<Credential>> out = fail(Errc::kInternal, "not run");
    config::SecretOptions options;
    options.helper = "fleet";
    const auto ran = run_to_end([&]() -> Task<Result<void>> {
      ConfiguredCredentials credentials(pool_, {{host, options}},
                                        std::make_unique<registry::NoCredentials>());
      out = co_await credentials.lookup(host, "app");
      co_return Result<void>{};
    });
    EXPECT_TRUE(ran) << ran.error().describe();
    return out;
  }

  const test::TempDir directory_;
  const std::string old_path_ = ::getenv("PATH");
  WorkerPool pool_{1};
};

// Docker keeps its hub's login under another name than all others'.
TEST_F(ConfiguredCredentialsTest, AHelperIsAskedForDockerHubAsDockerAsks) {
  const auto found = lookup("docker.io");
  ASSERT_TRUE(found) << found.error().describe();
  ASSERT_TRUE(found->has_value());
  EXPECT_EQ((*found)->user, "robot");
  EXPECT_EQ((*found)->password, "s3cret");
}

TEST_F(ConfiguredCredentialsTest, AHostThatTheHelperDoesNotKnowHasNone) {
  const auto found = lookup("eu.example.com");
  ASSERT_TRUE(found) << found.error().describe();
  EXPECT_FALSE(found->has_value());
}

}  // namespace
}  // namespace transship::cli
