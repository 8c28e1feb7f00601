#pragma once

#include <boost/json/value.hpp>
#include <string>
#include <vector>

namespace transship::test {

/// What is wrong with `value` by a JSON Schema, a line each: "items[0].digest: missing".
///
/// Knows the keywords that the project's schemas use, and complains of any other. Stricter than the
/// standard in one thing: an object with `properties` and no `additionalProperties` has no other
/// keys, so that a key without a description is found.
std::vector<std::string> schema_violations(const boost::json::value& schema,
                                           const boost::json::value& value);

/// The same, of a schema of docs/ and an output as text; "" when nothing is wrong.
std::string violations(const std::string& schema, const std::string& output);
/// Of docs/report.schema.json.
std::string report_violations(const std::string& report);
/// Of docs/diff.schema.json.
std::string diff_violations(const std::string& report);

}  // namespace transship::test
