// Hosts that cannot be reached, cannot be trusted, or do not let one in.
#include <gmock/gmock.h>
#include <sys/socket.h>

#include <csignal>

#include "e2e/bad_registry.h"
#include "e2e/harness.h"
#include "support/http/certificates.h"
#include "support/http/nginx.h"
#include "support/process/own_network.h"

namespace transship::e2e {
namespace {

using test::Certificate;
using test::Nginx;
using ::testing::HasSubstr;
using ::testing::Not;
using Answer = std::optional<std::string>;

// Servers with certificates of several kinds behind one nginx.
class BadTls : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!Nginx::installed()) GTEST_SKIP() << "nginx is not installed";
    const auto ca = Certificate::make({.common_name = "test ca", .is_ca = true});
    ca_ = nginx_.write("ca.pem", ca.pem());
    std::string servers;
    good_ = add(servers, "good", Certificate::make({.names = "IP:127.0.0.1"}, &ca));
    expired_ = add(servers, "expired",
                   Certificate::make({.names = "IP:127.0.0.1", .valid_to = -3600}, &ca));
    other_ = add(servers, "other", Certificate::make({.names = "DNS:other.example"}, &ca));
    nginx_.start(servers);
  }

  std::string add(std::string& servers, const std::string& name, const Certificate& certificate) {
    const std::string address = "127.0.0.1:" + std::to_string(nginx_.add_port());
    servers += "server { listen " + address + " ssl; ssl_certificate " +
               nginx_.write(name + ".pem", certificate.pem()) + "; ssl_certificate_key " +
               nginx_.write(name + ".key", certificate.key_pem()) + "; }\n";
    return address;
  }

  void expect_refused(const std::string& host, const std::vector<std::string>& options,
                      const std::vector<std::string>& says) {
    std::vector<std::string> arguments = {"inspect", host + "/app:1.0"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    const Outcome outcome = transship(arguments);
    EXPECT_EQ(outcome.code, 1) << shown(outcome);
    for (const auto& text : says) EXPECT_THAT(outcome.err, HasSubstr(text));
    EXPECT_THAT(outcome.err, HasSubstr(host));
  }

  Nginx nginx_;
  std::string ca_, good_, expired_, other_;
};

TEST_F(BadTls, IsNamedWithWhatHelps) {
  expect_refused(good_, {}, {"unknown authority", "--ca"});
  expect_refused(expired_, {"--ca", ca_}, {"expired"});
  expect_refused(other_, {"--ca", ca_}, {"another host name"});
  expect_refused(good_, {"--plain-http", good_}, {"TLS", "--plain-http"});
  expect_refused(good_, {"--ca", nginx_.write("no.pem", "no certificate")}, {"no.pem"});
}

TEST(BadCredentials, AWrongPasswordIsSaidAndNotShown) {
  BadRegistry source(test::make_image({}), [](const Asked&) -> Answer {
    return BadRegistry::answer("401 U", "WWW-Authenticate: Basic realm=\"r\"\r\n");
  });
  const Home home;
  home.store_login(source.host(), "robot", "canarypassword");
  const Outcome outcome = transship(
      {"inspect", source.host() + "/app:1.0", "--plain-http", source.host(), "-v", "-v"}, home);
  EXPECT_EQ(outcome.code, 1) << shown(outcome);
  EXPECT_THAT(outcome.err, HasSubstr("401"));
  EXPECT_THAT(outcome.err, HasSubstr("transship login " + source.host()));
  EXPECT_THAT(shown(outcome), Not(HasSubstr("canary")));
  EXPECT_THAT(shown(outcome), Not(HasSubstr("cm9ib3Q6")));  // "robot:" in base64.
}

TEST(BadCredentials, ALoginThatIsRefusedStoresNothing) {
  BadRegistry source({}, [](const Asked&) -> Answer {
    return BadRegistry::answer("401 U", "WWW-Authenticate: Basic realm=\"r\"\r\n");
  });
  const Home home;
  const Outcome outcome = transship(
      {"login", source.host(), "-u", "robot", "--password-stdin", "--plain-http", source.host()},
      home, std::chrono::seconds(60), "canarypassword\n");
  EXPECT_EQ(outcome.code, 1) << shown(outcome);
  EXPECT_THAT(outcome.err, HasSubstr("401"));
  EXPECT_THAT(shown(outcome), Not(HasSubstr("canary")));
  EXPECT_FALSE(std::filesystem::exists(home.directory() / "docker/config.json"));
}

TEST(BadCredentials, ATokenServerThatIsAWebPage) {
  BadRegistry source(test::make_image({}), [](const Asked& a) -> Answer {
    if (a.path() == "/login") {
      return BadRegistry::answer("200 OK", "Content-Type: text/html\r\n", "<html>Log in</html>");
    }
    const auto at = a.head.find("Host: ") + 6;
    return BadRegistry::answer("401 U", "WWW-Authenticate: Bearer realm=\"http://" +
                                            a.head.substr(at, a.head.find("\r\n", at) - at) +
                                            "/login\"\r\n");
  });
  const Outcome outcome =
      transship({"inspect", source.host() + "/app:1.0", "--plain-http", source.host()});
  EXPECT_EQ(outcome.code, 1) << shown(outcome);
  EXPECT_THAT(outcome.err, HasSubstr("token"));
  EXPECT_THAT(outcome.err, HasSubstr("HTML"));
}

constexpr int kLate = 78;

// The exit code of a command that gets `number` once its question has reached the name server.
int interrupted_by(int number, const std::vector<std::string>& arguments) {
  const int server = test::enter_silence();
  if (server < 0) return test::kCannot;
  const Home home;
  std::vector<std::string> argv = {program()};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  Process copy({.argv = argv,
                .environment = home.environment(),
                .output = home.directory() / "out",
                .errors = home.directory() / "err"});
  char question[512];
  if (::recv(server, question, sizeof question, 0) <= 0) return test::kCannot;
  const auto begin = std::chrono::steady_clock::now();
  copy.signal(number);
  const int code = copy.wait(std::chrono::seconds(10)).value_or(kLate);
  return std::chrono::steady_clock::now() - begin < std::chrono::seconds(2) ? code : kLate;
}

TEST(BadNameServer, ADeadOneHoldsNoSignalUp) {
  const TempDir files;
  const std::string jobs = files.write("jobs.toml",
                                       "[[job]]\nname = \"j\"\nsource = \"registry.example\"\n"
                                       "targets = [\"mirror.example\"]\n");
  const std::vector<std::vector<std::string>> commands = {
      {"copy", "registry.example/a:1", "registry.example/b:1"},
      {"sync", "-c", jobs},
      {"plan", "-c", jobs}};
  for (const auto& command : commands) {
    for (const int number : {SIGINT, SIGTERM}) {
      SCOPED_TRACE(command[0]);
      const int code = test::ends_with([&] { return interrupted_by(number, command); });
      if (code == test::kCannot) GTEST_SKIP() << "no network namespace may be made here";
      EXPECT_EQ(code, 128 + number);
    }
  }
}

}  // namespace
}  // namespace transship::e2e
