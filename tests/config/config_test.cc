#include "config/config.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "support/process/temp_dir.h"

namespace transship::config {
namespace {

const std::filesystem::path kDocs = std::filesystem::path(__FILE__).parent_path() / "../../docs";

// A job that is right, with `more` lines.
std::string job(const std::string& more) {
  return "[[job]]\nname = \"a\"\nsource = \"hub.example.com\"\n"
         "targets = [\"eu.example.com/mirror\"]\n" +
         more;
}

std::string error_of(const std::string& text) {
  const auto config = parse_config(text, "jobs.toml");
  return config ? "" : config.error().message;
}

#define EXPECT_ERROR(text, part)                                               \
  do {                                                                         \
    const std::string message = error_of(text);                                \
    EXPECT_NE(message.find(part), std::string::npos) << "[" << message << "]"; \
  } while (false)

TEST(Config, AllThatCanBeWrittenIsRead) {
  const auto config = parse_config(R"(
[registry."Hub.Example.com:5000"]
tls.mode = "on"
tls.ca = "/ca.pem"
tls.cert = "/c.pem"
tls.key = "/k.pem"
username = "robot"
password_env = "HUB_PASSWORD"
max_connections = 12
bandwidth = "200MiB/s"
max_retry_after = "90s"
give_up_after = "5m"
stall_timeout = "90s"
profile = "harbor"
allow_private_redirects = true
token_hosts = ["SSO.example.net"]

[[job]]
name = "production"
source = "hub.example.com:5000/team"
targets = ["eu.example.com/mirror", "us.example.com"]
repositories = { include = ["app/**"], exclude = ["app/scratch-*"] }
tags = { include = ["v*"], exclude = ["*-rc*"], semver = ">=1.2", latest = 10, sort = "name" }
rename = [{ from = "app/", to = "apps/" }, { from = "old/", to = "" }]
platforms = ["linux/amd64"]
referrers = ["application/spdx+json"]
overwrite = "never"
pinned = ["app/x@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]
)",
                                   "jobs.toml");
  ASSERT_TRUE(config) << config.error().message;
  const RegistryConfig& hub = config->registries.at("hub.example.com:5000");
  EXPECT_EQ(hub.tls_mode, "on");
  EXPECT_EQ(hub.tls_ca, "/ca.pem");
  EXPECT_EQ(hub.secret.username, "robot");
  EXPECT_EQ(hub.secret.password_env, "HUB_PASSWORD");
  EXPECT_EQ(hub.max_connections, 12U);
  EXPECT_EQ(hub.bandwidth, 200ULL << 20U);
  EXPECT_EQ(hub.max_retry_after, std::chrono::seconds(90));
  EXPECT_EQ(hub.give_up_after, std::chrono::minutes(5));
  EXPECT_EQ(hub.stall_timeout, std::chrono::seconds(90));
  EXPECT_EQ(hub.profile, "harbor");
  EXPECT_TRUE(hub.allow_private_redirects);
  EXPECT_EQ(hub.token_hosts, std::vector<std::string>{"sso.example.net"});
  const JobConfig& one = config->jobs.at(0);
  EXPECT_EQ(one.source, "hub.example.com:5000/team");
  EXPECT_EQ(one.targets.size(), 2U);
  EXPECT_EQ(one.repositories.exclude, std::vector<std::string>{"app/scratch-*"});
  EXPECT_EQ(one.tags.semver, ">=1.2");
  EXPECT_EQ(one.tags.latest, 10U);
  EXPECT_EQ(one.tags.sort, "name");
  EXPECT_EQ(one.renames.size(), 2U);
  EXPECT_EQ(one.platforms, std::vector<std::string>{"linux/amd64"});
  EXPECT_EQ(one.referrers, "types");
  EXPECT_EQ(one.overwrite, "never");
  EXPECT_EQ(one.pinned.size(), 1U);
}

TEST(Config, BandwidthsAndTimesSayHowTheyAreWritten) {
  const auto registry = [](const std::string& line) {
    return "[registry.\"hub.example.com\"]\n" + line + "\n" + job("");
  };
  EXPECT_ERROR(registry("bandwidth = \"fast\""), "write 200MiB/s");
  EXPECT_ERROR(registry("bandwidth = \"100\""), "1KiB/s is the least");
  EXPECT_ERROR(registry("bandwidth = \"fast\""), "jobs.toml:2");
  EXPECT_ERROR(registry("bandwidth = 5"), "bandwidth");
  EXPECT_ERROR(registry("give_up_after = \"2\""), "write 90s, 15m or 8h");
  EXPECT_ERROR(registry("stall_timeout = \"0s\""), "write 90s, 15m or 8h");
  EXPECT_ERROR(registry("max_retry_after = \"-1s\""), "write 90s, 15m or 8h");
}

TEST(Config, ATokenHostIsAHostAlone) {
  for (const char* name : {"https://sso.example.net", "sso.example.net:443"}) {
    EXPECT_ERROR(
        fmt::format("[registry.\"hub.example.com\"]\ntoken_hosts = [\"{}\"]\n", name) + job(""),
        "a host, without scheme, port and path");
  }
}

TEST(Config, DefaultsAreThoseOfTheDocumentation) {
  const auto config = parse_config(job("") + "[registry.\"r.example.com\"]\n", "jobs.toml");
  ASSERT_TRUE(config) << config.error().message;
  const JobConfig& one = config->jobs.at(0);
  EXPECT_EQ(one.referrers, "all");
  EXPECT_EQ(one.overwrite, "always");
  EXPECT_EQ(one.tags.sort, "semver");
  EXPECT_EQ(one.tags.latest, 0U);
  EXPECT_TRUE(one.platforms.empty());
  EXPECT_EQ(config->registries.at("r.example.com").tls_mode, "auto");
}

TEST(Config, AnUnknownKeyIsNamedWithItsPlaceAndTheNearestRightOne) {
  EXPECT_ERROR(job("tags = { lates = 3 }\n"), "jobs.toml:5:");
  EXPECT_ERROR(job("tags = { lates = 3 }\n"), "job.tags.lates");
  EXPECT_ERROR(job("tags = { lates = 3 }\n"), "did you mean latest?");
  EXPECT_ERROR("[registri.\"x\"]\n" + job(""), "did you mean registry?");
}

TEST(Config, KeysThatHaveNoEffectYetAreRefused) {
  for (const std::string key : {"schedule = \"15m\"", "prune = \"never\"", "require = [\"x\"]"}) {
    EXPECT_ERROR(job(key + "\n"), "unknown key");
  }
}

TEST(Config, WrongTypesAndValuesAreNamed) {
  EXPECT_ERROR(job("tags = { latest = \"three\" }\n"), "job.tags.latest");
  EXPECT_ERROR(job("tags = { latest = 0 }\n"), "job.tags.latest");
  EXPECT_ERROR(job("overwrite = \"sometimes\"\n"), "job.overwrite");
  EXPECT_ERROR(job("platforms = [\"linux\"]\n"), "job.platforms");
  EXPECT_ERROR(job("tags = { semver = \">=banana\" }\n"), "job.tags.semver");
  EXPECT_ERROR(job("pinned = [\"app\"]\n"), "job.pinned");
  EXPECT_ERROR(job("pinned = [\"app@sha256:12\"]\n"), "job.pinned");
  EXPECT_ERROR(job("rename = [{ from = \"a/\", to = \"b\" }]\n"), "job.rename");
  EXPECT_ERROR(job("rename = [{ from = \"a\" }]\n"), "job.rename");
}

TEST(Config, AnUnknownChoiceIsNamedWithItsPlaceAndTheNearestRightOne) {
  const auto registry = [](const std::string& line) {
    return "[registry.\"hub.example.com\"]\n" + line + "\n" + job("");
  };
  EXPECT_ERROR(registry("profile = \"harbour\""),
               "jobs.toml:2:11: registry.\"hub.example.com\".profile: 'harbour' is not one of "
               "generic, distribution, zot, harbor,");
  EXPECT_ERROR(registry("profile = \"harbour\""), "(did you mean harbor?)");
  EXPECT_ERROR(registry("tls.mode = \"offf\""), "(did you mean off?)");
  const std::string far = error_of(registry("profile = \"something else\""));
  EXPECT_EQ(far.find("did you mean"), std::string::npos) << far;
}

TEST(Config, ARegistryIsThereOnceInWhateverCase) {
  EXPECT_ERROR("[registry.\"hub.example.com\"]\n[registry.\"Hub.example.com\"]\n" + job(""),
               "registry.\"hub.example.com\": is there twice");
}

TEST(Config, AllErrorsOfAFileAreFound) {
  const std::string message = error_of(job("overwrite = \"x\"\nlates = 1\n"));
  EXPECT_NE(message.find("overwrite"), std::string::npos);
  EXPECT_NE(message.find("lates"), std::string::npos);
}

TEST(Config, LettersOfOtherLanguagesBelongInQuotes) {
  EXPECT_ERROR("a \xC3\xBD = 1\n", "jobs.toml:1:");
  EXPECT_ERROR("\xD0\xB6 = 1\n", "jobs.toml:1:");
  EXPECT_ERROR(job("tags = \xC3\xA9\n"), "jobs.toml:5:");
  // After the end of a line that a backslash joins with the next.
  EXPECT_ERROR(job("pinned = [\"\"\"\\\n\xC3\xA9\"\"\"]\n"), "\xC3\xA9");
}

TEST(Config, BrokenTomlIsNamedWithItsLine) { EXPECT_ERROR("[[job]\nname = 1\n", "jobs.toml:1:"); }

TEST(Config, AKeyThatTheParserTripsOverIsNamedWithItsLine) {
  EXPECT_ERROR("[a]\n[=]\nb = 1\n", "jobs.toml:2:1: a key or a value is malformed");
}

TEST(Config, AGlobThatCanMatchNothingIsAnError) {
  EXPECT_ERROR(job("repositories = { include = [\"Team/*\"] }\n"),
               "jobs.toml:5:28: job.repositories.include: 'Team/*' can match no repository name");
  for (const std::string glob : {"", "v1/*", ".hidden", "-x", "v 1"}) {
    EXPECT_ERROR(job("tags = { exclude = [\"" + glob + "\"] }\n"), "can match no tag");
  }
  EXPECT_EQ(error_of(job("tags = { include = [\"V?.*-rc_1\"] }\n")), "");
}

TEST(Config, EveryMistakeIsNamedWithFileLineColumnAndKey) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"targts = []\n", "jobs.toml:5:1: job.targts: unknown key (did you mean targets?)"},
      {"overwrite = true\n",
       "jobs.toml:5:13: job.overwrite: a string is needed, not true or false"},
      {"tags = { latest = 1.5 }\n",
       "jobs.toml:5:19: job.tags.latest: a number is needed, not a number with a fraction"},
      {"tags = [\"v1\"]\n", "jobs.toml:5:8: job.tags: a table is needed, not a list"},
      {"pinned = \"app\"\n", "jobs.toml:5:10: job.pinned: a list of strings is needed"},
      {"rename = { from = \"a\", to = \"b\" }\n",
       "jobs.toml:5:10: job.rename: write [[job.rename]]"},
  };
  for (const auto& [line, wrong] : cases) EXPECT_ERROR(job(line), wrong);
}

