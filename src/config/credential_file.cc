#include "config/credential_file.h"

#include <unistd.h>

#include <boost/json/object.hpp>
#include <cstdlib>

#include "base/text.h"
#include "oci/json.h"

namespace transship::config {

namespace {

namespace json = boost::json;
namespace fs = std::filesystem;
using registry::Credential;

bool is_docker_hub(std::string_view host) {
  return host == "docker.io" || host == "index.docker.io" || host == "registry-1.docker.io";
}

// "user:password" in base64. What comes from PowerShell may end with NUL bytes.
Result<void> take_basic(std::string_view encoded, Credential& out) {
  auto decoded = base64_decode(trim(encoded));
  const auto colon = decoded ? decoded->find(':') : std::string::npos;
  if (!decoded || colon == std::string::npos) {
    return fail(Errc::kMalformed, "\"auth\" is not the base64 of user:password");
  }
  std::string_view password = std::string_view(*decoded).substr(colon + 1);
  while (password.ends_with('\0')) password.remove_suffix(1);
  out.user = decoded->substr(0, colon);
  out.password = std::string(password);
  registry::wipe(*decoded);
  return {};
}

Result<Credential> parse_entry(const json::object& entry) {
  Credential out;
  TS_TRY(const auto user, oci::json::find_string(entry, "username"));
  TS_TRY(const auto password, oci::json::find_string(entry, "password"));
  TS_TRY(const auto auth, oci::json::find_string(entry, "auth"));
  TS_TRY(const auto identity, oci::json::find_string(entry, "identitytoken"));
  TS_TRY(const auto token, oci::json::find_string(entry, "registrytoken"));
  out.user = user.value_or("");
  out.password = password.value_or("");
  if (auth && !trim(*auth).empty()) TS_TRY(take_basic(*auth, out));
  out.identity_token = identity.value_or("");
  out.registry_token = token.value_or("");
  if (out.user == "<token>" && out.identity_token.empty()) {
    out.identity_token = std::exchange(out.password, "");
    out.user.clear();
  }
  // What would break out of a header, or out of "user:password".
  if (out.registry_token.find_first_of("\r\n") != std::string::npos) {
    return fail(Errc::kMalformed, "\"registrytoken\" has a line break");
  }
  return out;
}

Result<void> parse_auths(const json::object& auths, CredentialFile& file) {
  for (const auto& [key, value] : auths) {
    const std::string shown = printable(key, 100);
    TS_TRY(const json::object* entry, oci::json::as_object(value, shown));
    Result<Credential> credential = parse_entry(*entry);
    if (!credential) {
      return std::unexpected(std::move(credential).error().within("auths." + shown));
    }
    std::string normal = normalise_key(key);
    // Of two spellings of one host the exact one wins, else the first.
    if (normal == key) {
      file.auths.insert_or_assign(std::move(normal), std::move(*credential));
    } else {
      file.auths.try_emplace(std::move(normal), std::move(*credential));
    }
  }
  return {};
}

Result<void> parse_helpers(const json::object& helpers, CredentialFile& file) {
  for (const auto& [key, value] : helpers) {
    TS_TRY(const std::string_view name, oci::json::as_string(value, printable(key, 100)));
    file.helpers.insert_or_assign(normalise_key(key), std::string(name));
  }
  return {};
}

Result<void> parse_into(std::string_view text, CredentialFile& file) {
  TS_TRY(const json::object root, oci::json::parse_object(text, "credential file"));
  TS_TRY(const json::object* auths, oci::json::find_object(root, "auths"));
  TS_TRY(const json::object* helpers, oci::json::find_object(root, "credHelpers"));
  TS_TRY(const auto store, oci::json::find_string(root, "credsStore"));
  if (auths != nullptr) TS_TRY(parse_auths(*auths, file));
  if (helpers != nullptr) TS_TRY(parse_helpers(*helpers, file));
  file.default_helper = store.value_or("");
  const bool legacy = file.name.ends_with(".dockercfg") && auths == nullptr;
  return legacy ? parse_auths(root, file) : Result<void>{};
}

std::optional<fs::path> home(const Environment& environment) {
  const auto value = environment("HOME");
  return value && !value->empty() ? std::optional<fs::path>(*value) : std::nullopt;
}

}  // namespace

std::optional<std::string> process_environment(std::string_view name) {
  const char* value = std::getenv(std::string(name).c_str());  // NOLINT(concurrency-mt-unsafe)
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

CredentialPaths CredentialPaths::find(const Environment& environment,
                                      const std::optional<fs::path>& explicit_file) {
  CredentialPaths out;
  const auto directory = [&](std::string_view name) -> std::optional<fs::path> {
    const auto value = environment(name);
    return value && !value->empty() ? std::optional<fs::path>(*value) : std::nullopt;
  };
  const auto own_home = home(environment);
  out.inline_json = environment("DOCKER_AUTH_CONFIG").value_or("");
  if (explicit_file) out.files.push_back(*explicit_file);
  if (const auto file = directory("REGISTRY_AUTH_FILE")) out.files.push_back(*file);
  if (const auto docker = directory("DOCKER_CONFIG")) {
    out.files.push_back(*docker / "config.json");
  } else if (own_home) {
    out.files.push_back(*own_home / ".docker" / "config.json");
  }
  if (!out.files.empty()) out.login_file = out.files.front();
  const auto runtime = directory("XDG_RUNTIME_DIR");
  out.files.push_back(runtime
                          ? *runtime / "containers" / "auth.json"
                          : fs::path("/run/containers") / std::to_string(::getuid()) / "auth.json");
  if (const auto xdg = directory("XDG_CONFIG_HOME")) {
    out.files.push_back(*xdg / "containers" / "auth.json");
  } else if (own_home) {
    out.files.push_back(*own_home / ".config" / "containers" / "auth.json");
  }
  if (own_home) out.files.push_back(*own_home / ".dockercfg");
  return out;
}

std::string normalise_key(std::string_view key) {
  key = trim(key);
  const auto scheme = key.find("://");
  const bool url = scheme != std::string_view::npos;
  if (url) key.remove_prefix(scheme + 3);
  while (key.ends_with('/')) key.remove_suffix(1);
  const auto slash = key.find('/');
  std::string host = to_lower(key.substr(0, slash));
  std::string_view path = slash == std::string_view::npos ? "" : key.substr(slash);
  // Docker writes URLs of hosts; only podman's bare keys have paths that mean something.
  if (url || path == "/v1" || path == "/v2") path = "";
  if (is_docker_hub(host)) host = "docker.io";
  return host + std::string(path);
}

std::string docker_key(std::string_view host) {
  return is_docker_hub(host) ? "https://index.docker.io/v1/" : std::string(host);
}

Result<CredentialFile> parse_credential_file(std::string_view text, std::string name) {
  CredentialFile file;
  file.name = std::move(name);
  if (trim(text).empty()) return file;
  Result<void> parsed = parse_into(text, file);
  if (!parsed) {
    return std::unexpected(
        std::move(parsed).error().within(file.name).with_hint("repair this file, or remove it"));
  }
  return file;
}

CredentialLead find_credential(const CredentialFile& file, std::string_view host,
                               std::string_view repository) {
  const std::string normal = normalise_key(host);
  CredentialLead lead;
  const auto helper = file.helpers.find(normal);
  lead.helper = helper != file.helpers.end() ? helper->second : file.default_helper;
  std::string key = repository.empty() ? normal : normal + "/" + std::string(repository);
  while (true) {
    const auto entry = file.auths.find(key);
    // "{}" only says that somebody logged in, with a helper.
    if (entry != file.auths.end() && !entry->second.empty()) {
      lead.entry = entry->second;
      return lead;
    }
    if (key.size() <= normal.size()) return lead;
    key.erase(key.rfind('/'));
  }
}

}  // namespace transship::config
