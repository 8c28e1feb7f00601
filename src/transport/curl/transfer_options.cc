// How a request becomes options of a curl handle.
#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "base/text.h"
#include "transport/curl/transfer.h"
#include "transport/curl/transfer_callbacks.h"

namespace transship::transport {

namespace {

constexpr std::uint64_t kSmallestBuffer = 16ULL << 10U;
constexpr std::uint64_t kUnknownBuffer = 64ULL << 10U;

long buffer_for(std::uint64_t bytes) {
  const std::uint64_t fitting = std::bit_ceil(std::min<std::uint64_t>(bytes, kLargestBodyBuffer));
  return static_cast<long>(std::max(fitting, kSmallestBuffer));
}

bool breaks_lines(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos;
}

template <class T>
void set(void* easy, CURLoption option, T value) {
  curl_easy_setopt(easy, option, value);
}

void set_file(void* easy, CURLoption option, const std::string& file) {
  if (!file.empty()) set(easy, option, file.c_str());
}

}  // namespace

Result<void> Transfer::attach(void* handle, void* share, Wakers wakers) {
  easy = handle;
  wakers_ = std::move(wakers);
  set(easy, CURLOPT_SHARE, share);
  set_basics();
  set_method();
  set_buffers();
  set_tls();
  set_callbacks();
  TS_TRY(set_headers());
  set_wakers();
  return {};
}

void Transfer::set_basics() {
  set(easy, CURLOPT_PRIVATE, this);
  set(easy, CURLOPT_ERRORBUFFER, curl_text_.data());
  set(easy, CURLOPT_URL, spec_.url.to_string().c_str());
  set(easy, CURLOPT_PATH_AS_IS, 1L);
  set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  set(easy, CURLOPT_NOSIGNAL, 1L);
  set(easy, CURLOPT_QUICK_EXIT, 1L);
  set(easy, CURLOPT_TCP_NODELAY, 1L);
  set(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  set(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(easy, CURLOPT_USERAGENT, options_.user_agent.c_str());
  set(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options_.connect_timeout.count()));
  set(easy, CURLOPT_HTTP_VERSION,
      static_cast<long>(spec_.http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
  if (spec_.http2) set(easy, CURLOPT_PIPEWAIT, 1L);
  // The choice is made in proxy.h: curl's own would not tell us what it chose.
  set(easy, CURLOPT_PROXY, spec_.proxy.c_str());
  set(easy, CURLOPT_NOPROXY, "");
}

void Transfer::set_method() {
  const Request& request = *spec_.request;
  const bool can_carry = request.method == Method::kPost || request.method == Method::kPut ||
                         request.method == Method::kPatch;
  if (request.method == Method::kHead) {
    set(easy, CURLOPT_NOBODY, 1L);
  } else if (request.source != nullptr ||
             (request.method == Method::kPatch && !request.body.empty())) {
    // Read by callback, curl cannot rewind it: a PATCH is never repeated behind our back.
    set(easy, CURLOPT_UPLOAD, 1L);
    set(easy, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(upload_size()));
  } else if (can_carry || !request.body.empty()) {
    set(easy, CURLOPT_POST, 1L);
    set(easy, CURLOPT_POSTFIELDS, request.body.c_str());
    set(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    // A small body is not held up; those after it are.
    if (spec_.bandwidth != nullptr) {
      (void)spec_.bandwidth->up.reserve(request.body.size(), Clock::now());
    }
  }
  if (request.method != Method::kGet && request.method != Method::kHead) {
    set(easy, CURLOPT_CUSTOMREQUEST, std::string(to_string(request.method)).c_str());
  }
}

void Transfer::set_buffers() {
  const Request& request = *spec_.request;
  const bool unknown = request.sink != nullptr && request.expected_bytes == 0;
  // A buffer is what is moved at once: under a limit, a piece.
  const std::uint64_t most =
      spec_.bandwidth == nullptr ? kLargestBodyBuffer : spec_.bandwidth->up.piece();
  const std::uint64_t in = request.source != nullptr ? 0
                           : unknown                 ? kUnknownBuffer
                                                     : request.expected_bytes;
  set(easy, CURLOPT_BUFFERSIZE, buffer_for(std::min(in, most)));
  set(easy, CURLOPT_UPLOAD_BUFFERSIZE, buffer_for(std::min(upload_size(), most)));
}

void Transfer::set_tls() {
  if (spec_.url.scheme != "https") return;
  const TlsMaterial& tls = spec_.tls;
  if (!tls.ca_pem.empty()) {
    curl_blob blob{const_cast<char*>(tls.ca_pem.data()), tls.ca_pem.size(), CURL_BLOB_NOCOPY};
    set(easy, CURLOPT_CAINFO_BLOB, &blob);
  } else if (!tls.ca_file.empty()) {
    set(easy, CURLOPT_CAINFO, tls.ca_file.c_str());
  } else {
    // Without a directory of CAs curl parses the system's bundle once, not per connection.
    set(easy, CURLOPT_CAPATH, static_cast<char*>(nullptr));
  }
  set_file(easy, CURLOPT_SSLCERT, tls.cert_file);
  set_file(easy, CURLOPT_SSLKEY, tls.key_file.empty() ? tls.cert_file : tls.key_file);
  set(easy, CURLOPT_SSLVERSION,
      static_cast<long>(tls.min_version == TlsVersion::k13 ? CURL_SSLVERSION_TLSv1_3
                                                           : CURL_SSLVERSION_TLSv1_2));
}

void Transfer::set_callbacks() {
  set(easy, CURLOPT_HEADERFUNCTION, &TransferCallbacks::on_header);
  set(easy, CURLOPT_HEADERDATA, this);
  set(easy, CURLOPT_WRITEFUNCTION, &TransferCallbacks::on_body);
  set(easy, CURLOPT_WRITEDATA, this);
  set(easy, CURLOPT_READFUNCTION, &TransferCallbacks::on_read);
  set(easy, CURLOPT_READDATA, this);
  set(easy, CURLOPT_OPENSOCKETFUNCTION, &TransferCallbacks::on_open_socket);
  set(easy, CURLOPT_OPENSOCKETDATA, this);
  set(easy, CURLOPT_SOCKOPTFUNCTION, &TransferCallbacks::on_socket_options);
  set(easy, CURLOPT_SOCKOPTDATA, this);
  set(easy, CURLOPT_PREREQFUNCTION, &TransferCallbacks::on_connected);
  set(easy, CURLOPT_PREREQDATA, this);
}

Result<void> Transfer::set_headers() {
  curl_slist* list = curl_slist_append(nullptr, "Expect:");
  if (!spec_.headers.find("Content-Type")) list = curl_slist_append(list, "Content-Type:");
  header_list_ = list;
  for (const auto& [name, value] : spec_.headers.all()) {
    if (breaks_lines(name) || breaks_lines(value) || name.find(':') != std::string::npos) {
      return fail(Errc::kInvalidArgument,
                  fmt::format("header field {}: control bytes", printable(name)));
    }
    const std::string line = value.empty() ? name + ";" : fmt::format("{}: {}", name, value);
    header_list_ = curl_slist_append(static_cast<curl_slist*>(header_list_), line.c_str());
  }
  set(easy, CURLOPT_HTTPHEADER, static_cast<curl_slist*>(header_list_));
  return {};
}

}  // namespace transship::transport
