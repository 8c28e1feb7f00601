#include "e2e/harness.h"

#include <atomic>
#include <stdexcept>

namespace transship::e2e {

std::string program() { return TS_PROGRAM; }

std::map<std::string, std::string> Home::environment() const {
  const std::string home = directory_.path().string();
  std::map<std::string, std::string> out = {{"HOME", home},
                                            {"DOCKER_CONFIG", home + "/docker"},
                                            {"XDG_STATE_HOME", home + "/state"},
                                            {"XDG_CONFIG_HOME", home + "/config"},
                                            {"XDG_RUNTIME_DIR", home + "/run"},
                                            {"REGISTRY_AUTH_FILE", home + "/docker/config.json"},
                                            {"NO_PROXY", "127.0.0.1,localhost"}};
  for (const char* proxy : {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"}) {
    out[proxy] = "";
  }
  for (const auto& [name, value] : more_) out[name] = value;
  return out;
}

void Home::store_login(const std::string& host, const std::string& user,
                       const std::string& password) const {
  static const std::string kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const std::string pair = user + ":" + password;
  std::string encoded;
  for (std::size_t i = 0; i < pair.size(); i += 3) {
    unsigned bits = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      bits = bits << 8U | (i + k < pair.size() ? static_cast<unsigned char>(pair[i + k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      encoded += i + k > pair.size() ? '=' : kAlphabet[bits >> (18 - 6 * k) & 63U];
    }
  }
  directory_.write("docker/config.json",
                   R"({"auths":{")" + host + R"(":{"auth":")" + encoded + R"("}}})");
}

Outcome transship(const std::vector<std::string>& arguments, const Home& home,
                  std::chrono::milliseconds limit, std::string input) {
  std::vector<std::string> argv = {program()};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  // No test waits two minutes for a registry that is meant to fail.
  if (!arguments.empty() && (arguments.front() == "copy" || arguments.front() == "sync")) {
    argv.insert(argv.end(), {"--give-up-after", "8s"});
  }
  return test::run(std::move(argv), home.environment(), limit, std::move(input));
}

Outcome tool(const std::string& name, const std::vector<std::string>& arguments, const Home& home) {
  const auto path = test::find_program(name);
  if (!path) throw std::runtime_error(name + " is not installed");
  std::vector<std::string> argv = {*path};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return test::run(std::move(argv), home.environment());
}

Served::Served(std::vector<std::string> more_arguments)
    : more_arguments_(std::move(more_arguments)) {
  start();
}

void Served::start(std::map<std::string, std::string> more_environment) {
  std::vector<std::string> argv = {program(),
                                   "serve",
                                   root(),
                                   "--listen",
                                   port_.host(),
                                   "--access-log",
                                   (directory_ / "access.log").string()};
  argv.insert(argv.end(), more_arguments_.begin(), more_arguments_.end());
  auto environment = home_.environment();
  environment.merge(more_environment);
  process_ = std::make_unique<Process>(Process::Spec{.argv = std::move(argv),
                                                     .environment = std::move(environment),
                                                     .directory = {},
                                                     .input = {},
                                                     .output = directory_ / "out",
                                                     .errors = directory_ / "err"});
  test::wait_until_answers(*process_, port(), true, "transship serve");
}

RequestLog Served::log() {
  static std::atomic<int> turn{0};
  const std::string mark = "/v2/?log-mark=" + std::to_string(++turn);
  if (process_->running()) {
    http().get(mark);
    test::eventually([&] { return directory_.read("access.log").find(mark) != std::string::npos; },
                     std::chrono::seconds(5));
  }
  std::vector<test::LoggedRequest> asked;
  for (const auto& request : RequestLog::parse_serve(directory_.read("access.log")).all()) {
    // The marks, and what tests send to check, name no agent.
    if (!request.agent.empty() && request.agent != "-") asked.push_back(request);
  }
  return RequestLog(std::move(asked));
}

}  // namespace transship::e2e
