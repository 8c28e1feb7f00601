#include "cli/arguments.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <initializer_list>

#include "cli/completion.h"
#include "cli/exit_codes.h"

namespace transship::cli {
namespace {

std::variant<Arguments, int> parse(std::initializer_list<const char*> words) {
  std::vector<const char*> argv{"transship"};
  argv.insert(argv.end(), words);
  return parse_arguments(static_cast<int>(argv.size()), argv.data());
}

TEST(ArgumentsTest, CopyTakesOneSourceAndManyTargets) {
  const auto parsed =
      parse({"copy", "a.example.com/x:1", "b.example.com/x:1", "oci:/tmp/l:1", "--memory", "64MiB",
             "--bandwidth", "10MiB/s", "--give-up-after", "30s", "--stall-timeout", "5s",
             "--dry-run", "--platform", "linux/amd64"});
  const auto& copy = std::get<CopyArguments>(std::get<Arguments>(parsed).command);
  EXPECT_EQ(copy.source, "a.example.com/x:1");
  EXPECT_EQ(copy.targets, (std::vector<std::string>{"b.example.com/x:1", "oci:/tmp/l:1"}));
  EXPECT_EQ(copy.network.memory_bytes, 64ULL << 20U);
  EXPECT_EQ(copy.network.bandwidth, 10ULL << 20U);
  EXPECT_EQ(copy.network.give_up_after, std::chrono::seconds(30));
  EXPECT_EQ(copy.network.stall_timeout, std::chrono::seconds(5));
  EXPECT_EQ(copy.platforms, std::vector<std::string>{"linux/amd64"});
  EXPECT_TRUE(copy.dry_run);
}

TEST(ArgumentsTest, SyncTakesAFileJobsAndALongestTime) {
  const auto parsed = parse({"sync", "-c", "jobs.toml", "--job", "a", "--job", "b",
                             "--max-duration", "1h30m", "--audit", "2.5", "--strict"});
  const auto& sync = std::get<SyncArguments>(std::get<Arguments>(parsed).command);
  EXPECT_EQ(sync.file, "jobs.toml");
  EXPECT_EQ(sync.jobs, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(sync.max_duration, std::chrono::minutes(90));
  EXPECT_DOUBLE_EQ(sync.audit_percent, 2.5);
  EXPECT_TRUE(sync.strict);
  EXPECT_FALSE(sync.plan || sync.check_only);
}

TEST(ArgumentsTest, PlanAndCheckAreOfTheSameFamily) {
  const auto planned = parse({"plan", "-c", "jobs.toml"});
  EXPECT_TRUE(std::get<SyncArguments>(std::get<Arguments>(planned).command).plan);
  const auto checked = parse({"config", "check", "jobs.toml"});
  EXPECT_TRUE(std::get<SyncArguments>(std::get<Arguments>(checked).command).check_only);
}

TEST(ArgumentsTest, MistakesEndWithTheUsageCode) {
  for (const auto& words :
       std::vector<std::vector<const char*>>{{"copy"},
                                             {"copy", "only-a-source"},
                                             {"nonsense"},
                                             {},
                                             {"copy", "a", "b", "--memory", "12 apples"},
                                             {"copy", "a", "b", "--bandwidth", "fast"},
                                             {"copy", "a", "b", "--overwrite", "sometimes"},
                                             {"sync"},
                                             {"sync", "-c", "f", "--max-duration", "8"},
                                             {"sync", "-c", "f", "--max-duration", "0s"},
                                             {"sync", "-c", "f", "--audit", "101"},
                                             {"config"},
                                             {"serve"},
                                             {"serve", "d", "--io", "floppy"}}) {
    std::vector<const char*> argv{"transship"};
    argv.insert(argv.end(), words.begin(), words.end());
    const auto parsed = parse_arguments(static_cast<int>(argv.size()), argv.data());
    ASSERT_TRUE(std::holds_alternative<int>(parsed));
    EXPECT_EQ(std::get<int>(parsed), kUsage);
  }
}

TEST(ArgumentsTest, HelpAndVersionSucceed) {
  EXPECT_EQ(std::get<int>(parse({"--help"})), 0);
  EXPECT_EQ(std::get<int>(parse({"--version"})), 0);
  EXPECT_EQ(std::get<int>(parse({"copy", "--help"})), 0);
}

TEST(ArgumentsTest, LoginAndLogoutAreToldApart) {
  const auto in = parse({"login", "eu.example.com", "-u", "robot", "--password-stdin"});
  EXPECT_FALSE(std::get<LoginArguments>(std::get<Arguments>(in).command).logout);
  const auto out = parse({"logout", "eu.example.com"});
  EXPECT_TRUE(std::get<LoginArguments>(std::get<Arguments>(out).command).logout);
}

TEST(ArgumentsTest, EveryCommandHasAnExample) {
  const auto commands = command_help();
  EXPECT_GE(commands.size(), 7U);
  for (const auto& command : commands) {
    EXPECT_NE(command.footer.find("transship " + command.name), std::string::npos) << command.name;
  }
}

TEST(CompletionTest, NamesCommandsAndTheirOptions) {
  for (const std::string shell : {"bash", "zsh", "fish"}) {
    const std::string script = completion_script(shell);
    EXPECT_NE(script.find("copy"), std::string::npos) << shell;
    EXPECT_NE(script.find("all-tags"), std::string::npos) << shell;
  }
}

TEST(CompletionTest, TheManualHasASectionForEachCommandAndALineForEachOption) {
  const std::string page = completion_script("man");
  const std::function<void(const CommandHelp&, const std::string&)> look =
      [&](const CommandHelp& command, const std::string& above) {
        const std::string name = above + " " + command.name;
        const auto section = page.find(".SH " + name);
        ASSERT_NE(section, std::string::npos) << name;
        const std::string text = page.substr(section, page.find("\n.SH ", section + 1) - section);
        for (const auto& option : command.options) {
          std::string line = "\n.B " + option.name;
          for (std::size_t at = 0; (at = line.find('-', at)) != std::string::npos; at += 2) {
            line.insert(at, "\\");
          }
          EXPECT_NE(text.find(line), std::string::npos) << name << line;
        }
        for (const auto& below : command.below) look(below, name);
      };
  for (const auto& command : command_help()) look(command, "transship");
  EXPECT_NE(page.find(".SH transship config check FILE\n"), std::string::npos);
  EXPECT_NE(page.find(".B \\-\\-report FILE\n"), std::string::npos);
}

TEST(CompletionTest, CommandsOfCommandsAreOffered) {
  EXPECT_NE(completion_script("fish").find("__fish_seen_subcommand_from config' -f -a check"),
            std::string::npos)
      << completion_script("fish");
}

}  // namespace
}  // namespace transship::cli
