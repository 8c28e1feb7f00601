#include "registry/lists/json_list.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <unordered_map>

#include "oci/json.h"

namespace transship::registry {

namespace {

using Named = std::unordered_map<std::string_view, std::optional<oci::Digest>>;

// {"sha256:...": {"tag": ["v1", "latest"], ...}, ...}. A tag of two manifests is one of none.
Named named_by(const boost::json::object& manifests) {
  Named out;
  for (const auto& [text, manifest] : manifests) {
    const auto digest = oci::Digest::parse(text);
    const boost::json::object* fields = manifest.if_object();
    const boost::json::value* tags = fields != nullptr ? fields->if_contains("tag") : nullptr;
    if (!digest || tags == nullptr || !tags->is_array()) continue;
    for (const boost::json::value& tag : tags->get_array()) {
      if (!tag.is_string()) continue;
      const auto [at, first] = out.try_emplace(std::string_view(tag.get_string()), *digest);
      if (!first) at->second.reset();
    }
  }
  return out;
}

std::vector<std::optional<oci::Digest>> digests_of(const std::vector<std::string>& entries,
                                                   const Named& named) {
  std::vector<std::optional<oci::Digest>> out;
  out.reserve(entries.size());
  for (const std::string& entry : entries) {
    const auto found = named.find(entry);
    out.push_back(found == named.end() ? std::nullopt : found->second);
  }
  return out;
}

}  // namespace

Result<JsonList> parse_json_list(std::string_view body, std::string_view key) {
  oci::json::Limits limits;
  limits.max_bytes = 64U << 20U;
  TS_TRY(const boost::json::object object, oci::json::parse_object(body, "list", limits));
  TS_TRY(const boost::json::array* array, oci::json::find_array(object, key));
  JsonList out;
  if (array == nullptr) return out;
  out.entries.reserve(array->size());
  for (const boost::json::value& each : *array) {
    if (each.is_string()) {
      out.entries.emplace_back(each.get_string());
    } else {
      ++out.others;
    }
  }
  TS_TRY(const boost::json::object* manifests, oci::json::find_object(object, "manifest"));
  if (manifests != nullptr) out.digests = digests_of(out.entries, named_by(*manifests));
  return out;
}

}  // namespace transship::registry