TEST(Config, DefaultsHoldForJobsThatSayNothingElse) {
  const auto config = parse_config(
      "[defaults]\ntags = { include = [\"v*\"], latest = 3 }\nreferrers = [\"application/x\"]\n"
      "platforms = [\"linux/arm64\"]\noverwrite = \"never\"\n"
      "repositories = { exclude = [\"scratch/**\"] }\n" +
          job("") +
          "[[job]]\nname = \"b\"\nsource = \"hub.example.com\"\ntargets = [\"us.example.com\"]\n"
          "tags = { exclude = [\"*-rc\"] }\nreferrers = \"none\"\nplatforms = \"all\"\n"
          "overwrite = \"always\"\nrepositories = { include = [\"app\"] }\n",
      "jobs.toml");
  ASSERT_TRUE(config) << config.error().message;
  const JobConfig& quiet = config->jobs.at(0);
  EXPECT_EQ(quiet.tags.globs.include, std::vector<std::string>{"v*"});
  EXPECT_EQ(quiet.tags.latest, 3U);
  EXPECT_EQ(quiet.referrers, "types");
  EXPECT_EQ(quiet.platforms, std::vector<std::string>{"linux/arm64"});
  EXPECT_EQ(quiet.overwrite, "never");
  EXPECT_EQ(quiet.repositories.exclude, std::vector<std::string>{"scratch/**"});
  const JobConfig& other = config->jobs.at(1);
  EXPECT_TRUE(other.tags.globs.include.empty());
  EXPECT_EQ(other.tags.latest, 0U);
  EXPECT_EQ(other.referrers, "none");
  EXPECT_TRUE(other.platforms.empty());
  EXPECT_EQ(other.overwrite, "always");
  EXPECT_TRUE(other.repositories.exclude.empty());
  EXPECT_ERROR("[defaults]\nsource = \"hub.example.com\"\n" + job(""),
               "jobs.toml:2:1: defaults.source: unknown key");
}

