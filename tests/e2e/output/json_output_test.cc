// What small commands print with --json, good and bad, is as the schemas of docs/ say.
#include <gmock/gmock.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "e2e/harness.h"
#include "support/json_schema.h"

namespace transship::e2e {
namespace {

using ::testing::HasSubstr;

// The one object that a command printed, which is as `schema` says.
boost::json::value printed(const Outcome& outcome, const std::string& schema) {
  EXPECT_DONE(outcome);
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(test::violations(schema, outcome.out), "") << outcome.out;
  return boost::json::parse(outcome.out);
}

// A command that failed prints nothing but an error.
void expect_error(const Outcome& outcome, int code, const std::string& message) {
  EXPECT_EQ(outcome.code, code) << shown(outcome);
  EXPECT_EQ(outcome.out, "");
  const auto error = boost::json::parse(outcome.err).at("error");
  EXPECT_THAT(std::string(error.at("message").as_string()), HasSubstr(message));
}

TEST(JsonOutput, OfLoginAndLogout) {
  TS_NEED("htpasswd");
  const TempDir files;
  files.write("users", test::htpasswd_line("robot", "secret") + "\n");
  const Served served({"--htpasswd", (files / "users").string()});
  const Home home;
  const auto login = [&](const std::string& password) {
    return transship({"login", served.host(), "-u", "robot", "--password-stdin", "--json"}, home,
                     std::chrono::seconds(30), password + "\n");
  };
  expect_error(login("nonsense"), 1, "401");
  const auto in = printed(login("secret"), "login.schema.json");
  EXPECT_EQ(in.at("command").as_string(), "login");
  EXPECT_EQ(in.at("host").as_string(), served.host());
  EXPECT_EQ(in.at("user").as_string(), "robot");
  EXPECT_EQ(in.at("storedIn").as_string(), (home.directory() / "docker/config.json").string());
  EXPECT_TRUE(in.at("unencrypted").as_bool());
  EXPECT_TRUE(in.at("verified").as_bool());
  for (const bool there : {true, false}) {
    const auto out =
        printed(transship({"logout", served.host(), "--json"}, home), "login.schema.json");
    EXPECT_EQ(out.at("command").as_string(), "logout");
    EXPECT_EQ(out.at("removed").as_bool(), there);
  }
}

TEST(JsonOutput, OfALoginThatNothingVerifies) {
  const Served open;
  const Home home;
  const auto login = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"login", open.host(), "-u", "robot", "--password-stdin"});
    return transship(std::move(more), home, std::chrono::seconds(30), "secret\n");
  };
  EXPECT_FALSE(printed(login({"--json"}), "login.schema.json").at("verified").as_bool());
  EXPECT_THAT(login({}).err, HasSubstr("lets everybody in"));
}

// A layout's name may be any bytes but zero; JSON may not.
TEST(JsonOutput, OfNamesThatAreNoText) {
  const TempDir files;
  const std::string layout = "oci:" + (files / "caf\xE9").string() + ":v1";
  expect_error(transship({"inspect", layout, "--json"}), 1, "caf\uFFFD");
  const Served served;
  push(served.http(), "app", test::make_image({}));
  const Outcome copied = transship({"copy", served.host() + "/app:1.0", layout, "--json"});
  ASSERT_DONE(copied);
  EXPECT_EQ(test::report_violations(copied.out), "");
  EXPECT_THAT(copied.out, HasSubstr("caf\uFFFD:v1"));
}

TEST(JsonOutput, OfConfigCheck) {
  const TempDir files;
  const std::string job =
      "[[job]]\nname = \"fleet\"\nsource = \"h.example.com\"\ntargets = [\"e.example.com\"]\n";
  const std::string file =
      files.write("jobs.toml", "[registry.\"e.example.com\"]\nmax_connections = 8\n" + job);
  const auto good =
      printed(transship({"config", "check", file, "--json"}), "config-check.schema.json");
  EXPECT_EQ(good.at("file").as_string(), file);
  EXPECT_EQ(boost::json::serialize(good.at("registries")), R"(["e.example.com"])");
  EXPECT_EQ(boost::json::serialize(good.at("jobs")), R"(["fleet"])");
  files.write("jobs.toml", job + "schedul = \"15m\"\n");
  expect_error(transship({"config", "check", file, "--json"}), 2, "jobs.toml:5:");
}

}  // namespace
}  // namespace transship::e2e
