// Where what is printed goes, and what becomes of it when it cannot.
#include <gmock/gmock.h>

#include <boost/json/parse.hpp>

#include "e2e/bad_registry.h"
#include "e2e/harness.h"

namespace transship::e2e {
namespace {

using ::testing::HasSubstr;

Outcome in_shell(const std::string& arguments) {
  return test::run({"/bin/bash", "-c", "exec '" + program() + "' " + arguments});
}

TEST(Output, ThatCannotBeWrittenIsNoSuccess) {
  for (const std::string arguments : {"--help", "--version", "manual", "completion bash"}) {
    for (const std::string to : {" > /dev/full", " >&-"}) {
      const Outcome outcome = in_shell(arguments + to);
      EXPECT_EQ(outcome.code, 1) << arguments << to;
      EXPECT_THAT(outcome.err, HasSubstr("standard output")) << arguments << to;
    }
  }
}

TEST(Output, WhoseReaderIsGoneIsNoFailure) {
  const Outcome outcome =
      test::run({"/bin/bash", "-c", "'" + program() + "' manual | true; echo ${PIPESTATUS[0]}"});
  EXPECT_EQ(outcome.out, "0\n");
  EXPECT_EQ(outcome.err, "");
}

TEST(Output, UsageErrorsAreJsonWhereJsonIsAsked) {
  const Outcome outcome = transship({"copy", "--overwrite", "perhaps", "a", "b", "--json"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(outcome.out, "");
  const auto error = boost::json::parse(outcome.err).at("error");
  EXPECT_THAT(std::string(error.at("message").as_string()), HasSubstr("--overwrite"));
  EXPECT_THAT(std::string(error.at("hint").as_string()), HasSubstr("transship copy --help"));
}

TEST(Output, TooFewDescriptorsAreAnErrorAndNotACrash) {
  const Outcome outcome = test::run(
      {"/bin/bash", "-c", "ulimit -n 8; exec '" + program() + "' copy 127.0.0.1:1/a:1 oci:x:1"});
  EXPECT_EQ(outcome.code, 1) << shown(outcome);
  EXPECT_THAT(outcome.err, HasSubstr("may open 8 files"));
  EXPECT_THAT(outcome.err, HasSubstr("ulimit -n"));
}

TEST(Output, QuietLoginAndLogoutSayNothing) {
  const TempDir files;
  const std::string auth = (files / "auth.json").string();
  files.write("auth.json", R"({"auths":{"127.0.0.1:1":{"auth":"dTpw"}}})");
  const Outcome outcome = transship({"logout", "-q", "--authfile", auth, "127.0.0.1:1"});
  EXPECT_EQ(outcome.code, 0) << shown(outcome);
  EXPECT_EQ(outcome.out + outcome.err, "");
  EXPECT_EQ(files.read("auth.json").find("dTpw"), std::string::npos);
}

TEST(Output, PlacesOfReportsAreCheckedBeforeAnythingIsDone) {
  const TempDir files;
  const std::string jobs =
      files.write("jobs.toml",
                  "[[job]]\nname = \"a\"\nsource = \"127.0.0.1:1\"\ntargets = [\"127.0.0.1:2\"]\n"
                  "repositories = { include = [\"a\"] }\n");
  for (const std::string report : {"/nowhere/r.json", "/"}) {
    for (const char* command : {"sync", "plan", "diff", "verify"}) {
      const Outcome outcome = transship({command, "-c", jobs, "--report", report});
      EXPECT_EQ(outcome.code, 2) << command << shown(outcome);
      EXPECT_THAT(outcome.err, HasSubstr("--report " + report)) << command;
    }
  }
}

TEST(Output, InspectAsksAgainWhatMayPass) {
  std::atomic<int> refusals = 0;
  BadRegistry registry(test::make_image({}), [&](const Asked& asked) -> std::optional<std::string> {
    if (!asked.is("GET", "/manifests/") || refusals++ % 2 == 1) return std::nullopt;
    return BadRegistry::error("503 Service Unavailable", "UNAVAILABLE");
  });
  for (const char* command : {"inspect", "tree"}) {
    const Outcome outcome =
        transship({command, "--plain-http", registry.host(), registry.host() + "/app:1.0"});
    EXPECT_EQ(outcome.code, 0) << shown(outcome);
  }
  EXPECT_GE(refusals.load(), 4);
}

// What bash offers behind `words`, the last of which is being written.
std::string offered(const std::string& words) {
  const std::string script =
      "source <('" + program() + "' completion bash); COMP_WORDS=(transship " + words +
      "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _transship; echo \"${COMPREPLY[*]}\"";
  return test::run({"/bin/bash", "-c", script}).out;
}

TEST(Output, CompletionOffersValuesWhereTheyAreKnown) {
  EXPECT_EQ(offered("copy --overwrite ''"), "always never\n");
  EXPECT_EQ(offered("copy --referrers n"), "none\n");
  EXPECT_EQ(offered("serve /srv --io ''"), "auto uring pool\n");
  EXPECT_EQ(offered("completion ''"), "bash zsh fish\n");
  EXPECT_EQ(offered("config ''"), "check\n");
  EXPECT_EQ(offered("copy --report ''"), "\n") << "files are the shell's own";
  EXPECT_EQ(offered("copy --dry"), "--dry-run\n");
  EXPECT_EQ(offered("--vers"), "--version\n");
  EXPECT_THAT(offered("''"), HasSubstr("copy sync"));
}

}  // namespace
}  // namespace transship::e2e
