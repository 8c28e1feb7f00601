#pragma once

#include <boost/json/fwd.hpp>

#include "base/error.h"
#include "oci/store.h"

namespace transship::cli {

// Parts that several JSON outputs share.

boost::json::object counts_object(const oci::RequestCounts& counts);
boost::json::object error_object(const Error& error);

}  // namespace transship::cli
