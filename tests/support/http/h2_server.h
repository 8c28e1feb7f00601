#pragma once

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "support/http/certificates.h"
#include "support/http/raw_server.h"

namespace transship::test {

/// One HTTP/2 connection of an H2Server: frames by hand (RFC 9113), blocking.
class H2Connection {
 public:
  enum class Type : std::uint8_t {
    kData = 0,
    kHeaders = 1,
    kReset = 3,
    kSettings = 4,
    kPing = 6,
    kGoAway = 7
  };
  enum class Code : std::uint32_t { kNone = 0, kInternal = 2, kRefusedStream = 7, kCalmDown = 11 };

  /// `max_streams`: how many the client is told that it may have at once; 0: nothing is said.
  H2Connection(SSL_CTX* tls, int fd, std::uint32_t max_streams) : ssl_(SSL_new(tls)) {
    SSL_set_fd(ssl_.get(), fd);
    if (SSL_accept(ssl_.get()) != 1) return;
    constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    constexpr std::uint32_t kMaxConcurrentStreams = 3;
    const std::string limit =
        max_streams == 0 ? "" : bytes_of(kMaxConcurrentStreams, 2) + bytes_of(max_streams);
    if (read(kPreface.size()) == kPreface) write(Type::kSettings, 0, 0, limit);
  }

  /// The stream of the next request; nothing when the client has gone. Its headers are not looked
  /// at: a test knows what it asks.
  std::optional<std::uint32_t> next_request() {
    for (;;) {
      const std::string head = read(9);
      if (head.size() < 9) return std::nullopt;
      const std::string payload = read(number(head, 0, 3));
      const auto type = static_cast<Type>(head[3]);
      const bool ack = (head[4] & 1) != 0;
      if (type == Type::kSettings && !ack) write(Type::kSettings, 1, 0, "");
      if (type == Type::kPing && !ack) write(Type::kPing, 1, 0, payload);
      if (type == Type::kHeaders) return number(head, 5, 4) & 0x7fffffffU;
    }
  }

  /// 200 with `body`.
  void respond(std::uint32_t stream, std::string_view body) {
    constexpr std::string_view kStatus200 = "\x88";  // RFC 7541, the static table's entry 8.
    write(Type::kHeaders, 4, stream, kStatus200);
    write(Type::kData, 1, stream, body);
  }
  void reset(std::uint32_t stream, Code code) {
    write(Type::kReset, 0, stream, bytes_of(static_cast<std::uint32_t>(code)));
  }
  /// Streams above `last` were not looked at.
  void go_away(std::uint32_t last, Code code) {
    write(Type::kGoAway, 0, 0, bytes_of(last) + bytes_of(static_cast<std::uint32_t>(code)));
  }

 private:
  struct FreeSsl {
    void operator()(SSL* ssl) const {
      SSL_shutdown(ssl);
      SSL_free(ssl);
    }
  };

  static std::uint32_t number(std::string_view bytes, std::size_t at, std::size_t size) {
    std::uint32_t out = 0;
    for (const char byte : bytes.substr(at, size))
      out = out << 8U | static_cast<unsigned char>(byte);
    return out;
  }
  static std::string bytes_of(std::uint32_t value, unsigned size = 4) {
    std::string out;
    while (size-- > 0) out += static_cast<char>(value >> (8U * size) & 0xffU);
    return out;
  }

  void write(Type type, unsigned flags, std::uint32_t stream, std::string_view payload) {
    const std::string frame = bytes_of(static_cast<std::uint32_t>(payload.size()), 3) +
                              static_cast<char>(type) + static_cast<char>(flags) +
                              bytes_of(stream) + std::string(payload);
    SSL_write(ssl_.get(), frame.data(), static_cast<int>(frame.size()));
  }
  std::string read(std::size_t bytes) {
    std::string out(bytes, '\0');
    std::size_t got = 0;
    while (got < bytes) {
      const int n = SSL_read(ssl_.get(), out.data() + got, static_cast<int>(bytes - got));
      if (n <= 0) break;
      got += static_cast<std::size_t>(n);
    }
    out.resize(got);
    return out;
  }

  std::unique_ptr<SSL, FreeSsl> ssl_;
};

/// A TLS server that speaks nothing but HTTP/2, as its script says: once per connection, told its
/// number from 0 on.
class H2Server {
 public:
  using Script = std::function<void(H2Connection&, int)>;

  H2Server(const Certificate& certificate, Script script, std::uint32_t max_streams = 0)
      : tls_(SSL_CTX_new(TLS_server_method()), SSL_CTX_free),
        script_(std::move(script)),
        max_streams_(max_streams),
        server_([this](RawConnection& c) { serve(c); }) {
    // A client that goes while OpenSSL writes to it would end the test's process.
    std::signal(SIGPIPE, SIG_IGN);
    const auto bio = [](const std::string& text) {
      return std::unique_ptr<BIO, int (*)(BIO*)>(
          BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), BIO_free);
    };
    const std::string cert = certificate.pem(), key = certificate.key_pem();
    const std::unique_ptr<X509, void (*)(X509*)> x509(
        PEM_read_bio_X509(bio(cert).get(), nullptr, nullptr, nullptr), X509_free);
    const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> pkey(
        PEM_read_bio_PrivateKey(bio(key).get(), nullptr, nullptr, nullptr), EVP_PKEY_free);
    SSL_CTX_use_certificate(tls_.get(), x509.get());
    SSL_CTX_use_PrivateKey(tls_.get(), pkey.get());
    SSL_CTX_set_alpn_select_cb(tls_.get(), choose_h2, nullptr);
  }

  std::string url(std::string_view target = "/") const {
    return "https://" + server_.host() + std::string(target);
  }
  int connections() const { return server_.connections(); }

 private:
  static int choose_h2(SSL*, const unsigned char** out, unsigned char* size, const unsigned char*,
                       unsigned, void*) {
    static constexpr std::array<unsigned char, 2> kH2 = {'h', '2'};
    *out = kH2.data();
    *size = kH2.size();
    return SSL_TLSEXT_ERR_OK;
  }

  void serve(RawConnection& raw) {
    H2Connection connection(tls_.get(), raw.fd(), max_streams_);
    script_(connection, next_++);
  }

  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> tls_;
  Script script_;
  std::uint32_t max_streams_;
  std::atomic<int> next_{0};
  RawServer server_;  // Last: its threads use what stands above.
};

}  // namespace transship::test
