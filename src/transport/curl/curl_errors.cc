#include "transport/curl/curl_errors.h"

#include <curl/curl.h>
#include <fmt/format.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <system_error>

#include "base/text.h"
#include "transport/curl/curl_client.h"
#include "transport/curl/host_rules.h"

namespace transship::transport {

namespace {

constexpr std::string_view kNoTls = "the server answers plain HTTP, not TLS";

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

Error make(Errc code, std::string message, bool retryable, std::string hint = {}) {
  Error error{.code = code, .message = std::move(message), .retryable = retryable};
  error.hint = std::move(hint);
  return error;
}

Error connect_error(const CurlFailure& f) {
  std::string why = f.os_errno != 0 ? std::system_category().message(static_cast<int>(f.os_errno))
                                    : printable(f.text);
  why = to_lower(why.substr(0, 1)) + why.substr(std::min<std::size_t>(1, why.size()));
  // Refused by a host that never answered: a wrong port, most likely. Later it is a restart.
  const bool retryable = f.known_host || f.os_errno != ECONNREFUSED;
  return make(Errc::kConnect, fmt::format("connect to {}: {}", host_port(*f.url), why), retryable,
              "check host and port, and that the registry runs there");
}

Error certificate_error(const CurlFailure& f) {
  const std::string host = host_port(*f.url);
  switch (f.verify_result) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return make(Errc::kTls, fmt::format("TLS with {}: the certificate has expired", host), false,
                  "renew the server's certificate, or check this machine's clock");
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return make(Errc::kTls, fmt::format("TLS with {}: the certificate is not valid yet", host),
                  false, "check this machine's clock");
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_UNTRUSTED:
      return make(
          Errc::kTls, fmt::format("TLS with {}: unknown authority", host), false,
          fmt::format("pass its CA with --ca FILE or registry.\"{0}\".tls.ca, or put it into "
                      "certs.d/{0}/ca.crt",
                      f.url->authority()));
    default:
      break;
  }
  if (has(f.text, "subject name") || has(f.text, "SSL: certificate subject")) {
    return make(Errc::kTls,
                fmt::format("TLS with {}: the certificate is for another host name", host), false,
                "use a name that the certificate holds");
  }
  return make(Errc::kTls, fmt::format("TLS with {}: {}", host, printable(f.text)), false);
}

Error handshake_error(const CurlFailure& f) {
  const std::string host = host_port(*f.url);
  if (has(f.text, "wrong version number") || has(f.text, "packet length too long") ||
      has(f.text, "http request") || has(f.text, "record layer failure")) {
    return no_tls_error(*f.url);
  }
  if (has(f.text, "alert") && has(f.text, "certificate")) {
    return make(
        Errc::kTls,
        fmt::format("TLS with {}: the server refuses our client certificate, or misses one", host),
        false,
        fmt::format("pass one with --cert FILE and --key FILE, or tls.cert and tls.key of "
                    "registry.\"{}\"",
                    f.url->authority()));
  }
  // A peer that goes away in the handshake may be restarting: a passing fault of the network.
  if (has(f.text, "SSL_ERROR_SYSCALL") || has(f.text, "unexpected eof") ||
      has(f.text, "Connection reset") || has(f.text, "Broken pipe")) {
    return make(Errc::kNetwork, fmt::format("TLS with {}: closed in the handshake", host), true);
  }
  return make(Errc::kTls, fmt::format("TLS with {}: {}", host, printable(redact(f.text))), false);
}

Error resolve_error(const CurlFailure& f) {
  return make(Errc::kResolve, fmt::format("resolve {}: no address found", f.url->host),
              f.known_host, "check the host name and this machine's name server");
}

// An alert record of TLS, most likely; curl does not show the bytes.
Error no_http_error(const Url& url) {
  return make(Errc::kTls,
              fmt::format("plain HTTP with {}: the answer is not HTTP; a server that answers TLS "
                          "does so",
                          host_port(url)),
              false,
              fmt::format("use TLS: without --plain-http {0}, and without tls.mode = \"off\" of "
                          "registry.\"{0}\"; or check the port",
                          url.authority()));
}

Error network_error(const CurlFailure& f, std::string_view why) {
  return make(Errc::kNetwork, fmt::format("{}: {}", f.what, why), true);
}

}  // namespace

