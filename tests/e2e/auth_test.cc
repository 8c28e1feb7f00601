// Tokens and scopes, by the token issuer's own record; login and logout.
#include <gmock/gmock.h>

#include <filesystem>
#include <set>

#include "e2e/bad_registry.h"
#include "e2e/worlds.h"
#include "support/http/token_issuer.h"

namespace transship::e2e {
namespace {

using test::TokenIssuer;
using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::HasSubstr;
using ::testing::Not;

using Version = DistributionRegistry::Version;

// "repository:app:push,pull" with its actions in order.
std::string sorted(const std::string& scope) {
  const auto last = scope.rfind(':');
  std::set<std::string> actions;
  std::istringstream in(scope.substr(last + 1));
  for (std::string action; std::getline(in, action, ',');) actions.insert(action);
  std::string out;
  for (const auto& action : actions) out += (out.empty() ? "" : ",") + action;
  return scope.substr(0, last + 1) + out;
}

std::vector<std::string> scopes_asked(const TokenIssuer& issuer) {
  std::vector<std::string> out;
  for (const auto& request : issuer.requests()) {
    for (const auto& scope : request.scopes) out.push_back(sorted(scope));
  }
  return out;
}

class Tokens : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!DistributionRegistry::installed(Version::k28)) {
      GTEST_SKIP() << "docker-registry is not installed";
    }
    source_ = std::make_unique<DistributionRegistry>(
        Version::k28, test::RegistrySpec{.token = source_issuer_.trust()});
    target_ = std::make_unique<DistributionRegistry>(
        Version::k28, test::RegistrySpec{.token = target_issuer_.trust()});
  }

  RawHttp at_source(const std::string& repository) const {
    return source_->http(
        {{"Authorization",
          "Bearer " + source_issuer_.token({"repository:" + repository + ":pull,push"}, "t")}});
  }
  RawHttp at_target(const std::string& repository) const {
    return target_->http(
        {{"Authorization",
          "Bearer " + target_issuer_.token({"repository:" + repository + ":pull,push"}, "t")}});
  }
  std::string from(const std::string& name) const { return source_->host() + "/" + name; }
  std::string to(const std::string& name) const { return target_->host() + "/" + name; }

  static std::map<std::string, std::string> users() { return {{"robot", "secret"}}; }
  TokenIssuer source_issuer_{{.users = users()}};
  TokenIssuer target_issuer_{{.users = users()}};
  std::unique_ptr<DistributionRegistry> source_, target_;
};

TEST_F(Tokens, NoMoreScopeIsAskedThanIsUsed) {
  const auto release = test::make_release({}, true);
  push(at_source("hub/app"), "hub/app", release);
  const Home home;
  home.store_login(target_->host(), "robot", "secret");
  ASSERT_DONE(transship({"copy", from("hub/app:1.0"), to("eu/app:1.0")}, home));
  EXPECT_EQ(differences(at_target("eu/app"), "eu/app", release), "");
  EXPECT_THAT(scopes_asked(source_issuer_), ElementsAre("repository:hub/app:pull"));
  for (const auto& scope : scopes_asked(target_issuer_)) {
    EXPECT_EQ(scope, "repository:eu/app:pull,push");
  }
  EXPECT_EQ(target_issuer_.requests().size(), 1U);
  EXPECT_EQ(target_issuer_.requests()[0].user, "robot");
  EXPECT_EQ(source_issuer_.requests()[0].user, "") << "no credential for that host";
}

TEST_F(Tokens, AThousandRequestsTakeOneToken) {
  const auto image = test::make_image({.layers = 500, .layer_bytes = 16});
  push(at_source("app"), "app", image);
  const Home home;
  home.store_login(target_->host(), "robot", "secret");
  const auto before = target_->log().size();
  ASSERT_DONE(transship({"copy", from("app:1.0"), to("app:1.0")}, home));
  EXPECT_GE(target_->log().size() - before, 1000U);
  EXPECT_EQ(source_issuer_.requests().size(), 1U);
  EXPECT_EQ(target_issuer_.requests().size(), 1U);
}

