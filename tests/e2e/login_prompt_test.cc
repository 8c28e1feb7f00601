// A password that is typed: what the terminal shows of it, and how it is given back.
#include <gmock/gmock.h>

#include <csignal>

#include "e2e/harness.h"
#include "e2e/typist.h"

namespace transship::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Nothing is asked of a registry before the password is there.
std::vector<std::string> login_anywhere() {
  return {program(), "login", "127.0.0.1:1", "-u", "robot"};
}

TEST(LoginPrompt, SignalsGiveTheTerminalBack) {
  const Home home;
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) {
    SCOPED_TRACE(number);
    Typist login(login_anywhere(), home);
    ASSERT_TRUE(login.shows("Password: ")) << login.seen();
    EXPECT_FALSE(login.echoes());
    login.signal(number);
    EXPECT_TRUE(login.shows("ended with " + std::to_string(128 + number))) << login.seen();
    EXPECT_TRUE(login.echoes());
  }
}

TEST(LoginPrompt, CtrlCLeavesNothingOfThePassword) {
  const Home home;
  Typist login(login_anywhere(), home);
  ASSERT_TRUE(login.shows("Password: ")) << login.seen();
  login.type("half a pass\x03");
  EXPECT_TRUE(login.shows("ended with 130")) << login.seen();
  EXPECT_TRUE(login.echoes());
  login.type("\n");
  EXPECT_TRUE(login.shows("left <>")) << login.seen();
  EXPECT_THAT(login.seen(), Not(HasSubstr("half")));
}

TEST(LoginPrompt, WhatIsTypedIsNotShownAndTheEchoComesBack) {
  TS_NEED("htpasswd");
  const TempDir files;
  files.write("users", test::htpasswd_line("robot", "secret") + "\n");
  const Served served({"--htpasswd", (files / "users").string()});
  const Home home;
  Typist login({program(), "login", served.host()}, home);
  ASSERT_TRUE(login.shows("Username: ")) << login.seen();
  EXPECT_TRUE(login.echoes());
  login.type("robot\n");
  ASSERT_TRUE(login.shows("Password: ")) << login.seen();
  login.type("secret\n");
  EXPECT_TRUE(login.shows("ended with 0")) << login.seen();
  EXPECT_THAT(login.seen(), HasSubstr("logged in to " + served.host()));
  EXPECT_TRUE(login.echoes());
  EXPECT_THAT(login.seen(), Not(HasSubstr("secret")));
}

}  // namespace
}  // namespace transship::e2e