Error curl_error(const CurlFailure& f) {
  switch (f.code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      return resolve_error(f);
    case CURLE_COULDNT_RESOLVE_PROXY:
      return make(Errc::kResolve, "resolve the proxy: no address found", f.known_host,
                  "check HTTPS_PROXY, HTTP_PROXY and NO_PROXY");
    case CURLE_COULDNT_CONNECT:
      return connect_error(f);
    case CURLE_OPERATION_TIMEDOUT:
      return make(Errc::kTimeout, fmt::format("connect to {}: timed out", host_port(*f.url)), true);
    case CURLE_PEER_FAILED_VERIFICATION:
      return certificate_error(f);
    case CURLE_SSL_CONNECT_ERROR:
      return handshake_error(f);
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_SSL_ENGINE_SETFAILED:
      return make(Errc::kTls, fmt::format("TLS with {}: {}", host_port(*f.url), printable(f.text)),
                  false, "check the files given as CA, certificate and key");
    case CURLE_UNSUPPORTED_PROTOCOL:
      if (f.url->scheme == "http") return no_http_error(*f.url);
      return network_error(f, "the answer is not HTTP");
    case CURLE_RECV_ERROR:
      if (has(f.text, "alert") && has(f.text, "certificate")) return handshake_error(f);
      if (f.proxied && has(f.text, "CONNECT")) {
        return make(
            Errc::kConnect,
            fmt::format("connect to {}: {}", host_port(*f.url), to_lower(printable(f.text))), false,
            "check the proxy and its credentials in HTTPS_PROXY");
      }
      return network_error(f, "connection broken");
    case CURLE_SEND_ERROR:
      return network_error(f, "connection broken while sending");
    case CURLE_GOT_NOTHING:
      return network_error(f, "connection closed without an answer");
    case CURLE_PARTIAL_FILE:
      return network_error(f, "body cut short");
    case CURLE_SEND_FAIL_REWIND:
      return network_error(f, "an idle connection was closed");
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
      return network_error(f, fmt::format("HTTP/2: {}", printable(redact(f.text))));
    case CURLE_WEIRD_SERVER_REPLY:
      return network_error(f, "the answer is not HTTP");
    case CURLE_OUT_OF_MEMORY:  // What curl 7.88 says of a header line above its limit.
      return make(Errc::kTooLarge, fmt::format("{}: a header line beyond any limit", f.what),
                  false);
    default:
      return make(Errc::kNetwork,
                  fmt::format("{}: {}", f.what,
                              f.text.empty() ? curl_easy_strerror(static_cast<CURLcode>(f.code))
                                             : printable(redact(f.text))),
                  true);
  }
}

Error no_tls_error(const Url& url) {
  return make(Errc::kTls, fmt::format("TLS with {}: {}", host_port(url), kNoTls), false,
              fmt::format("if that is meant, pass --plain-http {0}, or tls.mode = \"off\" of "
                          "registry.\"{0}\"",
                          url.authority()));
}

bool wants_tls(std::string_view body) {
  return has(body, "HTTP request to an HTTPS server") ||
         has(body, "plain HTTP request was sent to HTTPS port") ||
         has(body, "speaking plain HTTP to an SSL-enabled server port");
}

Error wants_tls_error(const Url& url) {
  return make(
      Errc::kTls,
      fmt::format("plain HTTP with {}: the server answers TLS, not plain HTTP", host_port(url)),
      false,
      fmt::format("use TLS: without --plain-http {0}, and without tls.mode = \"off\" of "
                  "registry.\"{0}\"",
                  url.authority()));
}

bool answered_plain_http(const Error& error) {
  return error.code == Errc::kTls && has(error.message, kNoTls);
}

}  // namespace transship::transport
