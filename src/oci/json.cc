#include "oci/json.h"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value_stack.hpp>
#include <cmath>
#include <new>
#include <unordered_set>
#include <vector>

#include "base/text.h"

namespace transship::oci::json {

namespace {

namespace bj = boost::json;

// Builds the value and refuses what Boost.JSON's own handler lets pass. `refusal` says why it
// stopped the parser.
class StrictHandler {
 public:
  // NOLINTBEGIN(readability-identifier-naming): Boost.JSON asks for these names.
  static constexpr std::size_t max_object_size = bj::object::max_size();
  static constexpr std::size_t max_array_size = bj::array::max_size();
  static constexpr std::size_t max_key_size = bj::string::max_size();
  static constexpr std::size_t max_string_size = bj::string::max_size();
  // NOLINTEND(readability-identifier-naming)

  explicit StrictHandler(std::size_t max_values) : values_left_(max_values) { stack_.reset(); }

  bool on_document_begin(bj::error_code&) { return true; }
  bool on_document_end(bj::error_code&) { return true; }

  bool on_object_begin(bj::error_code&) {
    if (depth_ == keys_.size()) keys_.emplace_back();
    keys_[depth_++].clear();
    return true;
  }
  bool on_object_end(std::size_t n, bj::error_code& ec) {
    --depth_;
    stack_.push_object(n);
    return count(ec);
  }
  bool on_array_begin(bj::error_code&) { return true; }
  bool on_array_end(std::size_t n, bj::error_code& ec) {
    stack_.push_array(n);
    return count(ec);
  }

  bool on_key_part(bj::string_view part, std::size_t, bj::error_code&) {
    key_ += part;
    stack_.push_chars(part);
    return true;
  }
  bool on_key(bj::string_view part, std::size_t, bj::error_code& ec) {
    key_ += part;
    stack_.push_key(part);
    const bool fresh = keys_[depth_ - 1].insert(key_).second;
    if (!fresh) return refuse(ec, fmt::format("duplicate key \"{}\"", printable(key_, 80)));
    key_.clear();
    return true;
  }
  bool on_string_part(bj::string_view part, std::size_t, bj::error_code&) {
    stack_.push_chars(part);
    return true;
  }
  bool on_string(bj::string_view part, std::size_t, bj::error_code& ec) {
    stack_.push_string(part);
    return count(ec);
  }

  bool on_number_part(bj::string_view part, bj::error_code&) {
    fraction_ = fraction_ || has_fraction(part);
    return true;
  }
  bool on_int64(std::int64_t number, bj::string_view, bj::error_code& ec) {
    stack_.push_int64(number);
    return count(ec);
  }
  bool on_uint64(std::uint64_t, bj::string_view, bj::error_code& ec) {
    return refuse(ec, "an integer that does not fit 64 bits signed");
  }
  bool on_double(double number, bj::string_view part, bj::error_code& ec) {
    // Integers too big for any integer type arrive here, rounded.
    if (!fraction_ && !has_fraction(part)) {
      return refuse(ec, "an integer that does not fit 64 bits signed");
    }
    // Written again it would be no JSON.
    if (!std::isfinite(number)) return refuse(ec, "a number that is too big");
    fraction_ = false;
    stack_.push_double(number);
    return count(ec);
  }
  bool on_bool(bool value, bj::error_code& ec) {
    stack_.push_bool(value);
    return count(ec);
  }
  bool on_null(bj::error_code& ec) {
    stack_.push_null();
    return count(ec);
  }
  bool on_comment_part(bj::string_view, bj::error_code&) { return true; }
  bool on_comment(bj::string_view, bj::error_code&) { return true; }

  bj::value release() { return stack_.release(); }
  const std::string& refusal() const { return refusal_; }

 private:
  static bool has_fraction(bj::string_view part) {
    return part.find_first_of(".eE") != bj::string_view::npos;
  }

  bool refuse(bj::error_code& ec, std::string why) {
    refusal_ = std::move(why);
    ec = bj::error::syntax;
    return false;
  }

  bool count(bj::error_code& ec) {
    if (values_left_ == 0) return refuse(ec, "more values than the limit allows");
    --values_left_;
    return true;
  }

