#pragma once

#include <map>
#include <string>

#include "cli/arguments.h"
#include "config/config.h"
#include "scheduler/options.h"
#include "transport/options.h"

namespace transship::cli {

/// What a configuration says of its registries, by their names there.
using Configured = std::map<std::string, config::RegistryConfig>;

/// What the transport and the gates are told, of arguments and configuration together. Hosts are
/// those that requests go to: of Docker Hub, registry-1.docker.io.
transport::Options transport_options(const NetworkArguments& arguments,
                                     const Configured& configured);
scheduler::Options gate_options(const NetworkArguments& arguments, const Configured& configured);

}  // namespace transship::cli
