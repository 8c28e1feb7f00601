#include "support/process/registries.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <sstream>
#include <stdexcept>

namespace transship::test {

namespace {

bool accepts(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool ok = ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return ok;
}

std::optional<std::string> program(DistributionRegistry::Version version) {
  return find_program(version == DistributionRegistry::Version::k28 ? "docker-registry"
                                                                    : "registry");
}

}  // namespace

void wait_until_answers(Process& process, std::uint16_t port, bool tls, const std::string& what) {
  bool ended = false;
  const bool answers = eventually([&] {
    ended = !process.running();
    return ended || (tls ? accepts(port) : RawHttp(port).get("/v2/").status != 0);
  });
  if (ended) throw std::runtime_error(what + " ended at its start");
  if (!answers) throw std::runtime_error(what + " does not answer");
}

bool DistributionRegistry::installed(Version version) { return program(version).has_value(); }

DistributionRegistry::DistributionRegistry(Version version, RegistrySpec spec)
    : version_(version), spec_(std::move(spec)) {
  if (!spec_.htpasswd.empty()) directory_.write("htpasswd", spec_.htpasswd + "\n");
  if (spec_.token) directory_.write("root.pem", spec_.token->root_pem);
  if (!spec_.tls_cert_pem.empty()) {
    directory_.write("cert.pem", spec_.tls_cert_pem);
    directory_.write("key.pem", spec_.tls_key_pem);
  }
  directory_.write("config.yml", configuration());
  start();
}

std::string DistributionRegistry::name() const {
  return version_ == Version::k28 ? "docker-registry 2.8" : "distribution v3";
}

std::string DistributionRegistry::configuration() const {
  const std::string d = directory_.path().string();
  std::ostringstream out;
  out << "version: 0.1\nlog: {level: warn, accesslog: {disabled: false}}\n"
      << "storage:\n  filesystem: {rootdirectory: " << d << "/data}\n  delete: {enabled: true}\n"
      << "  maintenance:\n    uploadpurging: {enabled: false}\n    readonly: {enabled: "
      << (spec_.read_only ? "true" : "false") << "}\n"
      << "http:\n  addr: " << port_.host() << "\n  secret: for-tests\n";
  if (!spec_.tls_cert_pem.empty()) {
    out << "  tls: {certificate: " << d << "/cert.pem, key: " << d << "/key.pem}\n";
  }
  if (!spec_.htpasswd.empty()) {
    out << "auth:\n  htpasswd: {realm: test, path: " << d << "/htpasswd}\n";
  }
  if (spec_.token) {
    out << "auth:\n  token:\n    realm: " << spec_.token->realm
        << "\n    service: " << spec_.token->service << "\n    issuer: " << spec_.token->issuer
        << "\n    rootcertbundle: " << d << "/root.pem\n";
  }
  return out.str();
}

void DistributionRegistry::start() {
  const auto path = program(version_);
  if (!path) throw std::runtime_error(name() + " is not installed");
  process_ = std::make_unique<Process>(
      Process::Spec{.argv = {*path, "serve", (directory_ / "config.yml").string()},
                    .environment = {{"OTEL_TRACES_EXPORTER", "none"}},
                    .directory = directory_.path(),
                    .input = {},
                    .output = directory_ / "access.log",
                    .errors = directory_ / "errors.log"});
  wait_until_answers(*process_, port(), !spec_.tls_cert_pem.empty(), name());
}

RequestLog DistributionRegistry::log() {
  static std::atomic<int> turn{0};
  const std::string mark = "/v2/?log-mark=" + std::to_string(++turn);
  if (process_->running() && spec_.tls_cert_pem.empty()) {
    http().get(mark);
    eventually([&] { return directory_.read("access.log").find(mark) != std::string::npos; });
  }
  std::vector<LoggedRequest> asked;
  for (const auto& request : RequestLog::parse_combined(directory_.read("access.log")).all()) {
    // Ours: the wait at the start, the marks, and what tests send to check.
    if (!request.agent.empty()) asked.push_back(request);
  }
  return RequestLog(std::move(asked));
}

std::string htpasswd_line(const std::string& user, const std::string& password) {
  const auto path = find_program("htpasswd");
  if (!path) throw std::runtime_error("htpasswd is not installed (apache2-utils)");
  std::string line = run({*path, "-nbB", "-C", "4", user, password}).out;
  while (!line.empty() && line.back() == '\n') line.pop_back();
  return line;
}

}  // namespace transship::test