  bj::value_stack stack_;
  std::vector<std::unordered_set<std::string>> keys_;  // One per open object; kept for reuse.
  std::size_t depth_ = 0;
  std::string key_;
  bool fraction_ = false;
  std::size_t values_left_;
  std::string refusal_;
};

std::unexpected<Error> malformed(std::string message) {
  return fail(Errc::kMalformed, std::move(message));
}

std::unexpected<Error> broken_at(std::size_t offset, std::string_view why) {
  return malformed(fmt::format("JSON broken at byte {}: {}", offset, why));
}

// What the parser found, in words for people.
std::string reason(const bj::error_code& ec, std::string_view text, const Limits& limits) {
  if (ec == bj::error::too_deep) return fmt::format("nested deeper than {}", limits.max_depth);
  if (text.empty()) return "it is empty";
  return is_utf8(text) ? ec.message() : "not valid UTF-8";
}

std::string_view kind_of(const bj::value& value) {
  switch (value.kind()) {
    case bj::kind::null:
      return "null";
    case bj::kind::bool_:
      return "a boolean";
    case bj::kind::int64:
    case bj::kind::uint64:
      return "an integer";
    case bj::kind::double_:
      return "a fraction";
    case bj::kind::string:
      return "a string";
    case bj::kind::array:
      return "an array";
    case bj::kind::object:
      return "an object";
  }
  return "?";
}

std::unexpected<Error> wrong_type(std::string_view what, std::string_view wanted,
                                  const bj::value& got) {
  return malformed(
      fmt::format("\"{}\": expected {}, found {}", printable(what, 80), wanted, kind_of(got)));
}

std::unexpected<Error> missing(std::string_view key) {
  return malformed(fmt::format("\"{}\" is missing", printable(key, 80)));
}

// Null counts as missing: Go prints empty slices and pointers so.
const bj::value* find(const bj::object& object, std::string_view key) {
  const bj::value* value = object.if_contains(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

}  // namespace

Result<bj::value> parse(std::string_view text, const Limits& limits) {
  if (text.size() > limits.max_bytes) {
    return fail(Errc::kTooLarge,
                fmt::format("JSON of {} is above the limit of {}", human_bytes(text.size()),
                            human_bytes(limits.max_bytes)));
  }
  bj::parse_options options;
  options.max_depth = limits.max_depth;
  try {
    bj::basic_parser<StrictHandler> parser(options, limits.max_values);
    bj::error_code ec;
    const std::size_t used = parser.write_some(false, text.data(), text.size(), ec);
    if (ec) {
      const std::string& refusal = parser.handler().refusal();
      return broken_at(used, refusal.empty() ? reason(ec, text, limits) : refusal);
    }
    if (used != text.size()) return broken_at(used, "text behind the value");
    return parser.handler().release();
  } catch (const std::bad_alloc&) {
    return fail(Errc::kTooLarge, "no memory for a JSON document");
  } catch (const std::exception& e) {
    return malformed(fmt::format("JSON: {}", e.what()));
  }
}

Result<bj::object> parse_object(std::string_view text, std::string_view what,
                                const Limits& limits) {
  if (trim(text.substr(0, 64)).starts_with('<')) {
    return std::unexpected(
        Error{.code = Errc::kMalformed,
              .message = fmt::format("{}: HTML or XML where JSON was expected", what)}
            .with_hint("a login page, a proxy or another web server may have answered"));
  }
  auto value = parse(text, limits);
  if (!value) return std::unexpected(std::move(value).error().within(what));
  if (!value->is_object()) {
    return malformed(fmt::format("{}: expected an object, found {}", what, kind_of(*value)));
  }
  return std::move(value->get_object());
}

Result<std::optional<std::string_view>> find_string(const bj::object& object,
                                                    std::string_view key) {
  const bj::value* value = find(object, key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) return wrong_type(key, "a string", *value);
  return std::string_view(value->get_string());
}

Result<std::string_view> get_string(const bj::object& object, std::string_view key) {
  TS_TRY(auto value, find_string(object, key));
  if (!value) return missing(key);
  return *value;
}

Result<std::optional<std::int64_t>> find_int64(const bj::object& object, std::string_view key) {
  const bj::value* value = find(object, key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_int64()) return wrong_type(key, "an integer", *value);
  return value->get_int64();
}

Result<std::int64_t> get_int64(const bj::object& object, std::string_view key) {
  TS_TRY(auto value, find_int64(object, key));
  if (!value) return missing(key);
  return *value;
}

Result<const bj::array*> find_array(const bj::object& object, std::string_view key) {
  const bj::value* value = find(object, key);
  if (value == nullptr) return nullptr;
  if (!value->is_array()) return wrong_type(key, "an array", *value);
  return &value->get_array();
}

Result<const bj::array*> get_array(const bj::object& object, std::string_view key) {
  TS_TRY(auto value, find_array(object, key));
  if (value == nullptr) return missing(key);
  return value;
}

Result<const bj::object*> find_object(const bj::object& object, std::string_view key) {
  const bj::value* value = find(object, key);
  if (value == nullptr) return nullptr;
  return as_object(*value, key);
}

Result<const bj::object*> get_object(const bj::object& object, std::string_view key) {
  TS_TRY(auto value, find_object(object, key));
  if (value == nullptr) return missing(key);
  return value;
}

Result<const bj::object*> as_object(const bj::value& value, std::string_view what) {
  if (!value.is_object()) return wrong_type(what, "an object", value);
  return &value.get_object();
}

Result<std::string_view> as_string(const bj::value& value, std::string_view what) {
  if (!value.is_string()) return wrong_type(what, "a string", value);
  return std::string_view(value.get_string());
}

}  // namespace transship::oci::json
