// Stopped from outside: exit codes, in time, with nothing half done.
#include <gmock/gmock.h>

#include <csignal>

#include "e2e/fake_registry.h"

namespace transship::e2e {
namespace {

class Signals : public ::testing::TestWithParam<int> {};

TEST_P(Signals, EndACopyWithinTwoSecondsAndMoveNoTag) {
  // Gives half of each layer and then nothing more, until the client has gone.
  FakeRegistry source([](const FakeRegistry::Request& request, test::RawConnection& connection) {
    if (request.target.find("/blobs/") == std::string::npos) return false;
    connection.write("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" +
                     std::string(50'000, 'x'));
    connection.read_to_end();
    return true;
  });
  Served target;
  source.put(test::make_image({.layers = 4, .layer_bytes = 100'000}));
  const Home home;
  const TempDir output;
  Process copy({.argv = {program(), "copy", source.host() + "/app:1.0", target.host() + "/app:1.0"},
                .environment = home.environment(),
                .output = output / "out",
                .errors = output / "err"});
  ASSERT_TRUE(test::eventually([&] {
    const auto seen = source.requests();
    return std::ranges::any_of(seen, [](const auto& line) { return line.contains("/blobs/"); });
  }));
  const auto begin = std::chrono::steady_clock::now();
  copy.signal(GetParam());
  EXPECT_EQ(copy.wait(std::chrono::seconds(10)), 128 + GetParam()) << output.read("err");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
  EXPECT_FALSE(has_tag(target.http(), "app", "1.0"));
}

TEST_P(Signals, EndServeAfterWhatItAcknowledged) {
  Served served;
  const auto image = test::make_image({});
  push(served.http(), "app", image);
  served.process().signal(GetParam());
  EXPECT_EQ(served.process().wait(std::chrono::seconds(10)), 128 + GetParam()) << served.printed();
  EXPECT_DONE(transship({"inspect", "oci:" + served.root() + "/app:1.0"}));
}

INSTANTIATE_TEST_SUITE_P(Kinds, Signals, ::testing::Values(SIGINT, SIGTERM),
                         [](const auto& info) { return info.param == SIGINT ? "Int" : "Term"; });

}  // namespace
}  // namespace transship::e2e