TEST_F(Tokens, MountsAskForPullOnTheSiblingToo) {
  const auto image = test::make_image({});
  push(at_target("hub/app"), "hub/app", image);
  const Home home;
  home.store_login(target_->host(), "robot", "secret");
  ASSERT_DONE(transship({"copy", to("hub/app:1.0"), to("eu/app:1.0")}, home));
  EXPECT_EQ(differences(at_target("eu/app"), "eu/app", image), "");
  const auto log = target_->log();
  std::size_t mounted = 0;
  for (const auto& request : log.all()) {
    mounted += request.kind() == "mount POST" && request.status == 201 ? 1U : 0U;
  }
  EXPECT_EQ(mounted, image.blobs.size()) << log.text();
  const auto scopes = scopes_asked(target_issuer_);
  for (const auto& scope : scopes) {
    EXPECT_TRUE(scope == "repository:hub/app:pull" || scope == "repository:eu/app:pull,push")
        << scope;
  }
}

// Two repositories of one registry, and issuers that may not grant both in one token.
TEST_F(Tokens, AMountWhoseScopeIsNotGrantedBecomesAnUpload) {
  using Further = TokenIssuer::Options::Further;
  const auto image = test::make_image({});
  Served source;
  push(source.http(), "app", image);
  for (const Further further : {Further::kGranted, Further::kLeftOut, Further::kRefused}) {
    SCOPED_TRACE(static_cast<int>(further));
    const TokenIssuer issuer({.users = users(), .further = further});
    DistributionRegistry target(Version::k28, {.token = issuer.trust()});
    const Home home;
    home.store_login(target.host(), "robot", "secret");
    ASSERT_DONE(transship({"copy", source.host() + "/app:1.0", target.host() + "/eu/app:1.0",
                           target.host() + "/us/app:1.0"},
                          home));
    for (const std::string repository : {"eu/app", "us/app"}) {
      const std::string reader = issuer.token({"repository:" + repository + ":pull"}, "t");
      EXPECT_EQ(
          differences(target.http({{"Authorization", "Bearer " + reader}}), repository, image), "");
    }
    const auto log = target.log();
    const auto mounted = std::ranges::count_if(log.all(), [](const auto& request) {
      return request.kind() == "mount POST" && request.status == 201;
    });
    EXPECT_EQ(static_cast<std::size_t>(mounted),
              further == Further::kGranted ? image.blobs.size() : 0U)
        << log.text();
    // For a mount: writing here, reading there, and no more.
    for (const auto& request : issuer.requests()) {
      const std::string first = sorted(request.scopes.at(0));
      EXPECT_THAT(first,
                  AnyOf(Eq("repository:eu/app:pull,push"), Eq("repository:us/app:pull,push")));
      if (request.scopes.size() == 1) continue;
      ASSERT_EQ(request.scopes.size(), 2U);
      EXPECT_EQ(request.scopes[1],
                first.contains("eu/app") ? "repository:us/app:pull" : "repository:eu/app:pull");
    }
  }
}

TEST_F(Tokens, AnIdentityTokenGoesThroughThePostFlow) {
  push(at_source("app"), "app", test::make_image({}));
  const Home home;
  home.directory().write("docker/config.json",
                         R"({"auths":{")" + target_->host() + R"(":{"identitytoken":")" +
                             target_issuer_.refresh_token("robot") + R"("}}})");
  ASSERT_DONE(transship({"copy", from("app:1.0"), to("app:1.0")}, home));
  for (const auto& request : target_issuer_.requests()) {
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(request.grant_type, "refresh_token");
  }
}

TEST_F(Tokens, WithoutPermissionTheErrorSaysSo) {
  push(at_source("app"), "app", test::make_image({}));
  const auto denied = transship({"copy", from("app:1.0"), to("app:1.0")});
  EXPECT_EQ(denied.code, 1);
  EXPECT_THAT(denied.err + denied.out, HasSubstr(target_->host()));
  EXPECT_THAT(denied.err + denied.out, HasSubstr("login"));
  EXPECT_FALSE(has_tag(at_target("app"), "app", "1.0"));

  const Home home;
  home.store_login(target_->host(), "robot", "wrong-password");
  const auto refused = transship({"copy", from("app:1.0"), to("app:1.0")}, home);
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err + refused.out, Not(HasSubstr("wrong-password")));
}