TEST(Config, PlacesAreChecked) {
  const std::string start = "[[job]]\nname = \"a\"\n";
  EXPECT_ERROR(start + "source = \"hub.example.com\"\ntargets = [\"hub.example.com\"]\n",
               "own source");
  EXPECT_ERROR(start +
                   "source = \"hub.example.com\"\ntargets = [\"e.example.com\", "
                   "\"E.example.com\"]\n",
               "named twice");
  EXPECT_ERROR(start + "source = \"hub.example.com\"\ntargets = [\"hub.example.com/mirror\"]\n",
               "within the source");
  EXPECT_ERROR(start + "source = \"hub\"\ntargets = [\"e.example.com\"]\n", "registry host");
  for (const std::string place : {"oci:/srv/l", "https://e.example.com/m"}) {
    EXPECT_ERROR(start + "source = \"h.example.com\"\ntargets = [\"" + place + "\"]\n",
                 "from registry to registry");
  }
  EXPECT_ERROR(start + "source = \"h.example.com\"\ntargets = [\"e.example.com/m/\"]\n", "slash");
  EXPECT_ERROR(start + "source = \"h.example.com/UPPER\"\ntargets = [\"e.example.com\"]\n",
               "job.source");
}

// What a host does not mount is read from it and written to it at the same time.
TEST(Config, ACopyWithinAHostNeedsTwoConnections) {
  const auto file = [](int connections, const std::string& source, const std::string& target) {
    return fmt::format(
        "[registry.\"hub.example.com\"]\nmax_connections = {}\n"
        "[[job]]\nname = \"a\"\nsource = \"{}/team\"\n"
        "targets = [\"{}/copy\"]\n",
        connections, source, target);
  };
  EXPECT_ERROR(file(1, "hub.example.com", "Hub.example.com"), "2 connections");
  EXPECT_ERROR(file(1, "hub.example.com:5000", "hub.example.com:5000"), "2 connections");
  EXPECT_TRUE(parse_config(file(2, "hub.example.com", "hub.example.com"), "jobs.toml"));
  EXPECT_TRUE(parse_config(file(1, "hub.example.com", "eu.example.com"), "jobs.toml"));
  EXPECT_TRUE(parse_config(file(1, "hub.example.com:5000", "hub.example.com:443"), "jobs.toml"));
}

