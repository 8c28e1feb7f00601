#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "support/http/port.h"
#include "support/http/raw_http.h"
#include "support/process/process.h"
#include "support/process/registries.h"
#include "support/process/temp_dir.h"
#include "support/stores/test_content.h"

namespace transship::e2e {

using test::DistributionRegistry;
using test::Outcome;
using test::Process;
using test::RawHttp;
using test::RealRegistry;
using test::RequestLog;
using test::TempDir;
using test::TestContent;

/// The path of the program under test.
std::string program();

/// A user's home of its own: no credentials, state or proxies of the machine are seen.
class Home {
 public:
  std::map<std::string, std::string> environment() const;
  /// Stores a user as docker does: base64 in config.json.
  void store_login(const std::string& host, const std::string& user,
                   const std::string& password) const;
  /// One variable more for the programs that are run in it.
  void set(const std::string& name, const std::string& value) { more_[name] = value; }
  const TempDir& directory() const { return directory_; }

 private:
  TempDir directory_;
  std::map<std::string, std::string> more_;
};

/// Runs `transship ARGUMENTS...` to its end.
Outcome transship(const std::vector<std::string>& arguments, const Home& home = {},
                  std::chrono::milliseconds limit = std::chrono::seconds(60),
                  std::string input = {});

/// `transship serve` as a process with a directory and a port of its own. Throws when it does not
/// listen within 20 s.
class Served final : public RealRegistry {
 public:
  explicit Served(std::vector<std::string> more_arguments = {});

  std::uint16_t port() const override { return port_.number(); }
  RequestLog log() override;
  std::string name() const override { return "transship serve"; }
  /// Again, with the same directory and port, after its process has ended.
  void start(std::map<std::string, std::string> more_environment = {});
  Process& process() { return *process_; }
  const TempDir& directory() const { return directory_; }
  std::string root() const { return (directory_ / "root").string(); }
  std::string printed() const { return directory_.read("out") + directory_.read("err"); }

 private:
  TempDir directory_;
  Home home_;
  std::vector<std::string> more_arguments_;
  test::Port port_;
  std::unique_ptr<Process> process_;
};

/// Before a program: it may hold 256 descriptors. The hard limit too, so that it cannot raise it.
inline const std::vector<std::string> kFewDescriptors = {"/bin/sh", "-c",
                                                         "ulimit -n 256; exec \"$@\"", "sh"};

/// Another tool, by name; the test is skipped where it is not installed (see TS_NEED).
Outcome tool(const std::string& name, const std::vector<std::string>& arguments,
             const Home& home = {});

inline bool have(const std::string& name) { return test::find_program(name).has_value(); }

/// What a failed expectation should show of a run.
inline std::string shown(const Outcome& outcome) {
  return "exit " + std::to_string(outcome.code) + "\n" + outcome.out + outcome.err;
}

}  // namespace transship::e2e

// Skips the test where a program is not installed.
#define TS_NEED(name) \
  if (!::transship::e2e::have(name)) GTEST_SKIP() << (name) << " is not installed (tools/peers)"

#define EXPECT_DONE(outcome) EXPECT_EQ((outcome).code, 0) << ::transship::e2e::shown(outcome)
#define ASSERT_DONE(outcome) ASSERT_EQ((outcome).code, 0) << ::transship::e2e::shown(outcome)
