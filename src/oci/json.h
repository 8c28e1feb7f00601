#pragma once

#include <boost/json/fwd.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

/// Strict JSON for bytes that others wrote: manifests, token answers, lists, credential files.
///
/// Boost.JSON's own `parse` keeps the last of two equal keys silently, where other parsers keep the
/// first: a document that two programs read differently is an attack, so it is refused here.
namespace transship::oci::json {

struct Limits {
  std::size_t max_bytes = 8U << 20U;
  std::size_t max_depth = 64;          ///< Objects and arrays inside each other.
  std::size_t max_values = 1'000'000;  ///< Against documents that are all values: memory.
};

/// The one JSON value of `text` (RFC 8259). kTooLarge above `max_bytes`; kMalformed, with the byte
/// offset, for anything that does not parse, duplicate keys in one object, invalid UTF-8 or lone
/// surrogates, nesting or values above the limits, integers outside 64 bits signed, or text behind
/// the value.
Result<boost::json::value> parse(std::string_view text, const Limits& limits = {});

/// As `parse`, for documents that must be an object: `what` names it in the message ("token
/// answer"). An answer that looks like HTML is named as such (a login page, a captive portal).
Result<boost::json::object> parse_object(std::string_view text, std::string_view what,
                                         const Limits& limits = {});

// Typed access. `find_*`: nothing when the key is missing or null; kMalformed when it is there with
// another type. `get_*`: kMalformed when it is missing too. Messages name the key; callers add the
// way to it with `Error::within`. What is returned points into `object`.

Result<std::optional<std::string_view>> find_string(const boost::json::object& object,
                                                    std::string_view key);
Result<std::string_view> get_string(const boost::json::object& object, std::string_view key);

Result<std::optional<std::int64_t>> find_int64(const boost::json::object& object,
                                               std::string_view key);
Result<std::int64_t> get_int64(const boost::json::object& object, std::string_view key);

/// Null pointer: nothing.
Result<const boost::json::array*> find_array(const boost::json::object& object,
                                             std::string_view key);
Result<const boost::json::array*> get_array(const boost::json::object& object,
                                            std::string_view key);

/// Null pointer: nothing.
Result<const boost::json::object*> find_object(const boost::json::object& object,
                                               std::string_view key);
Result<const boost::json::object*> get_object(const boost::json::object& object,
                                              std::string_view key);

/// `value` as an object or a string; `what` ("layers[3]") names it in the message.
Result<const boost::json::object*> as_object(const boost::json::value& value,
                                             std::string_view what);
Result<std::string_view> as_string(const boost::json::value& value, std::string_view what);

}  // namespace transship::oci::json