TEST(Config, ATargetWithinItsSourceIsRefusedUnlessItIsExcluded) {
  const auto within = [](const std::string& more) {
    return "[[job]]\nname = \"a\"\nsource = \"hub.example.com\"\n"
           "targets = [\"hub.example.com/mirror\"]\n" +
           more;
  };
  EXPECT_ERROR(within("repositories = { exclude = [\"scratch/**\"] }\n"), "within the source");
  EXPECT_ERROR(within("repositories = { include = [\"app/**\", \"**\"] }\n"), "within the source");
  EXPECT_EQ(error_of(within("repositories = { exclude = [\"mirror/**\"] }\n")), "");
  EXPECT_EQ(error_of(within("repositories = { include = [\"app/**\"] }\n")), "");
}

std::string job_between(const std::string& name, const std::string& source,
                        const std::string& target) {
  return "[[job]]\nname = \"" + name + "\"\nsource = \"" + source + "\"\ntargets = [\"" + target +
         "\"]\n";
}

TEST(Config, JobsThatHandEachOtherWhatTheyWroteAreRefused) {
  const auto two = [](const std::string& there, const std::string& back) {
    return job_between("a", "hub.example.com", there) + job_between("b", "eu.example.com", back);
  };
  EXPECT_ERROR(two("eu.example.com/mirror", "hub.example.com"), "jobs.toml:8:11: job.targets");
  EXPECT_ERROR(two("eu.example.com/mirror", "hub.example.com"), "nest it deeper");
  EXPECT_ERROR(two("eu.example.com", "hub.example.com/back"), "nest it deeper");
  // Both ways to the same names nests nothing; a chain comes to an end.
  EXPECT_EQ(error_of(two("eu.example.com", "hub.example.com")), "");
  EXPECT_EQ(error_of(two("eu.example.com/mirror", "us.example.com")), "");
}

