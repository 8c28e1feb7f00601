#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <string_view>

#include "oci/descriptor.h"

namespace transship::oci {

/// What a descriptor may lack where it stands.
enum class TypeRule : std::uint8_t {
  kRequired,
  /// Entries of an index: without a type ("") whoever copies it has to probe what it is.
  kOptional
};

/// Parses a descriptor (image-spec descriptor.md); `where` ("layers[3]") names it in messages.
/// kMalformed: type, digest or size missing or wrong, a `data` field that lies; kUnsupported: a
/// digest that cannot be verified. Unknown fields are ignored.
Result<Descriptor> parse_descriptor(const boost::json::value& value, std::string_view where,
                                    TypeRule type_rule = TypeRule::kRequired);

/// `annotations` of `object`: text to text; empty where there are none.
Result<std::map<std::string, std::string>> parse_annotations(const boost::json::object& object);

/// The inverse. Fields that `Descriptor` does not keep are not there.
boost::json::object print_descriptor(const Descriptor& descriptor);

}  // namespace transship::oci
