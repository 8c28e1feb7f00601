#pragma once

#include <string_view>

#include "base/error.h"
#include "transport/url.h"

namespace transship::transport {

/// A failed curl transfer.
struct CurlFailure {
  int code = 0;            ///< A CURLcode.
  long os_errno = 0;       ///< Of a failed connect; 0: none.
  long verify_result = 0;  ///< X509_V_ERR_*.
  std::string_view text;   ///< curl's own words.
  const Url* url = nullptr;
  std::string_view what;    ///< "GET https://host/path", without secrets.
  bool known_host = false;  ///< It has answered before: a failure to reach it may pass.
  bool proxied = false;
};

/// The error a curl code means, with its message, its hint and whether to try again.
Error curl_error(const CurlFailure& failure);

/// The error that `answered_plain_http` knows: TLS was tried, and the server answered without.
Error no_tls_error(const Url& url);

/// A 400 by which a server says that its port wants TLS, as the error of that.
bool wants_tls(std::string_view body);
Error wants_tls_error(const Url& url);

}  // namespace transship::transport
