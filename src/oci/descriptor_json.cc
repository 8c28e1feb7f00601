#include "oci/descriptor_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "base/text.h"
#include "oci/json.h"

namespace transship::oci {

namespace {

namespace bj = boost::json;

std::unexpected<Error> malformed(std::string message) {
  return fail(Errc::kMalformed, std::move(message));
}

Result<Platform> parse_platform(const bj::object& object) {
  Platform platform;
  const auto field = [&](std::string_view key, std::string& into) -> Result<void> {
    TS_TRY(const auto value, json::find_string(object, key));
    into = value.value_or("");
    return {};
  };
  TS_TRY(field("os", platform.os));
  TS_TRY(field("architecture", platform.architecture));
  TS_TRY(field("variant", platform.variant));
  TS_TRY(field("os.version", platform.os_version));
  return platform;
}

Result<std::vector<std::string>> parse_urls(const bj::object& object) {
  std::vector<std::string> urls;
  TS_TRY(const bj::array* array, json::find_array(object, "urls"));
  if (array == nullptr) return urls;
  for (const bj::value& value : *array) {
    TS_TRY(const auto url, json::as_string(value, "urls"));
    urls.emplace_back(url);
  }
  return urls;
}

// Checked against size and digest: whoever uses it need not fetch, and must not be lied to.
Result<std::string> parse_data(std::string_view text, const Descriptor& descriptor) {
  auto data = base64_decode(text);
  if (!data) return malformed("\"data\": not base64");
  if (data->size() != descriptor.size) {
    return malformed(
        fmt::format("\"data\": {} bytes, \"size\" says {}", data->size(), descriptor.size));
  }
  if (digest_of(*data, descriptor.digest.algorithm()) != descriptor.digest) {
    return malformed("\"data\": its digest is not the descriptor's");
  }
  return std::move(*data);
}

Result<void> parse_identity(const bj::object& object, TypeRule type_rule, Descriptor& out) {
  TS_TRY(const auto type, json::find_string(object, "mediaType"));
  if (!type && type_rule == TypeRule::kRequired) return malformed("\"mediaType\" is missing");
  if (type && !media_type::is_safe(*type)) {
    return malformed(fmt::format("\"mediaType\": \"{}\" is no type", printable(*type, 80)));
  }
  out.media_type = type.value_or("");
  TS_TRY(const auto digest, json::get_string(object, "digest"));
  TS_TRY(out.digest, Digest::parse(digest));
  TS_TRY(const std::int64_t size, json::get_int64(object, "size"));
  if (size < 0) return malformed(fmt::format("\"size\": {} is negative", size));
  out.size = static_cast<std::uint64_t>(size);
  return {};
}

Result<Descriptor> parse_fields(const bj::object& object, TypeRule type_rule) {
  Descriptor out;
  TS_TRY(parse_identity(object, type_rule, out));
  TS_TRY(const auto artifact_type, json::find_string(object, "artifactType"));
  out.artifact_type = artifact_type.value_or("");
  TS_TRY(const bj::object* platform, json::find_object(object, "platform"));
  if (platform != nullptr) {
    TS_TRY(out.platform, parse_platform(*platform));
  }
  TS_TRY(out.annotations, parse_annotations(object));
  TS_TRY(out.urls, parse_urls(object));
  TS_TRY(const auto data, json::find_string(object, "data"));
  if (data) {
    TS_TRY(out.data, parse_data(*data, out));
  }
  return out;
}

bj::object print_platform(const Platform& platform) {
  bj::object out;
  out["architecture"] = platform.architecture;
  out["os"] = platform.os;
  if (!platform.os_version.empty()) out["os.version"] = platform.os_version;
  if (!platform.variant.empty()) out["variant"] = platform.variant;
  return out;
}

}  // namespace

Result<Descriptor> parse_descriptor(const bj::value& value, std::string_view where,
                                    TypeRule type_rule) {
  TS_TRY(const bj::object* object, json::as_object(value, where));
  auto out = parse_fields(*object, type_rule);
  if (!out) return std::unexpected(std::move(out).error().within(where));
  return out;
}

Result<std::map<std::string, std::string>> parse_annotations(const bj::object& object) {
  std::map<std::string, std::string> out;
  TS_TRY(const bj::object* annotations, json::find_object(object, "annotations"));
  if (annotations == nullptr) return out;
  for (const auto& member : *annotations) {
    TS_TRY(const auto text, json::as_string(member.value(), member.key()));
    out.emplace(member.key(), text);
  }
  return out;
}

bj::object print_descriptor(const Descriptor& descriptor) {
  bj::object out;
  if (!descriptor.media_type.empty()) out["mediaType"] = descriptor.media_type;
  out["digest"] = descriptor.digest.to_string();
  out["size"] = descriptor.size;
  if (!descriptor.urls.empty()) {
    out["urls"] = bj::array(descriptor.urls.begin(), descriptor.urls.end());
  }
  if (!descriptor.annotations.empty()) {
    bj::object& annotations = out["annotations"].emplace_object();
    for (const auto& [key, value] : descriptor.annotations) annotations[key] = value;
  }
  if (descriptor.data) out["data"] = base64_encode(*descriptor.data);
  if (descriptor.platform) out["platform"] = print_platform(*descriptor.platform);
  if (!descriptor.artifact_type.empty()) out["artifactType"] = descriptor.artifact_type;
  return out;
}

}  // namespace transship::oci
