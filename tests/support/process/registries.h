#pragma once

#include <memory>
#include <optional>
#include <string>

#include "support/http/port.h"
#include "support/http/raw_http.h"
#include "support/http/request_log.h"
#include "support/process/process.h"
#include "support/process/temp_dir.h"

namespace transship::test {

/// What a real registry is started with.
struct RegistrySpec {
  std::string htpasswd{};  ///< Contents of the file ("user:bcrypt"); empty: no Basic auth.
  struct Token {
    std::string realm, service, issuer;
    std::string root_pem;  ///< The certificate that the issuer signs with.
  };
  std::optional<Token> token{};
  std::string tls_cert_pem{}, tls_key_pem{};  ///< Both or none.
  /// For uploads that must not be taken: storage that refuses writes.
  bool read_only = false;
};

/// A real registry as a process with a directory and a port of its own.
class RealRegistry {
 public:
  virtual ~RealRegistry() = default;

  virtual std::uint16_t port() const = 0;
  /// All that it has been asked until now. Asks once itself, to know that the log is up to date.
  virtual RequestLog log() = 0;
  virtual std::string name() const = 0;

  std::string host() const { return "127.0.0.1:" + std::to_string(port()); }
  RawHttp http(RawHttp::Headers fields = {}) const { return RawHttp(port(), std::move(fields)); }
};

/// Debian's docker-registry (2.8), or distribution v3: one configuration suits both.
class DistributionRegistry final : public RealRegistry {
 public:
  enum class Version { k28, k3 };

  static bool installed(Version version);
  /// Starts it and waits until it answers. Throws when it does not within 20 s.
  explicit DistributionRegistry(Version version, RegistrySpec spec = {});

  std::uint16_t port() const override { return port_.number(); }
  RequestLog log() override;
  std::string name() const override;

  void stop() { process_->stop(); }
  /// Again, with the same directory and port.
  void start();
  Process& process() { return *process_; }
  const TempDir& directory() const { return directory_; }

 private:
  std::string configuration() const;

  Version version_;
  RegistrySpec spec_;
  TempDir directory_;
  Port port_;
  std::unique_ptr<Process> process_;
};

/// "user:$2y$..." of a password, made by htpasswd at the lowest cost.
std::string htpasswd_line(const std::string& user, const std::string& password);

/// Waits until something answers HTTP at the port (with TLS: accepts connections); throws when
/// `process` ends first, or after 20 s.
void wait_until_answers(Process& process, std::uint16_t port, bool tls, const std::string& what);

}  // namespace transship::test