TEST(ShortTokens, AreRenewedOnTheWay) {
  if (!DistributionRegistry::installed(Version::k28)) GTEST_SKIP() << "not installed";
  Served source;
  // A second of life: expired before the copy ends, or about to be.
  const TokenIssuer issuer({.expires_in = 1, .users = {{"robot", "secret"}}});
  DistributionRegistry target(Version::k28, {.token = issuer.trust()});
  const auto image = test::make_image({.layers = 60, .layer_bytes = 100'000});
  push(source.http(), "app", image);
  const Home home;
  home.store_login(target.host(), "robot", "secret");
  ASSERT_DONE(transship({"copy", source.host() + "/app:1.0", target.host() + "/app:1.0"}, home));
  const auto reader = issuer.token({"repository:app:pull"}, "robot");
  EXPECT_EQ(target.http({{"Authorization", "Bearer " + reader}}).get("/v2/app/tags/list").status,
            200);
}

class Login : public ::testing::Test {
 protected:
  void SetUp() override {
    TS_NEED("htpasswd");
    directory_.write("users", test::htpasswd_line("robot", "secret") + "\n");
    served_ = std::make_unique<Served>(
        std::vector<std::string>{"--htpasswd", (directory_ / "users").string()});
  }
  Outcome login(const std::string& password) const {
    return transship({"login", served_->host(), "-u", "robot", "--password-stdin"}, home_,
                     std::chrono::seconds(30), password + "\n");
  }
  // With $REGISTRY_AUTH_FILE, which docker's file is else.
  Outcome with_auth_file(const std::string& file, std::vector<std::string> arguments,
                         std::string input = {}) const {
    arguments.insert(arguments.begin(), program());
    auto environment = home_.environment();
    environment["REGISTRY_AUTH_FILE"] = file;
    return test::run(std::move(arguments), environment, std::chrono::seconds(30), std::move(input));
  }

  TempDir directory_;
  Home home_;
  std::unique_ptr<Served> served_;
};

// A token server of another domain gets a registry's credentials where the user says that it is its
// own: by flag, or by key.
TEST(TokenHosts, GetCredentialsWithLeaveAlone) {
  const BadRegistry source({}, [](const Asked&) -> std::optional<std::string> {
    return BadRegistry::answer(
        "401 Unauthorized",
        "WWW-Authenticate: Bearer realm=\"https://sso.invalid/token\",service=\"x\"\r\n");
  });
  const Home home;
  home.store_login(source.host(), "robot", "secret");
  const std::vector<std::string> inspect = {"inspect", source.host() + "/app:1.0"};
  const Outcome refused = transship(inspect, home);
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, HasSubstr("are not sent to the token server https://sso.invalid"));
  EXPECT_THAT(refused.err, HasSubstr("--token-host sso.invalid"));

  std::vector<std::string> with_leave = inspect;
  with_leave.insert(with_leave.end(), {"--token-host", "SSO.invalid"});
  const Outcome asked = transship(with_leave, home);
  EXPECT_EQ(asked.code, 1);
  EXPECT_THAT(asked.err, Not(HasSubstr("are not sent")));
  EXPECT_THAT(asked.err, HasSubstr("sso.invalid"));  // Which nobody can resolve.

  const TempDir files;
  const auto plan = [&](const std::string& key) {
    const std::string file = files.write(
        "jobs.toml", fmt::format("[registry.\"{0}\"]\n{1}\n[[job]]\nname = \"j\"\nsource = "
                                 "\"{0}\"\ntargets = [\"{0}/to\"]\nrepositories = {{ include = "
                                 "[\"app\"] }}\n",
                                 source.host(), key));
    const Outcome done = transship({"plan", "-c", file}, home);
    EXPECT_EQ(done.code, 1) << shown(done);
    return done.out + done.err;
  };
  EXPECT_THAT(plan(""), HasSubstr("are not sent"));
  EXPECT_THAT(plan("token_hosts = [\"sso.invalid\"]"), Not(HasSubstr("are not sent")));
}

TEST_F(Login, IsCheckedBeforeItIsStored) {
  const auto wrong = login("nonsense");
  EXPECT_EQ(wrong.code, 1);
  EXPECT_THAT(wrong.err + wrong.out, Not(HasSubstr("nonsense")));
  const auto config = home_.directory() / "docker/config.json";
  EXPECT_THAT(test::read_file(config), Not(HasSubstr(served_->host())));

  ASSERT_DONE(login("secret"));
  EXPECT_THAT(test::read_file(config), HasSubstr(served_->host()));
  EXPECT_EQ(std::filesystem::status(config).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);

  Served source;
  const auto image = test::make_image({});
  push(source.http(), "app", image);
  const std::string to = served_->host() + "/app:1.0";
  ASSERT_DONE(transship({"copy", source.host() + "/app:1.0", to}, home_));
  EXPECT_EQ(differences(served_->http({{"Authorization", "Basic cm9ib3Q6c2VjcmV0"}}), "app", image),
            "");

  ASSERT_DONE(transship({"logout", served_->host()}, home_));
  EXPECT_THAT(test::read_file(config), Not(HasSubstr(served_->host())));
  EXPECT_EQ(transship({"inspect", to}, home_).code, 1);
}

TEST_F(Login, IsKeptInTheFileThatIsNamed) {
  const std::string host = served_->host();
  const std::string by_flag = (directory_ / "ci/flag.json").string();
  const std::string by_variable = (directory_ / "variable.json").string();
  const auto docker = home_.directory() / "docker/config.json";
  ASSERT_DONE(with_auth_file(
      by_variable, {"login", host, "-u", "robot", "--password-stdin", "--authfile", by_flag},
      "secret\n"));
  EXPECT_THAT(test::read_file(by_flag), HasSubstr(host));
  EXPECT_FALSE(std::filesystem::exists(by_variable));
  ASSERT_DONE(
      with_auth_file(by_variable, {"login", host, "-u", "robot", "--password-stdin"}, "secret\n"));
  EXPECT_THAT(test::read_file(by_variable), HasSubstr(host));
  EXPECT_FALSE(std::filesystem::exists(docker));

  push(served_->http({{"Authorization", "Basic cm9ib3Q6c2VjcmV0"}}), "app", test::make_image({}));
  EXPECT_EQ(transship({"inspect", host + "/app:1.0"}, home_).code, 1);
  EXPECT_DONE(transship({"inspect", host + "/app:1.0", "--authfile", by_flag}, home_));
  EXPECT_DONE(with_auth_file(by_variable, {"inspect", host + "/app:1.0"}));

  ASSERT_DONE(with_auth_file(by_variable, {"logout", host, "--authfile", by_flag}));
  EXPECT_THAT(test::read_file(by_flag), Not(HasSubstr(host)));
  EXPECT_THAT(test::read_file(by_variable), HasSubstr(host));
  ASSERT_DONE(with_auth_file(by_variable, {"logout", host}));
  EXPECT_THAT(test::read_file(by_variable), Not(HasSubstr(host)));
}

TEST_F(Login, AWrongPasswordIsRefusedWhereReadingIsOpen) {
  served_ = std::make_unique<Served>(
      std::vector<std::string>{"--htpasswd", (directory_ / "users").string(), "--anonymous-read"});
  const auto wrong = login("nonsense");
  EXPECT_EQ(wrong.code, 1) << shown(wrong);
  EXPECT_THAT(wrong.err + wrong.out, Not(HasSubstr("nonsense")));
  const auto config = home_.directory() / "docker/config.json";
  EXPECT_THAT(test::read_file(config), Not(HasSubstr(served_->host())));
  ASSERT_DONE(login("secret"));
  EXPECT_THAT(test::read_file(config), HasSubstr(served_->host()));
}

}  // namespace
}  // namespace transship::e2e
