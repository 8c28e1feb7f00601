#include "config/login.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <cerrno>
#include <filesystem>

#include "base/text.h"
#include "base/text_file.h"
#include "config/credential_helper.h"
#include "oci/json.h"

namespace transship::config {

namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using registry::Credential;

// As docker writes it: people edit this file.
void print(const json::value& value, std::size_t depth, std::string& out) {
  if (!value.is_object() || value.get_object().empty()) {
    out += json::serialize(value);
    return;
  }
  bool first = true;
  for (const auto& [key, member] : value.get_object()) {
    out += first ? "{\n" : ",\n";
    first = false;
    out.append(depth + 1, '\t');
    out += json::serialize(json::value(key)) + ": ";
    print(member, depth + 1, out);
  }
  out += '\n';
  out.append(depth, '\t');
  out += '}';
}

Result<json::object> read_config(const fs::path& path) {
  std::error_code ec;
  if (!fs::exists(path, ec)) return json::object();
  // Renamed over, a device (/dev/null) or a pipe would be gone.
  if (!fs::is_regular_file(path, ec)) {
    return fail(Errc::kInvalidArgument,
                path.string() + " is no regular file: a login cannot be kept there");
  }
  TS_TRY(const std::string text, read_file(path));
  if (trim(text).empty()) return json::object();
  Result<json::object> parsed = oci::json::parse_object(text, "credential file");
  if (!parsed) {
    return std::unexpected(std::move(parsed)
                               .error()
                               .within(path.string())
                               .with_hint("it is left as it is: repair it, or remove it"));
  }
  return parsed;
}

Result<void> write_all(int fd, std::string_view text, const std::string& name) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return std::unexpected(errno_error(errno, name));
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  if (::fsync(fd) != 0) return std::unexpected(errno_error(errno, name));
  return {};
}

// A reader sees the old file or the new one, and nobody else ever sees either.
Result<void> replace_file(fs::path path, std::string_view text) {
  std::error_code ec;
  const bool link = fs::is_symlink(path, ec);  // A file that is not there yet is no failure.
  ec.clear();
  if (link) path = fs::canonical(path, ec);
  if (ec) return std::unexpected(errno_error(ec.value(), path.string()));
  const fs::path directory = path.parent_path();
  if (!directory.empty() && fs::create_directories(directory, ec)) {
    fs::permissions(directory, fs::perms::owner_all, ec);
  }
  if (ec) return std::unexpected(errno_error(ec.value(), directory.string()));
  std::string name = path.string() + ".XXXXXX";
  const int fd = ::mkostemp(name.data(), O_CLOEXEC);  // Made with mode 0600.
  if (fd < 0) return std::unexpected(errno_error(errno, name));
  Result<void> written = write_all(fd, text, name);
  ::close(fd);
  if (written && ::rename(name.c_str(), path.c_str()) != 0) {
    written = std::unexpected(errno_error(errno, path.string()));
  }
  if (!written) ::unlink(name.c_str());
  return written;
}

Result<void> write_config(const fs::path& path, const json::object& root) {
  std::string text;
  print(root, 0, text);
  text += '\n';
  Result<void> written = replace_file(path, text);
  registry::wipe(text);
  return written;
}

// The helper that this file names for a host; "" for none.
Result<std::string> helper_of(const json::object& root, const fs::path& path,
                              const std::string& host) {
  TS_TRY(const CredentialFile file, parse_credential_file(json::serialize(root), path.string()));
  return find_credential(file, host, "").helper;
}

json::object& auths_of(json::object& root) {
  json::value& auths = root["auths"];
  if (!auths.is_object()) auths = json::object();
  return auths.get_object();
}

// All spellings of the host: a stale one would be found by others.
bool erase_entries(json::object& auths, const std::string& host) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : auths) {
    if (normalise_key(key) == normalise_key(host)) keys.emplace_back(key);
  }
  for (const std::string& key : keys) auths.erase(key);
  return !keys.empty();
}

json::object entry_of(const Credential& credential) {
  json::object entry;
  std::string pair = credential.user + ":" + credential.password;
  if (!credential.user.empty()) entry["auth"] = base64_encode(pair);
  if (!credential.identity_token.empty()) entry["identitytoken"] = credential.identity_token;
  registry::wipe(pair);
  return entry;
}

Result<LoginPlace> store(const CredentialPaths& paths, const std::string& host,
                         const Credential& credential) {
  const fs::path& path = paths.login_file;
  if (path.empty()) {
    return std::unexpected(
        Error{.code = Errc::kInvalidArgument,
              .message = "no place to keep a login: neither HOME nor DOCKER_CONFIG is set",
              .hint = "name a file with --authfile"});
  }
  if (credential.user.contains(':')) {
    return fail(Errc::kInvalidArgument, "a user name cannot have a colon in it");
  }
  TS_TRY(json::object root, read_config(path));
  TS_TRY(const std::string helper, helper_of(root, path, host));
  json::object& auths = auths_of(root);
  erase_entries(auths, host);
  const std::string key = docker_key(host);
  if (helper.empty()) {
    auths[key] = entry_of(credential);
    TS_TRY(write_config(path, root));
    return LoginPlace{.where = path.string(), .plain_text = true};
  }
  TS_TRY(CredentialHelper(helper).store(key, credential));
  auths[key] = json::object();  // Docker's mark for "logged in, ask the helper".
  TS_TRY(write_config(path, root));
  return LoginPlace{.where = "docker-credential-" + helper, .plain_text = false};
}

Result<bool> remove(const CredentialPaths& paths, const std::string& host) {
  const fs::path& path = paths.login_file;
  if (path.empty()) return false;
  TS_TRY(json::object root, read_config(path));
  TS_TRY(const std::string helper, helper_of(root, path, host));
  bool found = false;
  if (!helper.empty()) {
    TS_TRY(const auto known, CredentialHelper(helper).get(docker_key(host)));
    found = known.has_value();
    TS_TRY(CredentialHelper(helper).erase(docker_key(host)));
  }
  if (root.contains("auths") && erase_entries(auths_of(root), host)) {
    found = true;
    TS_TRY(write_config(path, root));
  }
  return found;
}

}  // namespace

Task<Result<LoginPlace>> store_login(WorkerPool& pool, const CredentialPaths& paths,
                                     std::string host, Credential credential) {
  co_return co_await pool.run([paths, host = std::move(host), credential = std::move(credential)] {
    return store(paths, host, credential);
  });
}

Task<Result<bool>> remove_login(WorkerPool& pool, const CredentialPaths& paths, std::string host) {
  co_return co_await pool.run([paths, host = std::move(host)] { return remove(paths, host); });
}

}  // namespace transship::config
