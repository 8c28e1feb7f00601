#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "base/text.h"
#include "oci/descriptor_json.h"
#include "oci/json.h"
#include "oci/manifest.h"

namespace transship::oci {

namespace {

namespace bj = boost::json;

std::unexpected<Error> malformed(std::string message) {
  return fail(Errc::kMalformed, std::move(message));
}

// Types that servers and CDNs send for anything: they say nothing about the body.
bool says_nothing(std::string_view content_type) {
  constexpr std::array<std::string_view, 5> kVague = {"", "text/plain", "application/octet-stream",
                                                      "application/json", "binary/octet-stream"};
  return content_type.starts_with("text/") ||
         std::ranges::find(kVague, content_type) != kVague.end();
}

std::string bare_type(std::string_view content_type) {
  return to_lower(trim(content_type.substr(0, content_type.find(';'))));
}

bool has(const bj::object& object, std::string_view key) {
  const bj::value* value = object.if_contains(key);
  return value != nullptr && !value->is_null();
}

std::unexpected<Error> schema1() {
  return std::unexpected(
      Error{.code = Errc::kUnsupported,
            .message = "a Docker schema 1 manifest: its digest does not cover its bytes, and most "
                       "registries take it no more"}
          .with_hint("pull and push the image once with a current docker or skopeo, which converts "
                     "it, then copy the result"));
}

// protocol.md 1.4: a document that two readers could take for two kinds is refused.
Result<Manifest::Kind> kind_by_shape(const bj::object& object) {
  const bool manifests = has(object, "manifests"), layers = has(object, "layers");
  const bool config = has(object, "config"), blobs = has(object, "blobs");
  if (manifests && (layers || config)) {
    return malformed("ambiguous: \"manifests\" beside \"layers\" or \"config\"");
  }
  if (manifests) return Manifest::Kind::kIndex;
  if (config) return Manifest::Kind::kImage;
  if (blobs || has(object, "artifactType")) return Manifest::Kind::kArtifact;
  if (layers) return malformed("\"config\" is missing");
  return malformed("neither \"manifests\", \"config\" nor \"blobs\": not a manifest");
}

std::optional<Manifest::Kind> kind_by_type(std::string_view type) {
  if (media_type::is_index(type)) return Manifest::Kind::kIndex;
  if (type == media_type::kOciManifest || type == media_type::kDockerManifest) {
    return Manifest::Kind::kImage;
  }
  if (type == media_type::kOciArtifact || type == media_type::kOrasArtifact) {
    return Manifest::Kind::kArtifact;
  }
  return std::nullopt;
}

std::string_view default_type(Manifest::Kind kind) {
  switch (kind) {
    case Manifest::Kind::kImage:
      return media_type::kOciManifest;
    case Manifest::Kind::kIndex:
      return media_type::kOciIndex;
    case Manifest::Kind::kArtifact:
      return media_type::kOciArtifact;
  }
  return "";
}

// The body's own type wins; without one the header's, if it says anything; else the shape decides.
Result<std::string> decide_type(const bj::object& object, std::string_view content_type,
                                bool pulled_by_digest) {
  TS_TRY(const auto own, json::find_string(object, "mediaType"));
  std::string header = bare_type(content_type);
  if (!media_type::is_safe(header)) header.clear();
  if (own && !own->empty() && !media_type::is_safe(*own)) {
    return malformed(fmt::format("\"mediaType\" is no media type: {}", printable(*own, 100)));
  }
  if (!own) return says_nothing(header) ? "" : header;
  // By digest the bytes are what was asked for, and a wrong header does no harm.
  if (!pulled_by_digest && !says_nothing(header) && !iequals(header, *own)) {
    return malformed(fmt::format("\"mediaType\" is {}, and the Content-Type header says {}",
                                 printable(*own, 100), printable(header, 100)));
  }
  return std::string(*own);
}

Result<void> check_version(const bj::object& object, Manifest::Kind kind) {
  TS_TRY(const auto version, json::find_int64(object, "schemaVersion"));
  if (kind == Manifest::Kind::kArtifact) return {};
  if (!version) return malformed("\"schemaVersion\" is missing");
  if (*version != 2) return malformed(fmt::format("\"schemaVersion\" is {}, not 2", *version));
  return {};
}

Result<void> decide_kind(const bj::object& object, Manifest& out) {
  const auto by_type = kind_by_type(out.media_type);
  // An image may lack layers and an index its manifests (null): the type is then what there is.
  const auto by_shape = kind_by_shape(object);
  if (!by_shape && !(by_type && *by_type == Manifest::Kind::kIndex &&
                     object.if_contains("manifests") != nullptr && !has(object, "layers") &&
                     !has(object, "config"))) {
    return std::unexpected(by_shape.error());
  }
  out.kind = by_shape.value_or(Manifest::Kind::kIndex);
  if (by_type && *by_type != out.kind) {
    return malformed(fmt::format("the content is not what its type says: {}", out.media_type));
  }
  if (out.media_type.empty()) out.media_type = default_type(out.kind);
  return {};
}

struct Counter {
  std::size_t left;
  Result<void> take(std::size_t n) {
    if (n > left) return fail(Errc::kTooLarge, "more descriptors than the limit allows");
    left -= n;
    return {};
  }
};

Result<std::vector<Descriptor>> parse_list(const bj::object& object, std::string_view key,
                                           TypeRule rule, Counter& counter) {
  std::vector<Descriptor> out;
  TS_TRY(const bj::array* array, json::find_array(object, key));
  if (array == nullptr) return out;
  TS_TRY(counter.take(array->size()));
  out.reserve(array->size());
  for (std::size_t i = 0; i < array->size(); ++i) {
    TS_TRY(auto descriptor, parse_descriptor((*array)[i], fmt::format("{}[{}]", key, i), rule));
    out.push_back(std::move(descriptor));
  }
  return out;
}

Result<std::optional<Descriptor>> parse_one(const bj::object& object, std::string_view key) {
  if (!has(object, key)) return std::nullopt;
  return parse_descriptor(object.at(key), key);
}

Result<void> parse_content(const bj::object& object, const ParseLimits& limits, Manifest& out) {
  Counter counter{limits.max_descriptors};
  switch (out.kind) {
    case Manifest::Kind::kImage: {
      TS_TRY(out.config, parse_one(object, "config"));
      TS_TRY(out.layers, parse_list(object, "layers", TypeRule::kRequired, counter));
      break;
    }
    case Manifest::Kind::kIndex: {
      TS_TRY(out.manifests, parse_list(object, "manifests", TypeRule::kOptional, counter));
      break;
    }
    case Manifest::Kind::kArtifact: {
      TS_TRY(out.layers, parse_list(object, "blobs", TypeRule::kRequired, counter));
      break;
    }
  }
  TS_TRY(out.subject, parse_one(object, "subject"));
  TS_TRY(out.annotations, parse_annotations(object));
  TS_TRY(const auto artifact_type, json::find_string(object, "artifactType"));
  out.artifact_type = artifact_type.value_or("");
  if (out.artifact_type.empty() && out.config) out.artifact_type = out.config->media_type;
  return {};
}

Result<void> verify(std::string_view bytes, const Digest& expected) {
  const Digest found = digest_of(bytes, expected.algorithm());
  if (found == expected) return {};
  return fail(Errc::kDigestMismatch, fmt::format("manifest {}: the bytes have the digest {}",
                                                 expected.short_string(), found.to_string()));
}

Result<void> parse_object(const bj::object& object, std::string_view content_type,
                          bool pulled_by_digest, const ParseLimits& limits, Manifest& out) {
  TS_TRY(out.media_type, decide_type(object, content_type, pulled_by_digest));
  if (out.media_type == media_type::kSchema1 || out.media_type == media_type::kSchema1Signed) {
    return schema1();
  }
  TS_TRY(const auto version, json::find_int64(object, "schemaVersion"));
  if (version == 1) return schema1();
  TS_TRY(decide_kind(object, out));
  TS_TRY(check_version(object, out.kind));
  return parse_content(object, limits, out);
}

}  // namespace

Result<Manifest> parse_manifest(std::string bytes, std::string_view content_type,
                                const std::optional<Digest>& expected, const ParseLimits& limits) {
  if (bytes.size() > limits.max_bytes) {
    return fail(Errc::kTooLarge,
                fmt::format("manifest of {} is above the limit of {}", human_bytes(bytes.size()),
                            human_bytes(limits.max_bytes)));
  }
  if (expected) TS_TRY(verify(bytes, *expected));
  TS_TRY(const bj::object object,
         json::parse_object(bytes, "manifest",
                            {.max_bytes = limits.max_bytes, .max_depth = limits.max_depth}));
  Manifest out;
  if (auto parsed = parse_object(object, content_type, expected.has_value(), limits, out);
      !parsed) {
    return std::unexpected(std::move(parsed).error().within("manifest"));
  }
  out.digest = expected ? *expected : digest_of(bytes);
  out.bytes = std::move(bytes);
  return out;
}

}  // namespace transship::oci
