#include "server/tree/listed_manifest.h"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "oci/descriptor_json.h"

namespace transship::server {

namespace {

// The artifact type stands first: filters look for it at the start, where no annotation can be
// taken for it.
std::string print_referrer(const oci::Descriptor& descriptor) {
  boost::json::object rest = oci::print_descriptor(descriptor);
  rest.erase("artifactType");
  boost::json::object out;
  if (!descriptor.artifact_type.empty()) out["artifactType"] = descriptor.artifact_type;
  for (const auto& [key, value] : rest) out[key] = value;
  return boost::json::serialize(out);
}

}  // namespace

Change listing_of(const oci::Manifest& manifest) {
  Change out{.kind = Change::Kind::kManifest, .digest = manifest.digest};
  out.media_type = manifest.media_type;
  out.size = manifest.bytes.size();
  if (manifest.subject) {
    out.subject = manifest.subject->digest;
    out.referrer = print_referrer(manifest.descriptor());
  }
  return out;
}

}  // namespace transship::server
