#pragma once

#include "oci/manifest.h"
#include "server/tree/tag_log.h"

namespace transship::server {

/// The change that lists `manifest`, with the descriptor that referrer lists show of it.
Change listing_of(const oci::Manifest& manifest);

}  // namespace transship::server
