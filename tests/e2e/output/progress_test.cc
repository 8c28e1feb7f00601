// Progress of a copy: drawn over itself on a terminal, plain lines elsewhere.
#include <gmock/gmock.h>

#include <csignal>

#include "e2e/stalling_source.h"
#include "e2e/sync/slow_line.h"
#include "e2e/typist.h"

namespace transship::e2e {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

/// An image, and a target behind a line that takes some seconds for it.
class Progress : public ::testing::Test {
 protected:
  void SetUp() override { push(source_.http(), "app", image_); }
  std::vector<std::string> copy() const {
    return {program(), "copy", source_.host() + "/app:1.0", line_.host() + "/app:1.0"};
  }

  const TestContent image_ = test::make_image({.layers = 2, .layer_bytes = 12'000'000});
  Served source_, target_;
  SlowLine line_{target_.port(), 8'000'000};
};

TEST_F(Progress, OnATerminalEachBlobHasALineThatIsDrawnAgain) {
  Home home;
  home.set("TERM", "xterm");
  Typist at(copy(), home);
  ASSERT_TRUE(at.shows("ended with 0")) << at.seen();
  EXPECT_THAT(at.seen(), ContainsRegex("\x1b\\[[0-9]+F\x1b\\[J")) << "drawn over itself";
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_THAT(at.seen(), HasSubstr(test::sha256_of(image_.blobs[i]).substr(0, 19)));
  }
  EXPECT_THAT(at.seen(),
              ContainsRegex("[0-9]/3 blobs, .*MiB of 22\\.9 MiB, .*iB/s, 00:0[0-9] left"));
  EXPECT_EQ(differences(target_.http(), "app", image_), "");
  // Nothing of it stays: the last that is drawn is the summary.
  const auto last = at.seen().rfind("\x1b[J");
  ASSERT_NE(last, std::string::npos);
  EXPECT_THAT(at.seen().substr(last), Not(HasSubstr(" left")));
  EXPECT_THAT(at.seen().substr(last), HasSubstr("sent"));
}

TEST_F(Progress, ADumbTerminalGetsPlainLines) {
  Home home;
  home.set("TERM", "dumb");
  Typist at(copy(), home);
  ASSERT_TRUE(at.shows("ended with 0")) << at.seen();
  EXPECT_THAT(at.seen(), Not(HasSubstr("\x1b")));
}

TEST_F(Progress, ElsewhereThereAreNoEscapeSequences) {
  auto arguments = copy();
  arguments.erase(arguments.begin());
  const Outcome done = transship(arguments);
  ASSERT_DONE(done);
  EXPECT_THAT(done.out + done.err, Not(HasSubstr("\x1b")));
  EXPECT_THAT(done.out + done.err, HasSubstr("sent"));
}

TEST(ComparisonProgress, TellsHowFarItIs) {
  const TestContent image = test::make_image({.layers = 1, .layer_bytes = 100'000});
  const Served source;
  push(source.http(), "app", image);
  StallingSource target(50'000);
  target.put(image);
  Home home;
  home.set("TERM", "xterm");
  Typist at({program(), "verify", "--deep", source.host() + "/app:1.0", target.host() + "/app:1.0"},
            home);
  ASSERT_TRUE(at.shows("KiB hashed")) << at.seen();
  EXPECT_THAT(at.seen(), ContainsRegex("0 of 1 artifacts compared, .*KiB hashed, 00:0"));
  at.signal(SIGINT);
  ASSERT_TRUE(at.shows("ended with 130")) << at.seen();
  const auto last = at.seen().rfind("\x1b[J");
  ASSERT_NE(last, std::string::npos);
  EXPECT_THAT(at.seen().substr(last), HasSubstr("interrupted"));
}

}  // namespace
}  // namespace transship::e2e
