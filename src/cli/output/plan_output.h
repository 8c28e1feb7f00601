#pragma once

#include <boost/json/fwd.hpp>
#include <string>

#include "engine/report.h"

namespace transship::cli {

/// What a sync would do, for people: per target what to send and to mount and how long that takes,
/// per registry its requests. Only for reports with a plan.
std::string plan_text(const engine::Report& report);
/// The same as JSON: `plan` of docs/report.schema.json.
boost::json::object plan_object(const engine::Report& report);

}  // namespace transship::cli
