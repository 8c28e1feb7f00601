#include "support/json_schema.h"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fstream>
#include <set>
#include <string_view>

namespace transship::test {
namespace json = boost::json;

namespace {

bool has_type(const json::value& value, std::string_view type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_bool();
  if (type == "integer") return value.is_int64() || value.is_uint64();
  if (type == "number") return value.is_number();
  return false;
}

class Validator {
 public:
  explicit Validator(const json::value& root) : root_(root.as_object()) {}

  std::vector<std::string> problems;

  void check(const json::object& schema, const json::value& value, const std::string& path) {
    if (const json::value* reference = schema.if_contains("$ref")) {
      return check(definition(std::string(reference->as_string())), value, path);
    }
    for (const auto& [keyword, what] : schema) apply(keyword, what, schema, value, path);
  }

 private:
  const json::object& definition(const std::string& reference) const {
    const std::string prefix = "#/$defs/";
    return root_.at("$defs").as_object().at(reference.substr(prefix.size())).as_object();
  }

  void complain(const std::string& path, const std::string& what) {
    problems.push_back((path.empty() ? "the whole" : path) + ": " + what);
  }

  void apply(std::string_view keyword, const json::value& what, const json::object& schema,
             const json::value& value, const std::string& path) {
    static const std::set<std::string_view> kNotes = {"$schema", "$defs", "title", "description",
                                                      "additionalProperties"};
    if (kNotes.contains(keyword)) return;
    if (keyword == "type") {
      if (!has_type(value, what.as_string())) {
        complain(path, json::serialize(value) + " is no " + std::string(what.as_string()));
      }
    } else if (keyword == "const") {
      if (value != what) complain(path, json::serialize(value) + " is not the constant");
    } else if (keyword == "enum") {
      if (std::ranges::find(what.as_array(), value) == what.as_array().end()) {
        complain(path, json::serialize(value) + " is none of the values");
      }
    } else if (keyword == "minimum") {
      if (value.is_number() && value.to_number<double>() < what.to_number<double>()) {
        complain(path, json::serialize(value) + " is too small");
      }
    } else if (keyword == "required") {
      check_required(what.as_array(), value, path);
    } else if (keyword == "items") {
      check_items(what.as_object(), value, path);
    } else if (keyword == "properties") {
      check_properties(schema, value, path);
    } else {
      complain(path, "the schema uses '" + std::string(keyword) + "', which is not known here");
    }
    if (keyword == "type" && what == "object" && !schema.contains("properties")) {
      check_properties(schema, value, path);
    }
  }

  void check_required(const json::array& names, const json::value& value, const std::string& path) {
    if (!value.is_object()) return;
    for (const json::value& name : names) {
      if (!value.as_object().contains(name.as_string())) {
        complain(path, std::string(name.as_string()) + " is missing");
      }
    }
  }

  void check_items(const json::object& schema, const json::value& value, const std::string& path) {
    if (!value.is_array()) return;
    std::size_t at = 0;
    for (const json::value& item : value.as_array()) {
      check(schema, item, path + "[" + std::to_string(at++) + "]");
    }
  }

  void check_properties(const json::object& schema, const json::value& value,
                        const std::string& path) {
    if (!value.is_object()) return;
    const json::value* known = schema.if_contains("properties");
    const json::value* others = schema.if_contains("additionalProperties");
    for (const auto& [key, inner] : value.as_object()) {
      const std::string name(key);
      const std::string below = path.empty() ? name : path + "." + name;
      const json::value* one = known == nullptr ? nullptr : known->as_object().if_contains(name);
      if (one == nullptr) one = others;
      if (one == nullptr) {
        complain(below, "the schema does not have it");
      } else {
        check(one->as_object(), inner, below);
      }
    }
  }

  const json::object& root_;
};

}  // namespace

std::vector<std::string> schema_violations(const json::value& schema, const json::value& value) {
  Validator validator(schema);
  validator.check(schema.as_object(), value, "");
  return std::move(validator.problems);
}

std::string violations(const std::string& schema, const std::string& output) {
  std::ifstream in(TS_PROJECT_DIR "/docs/" + schema, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  std::string out;
  for (const std::string& one : schema_violations(json::parse(text), json::parse(output))) {
    out += one + "\n";
  }
  return out;
}

std::string report_violations(const std::string& report) {
  return violations("report.schema.json", report);
}

std::string diff_violations(const std::string& report) {
  return violations("diff.schema.json", report);
}

}  // namespace transship::test