TEST(Config, CirclesOfThreeJobsAreRefusedToo) {
  const auto three = [](const std::string& there, const std::string& back) {
    return job_between("a", "hub.example.com", there) +
           job_between("b", "eu.example.com", "us.example.com") +
           job_between("c", "us.example.com", back);
  };
  EXPECT_ERROR(three("eu.example.com/m", "hub.example.com"), "job a, then by b, which writes to");
  EXPECT_ERROR(three("eu.example.com", "hub.example.com/m"), "nest it deeper");
  EXPECT_ERROR(three("eu.example.com/m", "Hub.example.com"), "nest it deeper");
  EXPECT_EQ(error_of(three("eu.example.com", "hub.example.com")), "");
  EXPECT_EQ(error_of(three("eu.example.com/m", "asia.example.com")), "");
}

TEST(Config, HostsAreTheSameInAnyCase) {
  const std::string text =
      "[[job]]\nname = \"a\"\nsource = \"Hub.example.com\"\n"
      "targets = [\"hub.Example.com/mirror\"]\n";
  EXPECT_ERROR(text, "hub.example.com/mirror lies within the source");
}

TEST(Config, RenamesThatTheNextPassWouldRenameAgainAreRefused) {
  const auto renamed = [](const std::string& from, const std::string& to, const std::string& more) {
    return "[[job]]\nname = \"a\"\nsource = \"hub.example.com\"\n"
           "targets = [\"hub.example.com\"]\nrename = [{ from = \"" +
           from + "\", to = \"" + to + "\" }]\n" + more;
  };
  EXPECT_ERROR(renamed("app/", "app/old/", ""), "would be renamed again");
  EXPECT_EQ(
      error_of(renamed("app/", "app/old/", "repositories = { exclude = [\"app/old/**\"] }\n")), "");
  EXPECT_EQ(error_of(renamed("app/", "old/", "")), "");
}

TEST(Config, WhatIsNeededIsAskedFor) {
  EXPECT_ERROR("[[job]]\nname = \"a\"\n", "a source is needed");
  EXPECT_ERROR("[[job]]\nname = \"a\"\n", "at least one target is needed");
  EXPECT_ERROR("", "no [[job]]");
  EXPECT_ERROR(job("") + job(""), "two jobs are called 'a'");
}

TEST(Config, SecretsBelongTogether) {
  const std::string registry = "[registry.\"r.example.com\"]\n";
  EXPECT_ERROR(registry + "username = \"u\"\n" + job(""), "password_env or password_file");
  EXPECT_ERROR(registry + "username = \"u\"\npassword_env = \"A\"\nhelper = \"x\"\n" + job(""),
               "not several");
  EXPECT_ERROR(registry + "tls.cert = \"/c\"\n" + job(""), "belong together");
  EXPECT_ERROR("[registry.\"https://r.example.com\"]\n" + job(""), "without scheme");
}

