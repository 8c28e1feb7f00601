#include "config/named_checks.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "base/text.h"
#include "base/text_file.h"
#include "config/credential_file.h"

namespace transship::config {

namespace {

void check_file(TomlTable& table, std::string_view key) {
  const auto file = table.string(key);
  if (!file || file->empty()) return;
  if (const auto there = may_read(*file); !there) table.complain(key, there.error().message);
}

bool on_path(const std::string& program) {
  const std::string path = process_environment("PATH").value_or("/usr/bin:/bin");
  return std::ranges::any_of(split(path, ':'), [&](std::string_view directory) {
    return ::access(fmt::format("{}/{}", directory, program).c_str(), X_OK) == 0;
  });
}

void check_registry(TomlTable& table) {
  if (auto tls = table.table("tls")) {
    for (const auto* key : {"ca", "cert", "key"}) check_file(*tls, key);
  }
  check_file(table, "password_file");
  const std::string variable = table.string("password_env").value_or("");
  if (!variable.empty() && !process_environment(variable)) {
    table.complain("password_env", fmt::format("the variable {} is not set", variable));
  }
  const std::string helper = table.string("helper").value_or("");
  if (!helper.empty() && !on_path("docker-credential-" + helper)) {
    table.complain("helper", fmt::format("there is no docker-credential-{} on PATH", helper));
  }
}

}  // namespace

void check_named(TomlTable& root) {
  auto registries = root.table("registry");
  if (!registries) return;
  for (auto& [host, table] : registries->named_tables()) check_registry(table);
}

}  // namespace transship::config
