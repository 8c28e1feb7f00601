#include "server/listed_manifest.h"

#include <boost/json/serialize.hpp>

#include "oci/descriptor_json.h"

namespace transship::server {

Change listing_of(const oci::Manifest& manifest) {
  Change out{.kind = Change::Kind::kManifest, .digest = manifest.digest};
  out.media_type = manifest.media_type;
  out.size = manifest.bytes.size();
  if (manifest.subject) {
    out.subject = manifest.subject->digest;
    out.referrer = boost::json::serialize(oci::print_descriptor(manifest.descriptor()));
  }
  return out;
}

}  // namespace transship::server