TEST(Config, EnvironmentVariablesAreFilledInAndMissingOnesAreErrors) {
  ::setenv("TRANSSHIP_TEST_HOST", "eu.example.com", 1);
  ::unsetenv("TRANSSHIP_TEST_UNSET");
  const auto config = parse_config(
      "[[job]]\nname = \"a\"\nsource = \"hub.example.com\"\n"
      "targets = [\"${TRANSSHIP_TEST_HOST}/mirror\"]\n",
      "jobs.toml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->jobs[0].targets[0], "eu.example.com/mirror");
  const auto registry = parse_config(
      "[registry.\"${TRANSSHIP_TEST_HOST}\"]\nmax_connections = 3\n" + job(""), "jobs.toml");
  ASSERT_TRUE(registry) << registry.error().message;
  EXPECT_EQ(registry->registries.at("eu.example.com").max_connections, 3U);
  EXPECT_ERROR("[registry.\"${TRANSSHIP_TEST_UNSET}\"]\n" + job(""), "TRANSSHIP_TEST_UNSET");
  EXPECT_ERROR(job("repositories = { include = [\"${TRANSSHIP_TEST_UNSET}\"] }\n"),
               "TRANSSHIP_TEST_UNSET");
}

TEST(Config, AFileThatIsNotThereIsNamed) {
  const auto config = load_config("/nowhere/jobs.toml");
  ASSERT_FALSE(config);
  EXPECT_NE(config.error().message.find("/nowhere/jobs.toml"), std::string::npos);
  const auto directory = load_config("/tmp");
  ASSERT_FALSE(directory);
  EXPECT_NE(directory.error().message.find("irectory"), std::string::npos);
}

// What a run would stumble over later, each by its key; a run itself is told of what it needs
// alone.
TEST(Config, WhatRegistriesNameIsLookedFor) {
  const test::TempDir files;
  const std::string there = files.write("ca.pem", "");
  const std::string text = "[registry.\"a.example.com\"]\ntls.ca = \"" + there +
                           "\"\ntls.cert = \"/nowhere/c.pem\"\ntls.key = \"" +
                           files.path().string() + R"("
username = "u"
password_env = "TRANSSHIP_TEST_UNSET"
[registry."b.example.com"]
username = "u"
password_file = "/nowhere/password"
[registry."c.example.com"]
helper = "of-nobody"
)" + job("");
  EXPECT_TRUE(parse_config(text, "jobs.toml"));
  const auto looked = parse_config(text, "jobs.toml", Named::kLookedAt);
  ASSERT_FALSE(looked);
  const std::string& message = looked.error().message;
  for (const auto* line :
       {"jobs.toml:3:12: registry.\"a.example.com\".tls.cert: read /nowhere/c.pem: No such",
        "jobs.toml:4:11: registry.\"a.example.com\".tls.key: read ",
        ".password_env: the variable TRANSSHIP_TEST_UNSET is not set",
        "registry.\"b.example.com\".password_file: read /nowhere/password: No such",
        ".helper: there is no docker-credential-of-nobody on PATH"}) {
    EXPECT_NE(message.find(line), std::string::npos) << line << "\nin\n" << message;
  }
  EXPECT_EQ(message.find("tls.ca"), std::string::npos) << message;
}

TEST(Config, TheExamplesAreRight) {
  for (const std::string region : {"HUB", "EU", "US", "AP"}) {
    ::setenv(region.c_str(), (region + ".example.com").c_str(), 1);
  }
  std::size_t count = 0;
  for (const auto& file : std::filesystem::directory_iterator(kDocs / "examples")) {
    if (file.path().extension() != ".toml") continue;
    const auto config = load_config(file.path());
    EXPECT_TRUE(config) << (config ? "" : config.error().message);
    ++count;
  }
  EXPECT_GE(count, 2U);
}

}  // namespace
}  // namespace transship::config
