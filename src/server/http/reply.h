#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "storage/file.h"

namespace transship::server {

/// What a request is answered with. The connection adds the status line, Date, Content-Length and
/// Connection; for HEAD it leaves the body out.
struct Reply {
  unsigned status = 200;
  std::string headers{};  ///< "Name: value\r\n" lines.
  std::string body{};
  std::shared_ptr<const std::string> shared_body{};  ///< In place of `body`: from the cache.
  storage::File file{};                              ///< In place of `body`: a range of a blob.
  std::uint64_t file_offset = 0, file_length = 0;
  bool close = false;  ///< The connection ends with this answer.

  std::uint64_t content_length() const;
  Reply& header(std::string_view name, std::string_view value) &;
  Reply&& header(std::string_view name, std::string_view value) &&;
};

/// The error body of the specification (protocol 1.10). `detail`: JSON text, or empty.
Reply error_reply(unsigned status, std::string_view code, std::string_view message,
                  std::string_view detail = {});

/// For failures below the handlers: kNoSpace is 507, what the client broke 400, else 500, whose
/// message does not leave the log.
Reply failure_reply(const Error& error);

/// A JSON string, quotes included. Invalid UTF-8 becomes '?'.
std::string json_string(std::string_view text);

std::string_view reason_phrase(unsigned status);

/// "Mon, 23 Nov 2026 21:35:58 GMT", made once a second.
std::string_view http_date_now();

}  // namespace transship::server
