#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "registry/options.h"

namespace transship::config {

/// Reads an environment variable; a parameter, so that tests have their own.
using Environment = std::function<std::optional<std::string>(std::string_view name)>;
/// The process's own.
std::optional<std::string> process_environment(std::string_view name);

/// Where credentials are looked for, the first file that has one wins; and where login writes.
struct CredentialPaths {
  std::string inline_json;  ///< $DOCKER_AUTH_CONFIG, before all files.
  std::vector<std::filesystem::path> files;
  std::filesystem::path login_file;  ///< What login and logout change; one of `files`.

  /// `explicit_file`: --authfile; then $REGISTRY_AUTH_FILE, docker's config.json ($DOCKER_CONFIG or
  /// ~/.docker), podman's auth.json ($XDG_RUNTIME_DIR, /run/containers/<uid>, $XDG_CONFIG_HOME),
  /// ~/.dockercfg. `login` writes the first of them that is named, else docker's, which is asked
  /// before podman's for that reason: what was just stored must be what is used.
  static CredentialPaths find(const Environment& environment,
                              const std::optional<std::filesystem::path>& explicit_file = {});
};

/// One credential file, docker's or podman's, or the legacy ~/.dockercfg.
struct CredentialFile {
  std::string name;  ///< For messages.
  /// By normalised key: "host" or, in podman's files, "host/path".
  std::map<std::string, registry::Credential> auths;
  std::map<std::string, std::string> helpers;  ///< By normalised host; "" means: the file itself.
  std::string default_helper;                  ///< credsStore.
};

/// Parses a file's text. kMalformed names `name` and the key at fault, never a value.
Result<CredentialFile> parse_credential_file(std::string_view text, std::string name);

/// What a file says of a host: ask a helper first, and then, or else, take an entry.
struct CredentialLead {
  std::string helper;  ///< Name of the helper to ask; "" for none.
  std::optional<registry::Credential> entry;
};
/// `repository` may be "". Of podman's path keys the longest that fits on a component border wins.
CredentialLead find_credential(const CredentialFile& file, std::string_view host,
                               std::string_view repository);

/// A key of a file as a host, or host and path: scheme, "/v1/", "/v2/" and trailing slashes are
/// dropped, docker.io's other names become docker.io, the host is lower case.
std::string normalise_key(std::string_view key);

/// The key that docker itself writes for a host: "https://index.docker.io/v1/" for Docker Hub.
std::string docker_key(std::string_view host);

}  // namespace transship::config
