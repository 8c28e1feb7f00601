// The harness, and what the fixtures themselves promise.
#include "e2e/harness.h"

#include <atomic>
#include <regex>
#include <stdexcept>

#include "support/token_issuer.h"

namespace transship::e2e {

std::string program() { return TS_PROGRAM; }

std::map<std::string, std::string> Home::environment() const {
  const std::string home = directory_.path().string();
  std::map<std::string, std::string> out = {{"HOME", home},
                                            {"DOCKER_CONFIG", home + "/docker"},
                                            {"XDG_STATE_HOME", home + "/state"},
                                            {"XDG_CONFIG_HOME", home + "/config"},
                                            {"XDG_RUNTIME_DIR", home + "/run"},
                                            {"REGISTRY_AUTH_FILE", home + "/docker/config.json"},
                                            {"NO_PROXY", "127.0.0.1,localhost"}};
  for (const char* proxy : {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"}) {
    out[proxy] = "";
  }
  return out;
}

void Home::store_login(const std::string& host, const std::string& user,
                       const std::string& password) const {
  static const std::string kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const std::string pair = user + ":" + password;
  std::string encoded;
  for (std::size_t i = 0; i < pair.size(); i += 3) {
    unsigned bits = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      bits = bits << 8U | (i + k < pair.size() ? static_cast<unsigned char>(pair[i + k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      encoded += i + k > pair.size() ? '=' : kAlphabet[bits >> (18 - 6 * k) & 63U];
    }
  }
  directory_.write("docker/config.json",
                   R"({"auths":{")" + host + R"(":{"auth":")" + encoded + R"("}}})");
}

Outcome transship(const std::vector<std::string>& arguments, const Home& home,
                  std::chrono::milliseconds limit, std::string input) {
  std::vector<std::string> argv = {program()};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return test::run(std::move(argv), home.environment(), limit, std::move(input));
}

Outcome tool(const std::string& name, const std::vector<std::string>& arguments, const Home& home) {
  const auto path = test::find_program(name);
  if (!path) throw std::runtime_error(name + " is not installed");
  std::vector<std::string> argv = {*path};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return test::run(std::move(argv), home.environment());
}

Served::Served(std::vector<std::string> more_arguments) {
  std::vector<std::string> argv = {program(),
                                   "serve",
                                   root(),
                                   "--listen",
                                   "127.0.0.1:0",
                                   "--access-log",
                                   (directory_ / "access.log").string()};
  argv.insert(argv.end(), more_arguments.begin(), more_arguments.end());
  process_ = std::make_unique<Process>(Process::Spec{.argv = std::move(argv),
                                                     .environment = home_.environment(),
                                                     .directory = {},
                                                     .input = {},
                                                     .output = directory_ / "out",
                                                     .errors = directory_ / "err"});
  std::smatch found;
  std::string text;
  test::eventually([&] {
    text = directory_.read("out");
    return std::regex_search(text, found, std::regex("listening on https?://[^ ]*:(\\d+),")) ||
           !process_->running();
  });
  if (found.empty()) throw std::runtime_error("transship serve does not listen: " + printed());
  port_ = static_cast<std::uint16_t>(std::stoi(found[1]));
}

RequestLog Served::log() {
  static std::atomic<int> turn{0};
  const std::string mark = "/v2/?log-mark=" + std::to_string(++turn);
  if (process_->running()) {
    http().get(mark);
    test::eventually([&] { return directory_.read("access.log").find(mark) != std::string::npos; },
                     std::chrono::seconds(5));
  }
  std::vector<test::LoggedRequest> asked;
  for (const auto& request : RequestLog::parse_serve(directory_.read("access.log")).all()) {
    // The marks, and what tests send to check, name no agent.
    if (!request.agent.empty() && request.agent != "-") asked.push_back(request);
  }
  return RequestLog(std::move(asked));
}

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
