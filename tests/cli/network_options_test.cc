#include "cli/network_options.h"

#include <gtest/gtest.h>

namespace transship::cli {
namespace {

using namespace std::chrono_literals;

// Users write docker.io; requests go to another name.
TEST(NetworkOptions, KeysOfDockerHubAreThoseOfTheHostThatIsAsked) {
  config::RegistryConfig hub;
  hub.host = "docker.io";
  hub.tls_ca = "/ca.pem";
  hub.bandwidth = 1000;
  hub.max_connections = 5;
  hub.give_up_after = 90s;
  hub.stall_timeout = 15s;
  hub.allow_private_redirects = true;
  const Configured configured = {{"docker.io", hub}};
  const auto transport = transport_options({}, configured);
  EXPECT_EQ(transport.hosts.at("registry-1.docker.io").ca_file, "/ca.pem");
  EXPECT_EQ(transport.hosts.at("registry-1.docker.io").bandwidth, 1000U);
  EXPECT_EQ(transport.hosts.at("registry-1.docker.io").stall_timeout, 15s);
  EXPECT_TRUE(transport.allow_private_redirects.contains("registry-1.docker.io"));
  const auto gates = gate_options({}, configured);
  EXPECT_EQ(gates.hosts.at("registry-1.docker.io").max_connections, 5U);
  EXPECT_EQ(gates.hosts.at("registry-1.docker.io").give_up_after, 90s);
  EXPECT_EQ(gates.hosts.size(), 1U);
}

TEST(NetworkOptions, ArgumentsHoldForEveryHost) {
  NetworkArguments arguments;
  arguments.ca = "/ca.pem";
  arguments.max_connections = 7;
  arguments.stall_timeout = 5s;
  arguments.give_up_after = 8s;
  arguments.plain_http = {"Registry.Local:5000"};
  arguments.allow_private_redirects = {"docker.io"};
  const auto transport = transport_options(arguments, {});
  EXPECT_EQ(transport.ca_file, "/ca.pem");
  EXPECT_EQ(transport.max_connections, 7U);
  EXPECT_EQ(transport.stall_timeout, 5s);
  EXPECT_TRUE(transport.plain_http.contains("registry.local:5000"));
  EXPECT_TRUE(transport.allow_private_redirects.contains("registry-1.docker.io"));
  const auto gates = gate_options(arguments, {});
  EXPECT_EQ(gates.max_connections, 7U);
  EXPECT_EQ(gates.give_up_after, 8s);
}

}  // namespace
}  // namespace transship::cli
