#include "transport/curl/host_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/by_host.h"
#include "base/text.h"
#include "base/text_file.h"
#include "transport/address.h"

namespace transship::transport {

namespace fs = std::filesystem;

namespace {

const HostOptions* options_of(const Options& options, const Url& url) {
  const auto* found = of_host(options.hosts, host_port(url));
  return found == nullptr ? nullptr : &found->second;
}

bool listed(const std::set<std::string>& hosts, const Url& url) {
  return hosts.contains(url.host) || hosts.contains(host_port(url));
}

bool is_loopback(const Url& url) {
  return url.host == "localhost" || url.host.ends_with(".localhost") ||
         kind_of_literal(url.host) == AddressKind::kLoopback;
}

Result<void> must_exist(const std::string& file, std::string_view what) {
  std::error_code ignored;
  if (file.empty() || fs::is_regular_file(file, ignored)) return {};
  return fail(Errc::kInvalidArgument,
              fmt::format("{} {}: {}", what, file,
                          fs::exists(file, ignored) ? "is no regular file" : "no such file"));
}

// docker's rule: every *.crt is a CA; a *.cert is a client certificate, and its *.key beside it.
Result<void> read_directory(const fs::path& directory, TlsMaterial& out) {
  std::vector<fs::path> files;
  std::error_code failed;
  for (fs::directory_iterator at(directory, failed), end; !failed && at != end;
       at.increment(failed)) {
    files.push_back(at->path());
  }
  std::ranges::sort(files);
  for (const fs::path& file : files) {
    if (file.extension() == ".crt") {
      TS_TRY(const std::string pem, read_file(file));
      out.ca_pem += pem + "\n";
    } else if (file.extension() == ".cert" && out.cert_file.empty()) {
      out.cert_file = file.string();
      out.key_file = fs::path(file).replace_extension(".key").string();
      TS_TRY(must_exist(out.key_file, "the key of " + out.cert_file + ":"));
    }
  }
  return {};
}

Result<void> look_into_certs_directories(const Options& options, const Url& url, TlsMaterial& out) {
  for (const std::string& base : options.certs_directories) {
    for (const std::string& name : {host_port(url), url.host}) {
      // Docker looks for "host" where no port was written: that is the scheme's own.
      if (name == url.host && url.authority() != url.host) continue;
      const fs::path directory = fs::path(base) / name;
      std::error_code ignored;
      if (fs::is_directory(directory, ignored)) return read_directory(directory, out);
    }
  }
  return {};
}

}  // namespace

std::vector<std::string> default_certs_directories() {
  std::vector<std::string> out;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody sets any.
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') {
    out.push_back(std::string(home) + "/.config/containers/certs.d");
  }
  out.emplace_back("/etc/containers/certs.d");
  out.emplace_back("/etc/docker/certs.d");
  return out;
}

std::string host_port(const Url& url) { return fmt::format("{}:{}", url.host, url.port); }

std::vector<std::string_view> schemes_for(const Options& options, const Url& url) {
  const HostOptions* host = options_of(options, url);
  const TlsMode mode = host == nullptr ? TlsMode::kAuto : host->tls;
  if (mode == TlsMode::kOff || listed(options.plain_http, url)) return {"http"};
  if (mode == TlsMode::kAuto && is_loopback(url)) return {"https", "http"};
  return {"https"};
}

bool plain_http_allowed(const Options& options, const Url& url) {
  return schemes_for(options, url).back() == "http";
}

std::uint64_t bandwidth_of(const Options& options, const Url& url) {
  const HostOptions* own = options_of(options, url);
  return own != nullptr && own->bandwidth > 0 ? own->bandwidth : options.bandwidth;
}

std::chrono::milliseconds stall_timeout_of(const Options& options, const Url& url) {
  const HostOptions* own = options_of(options, url);
  return own == nullptr ? options.stall_timeout
                        : own->stall_timeout.value_or(options.stall_timeout);
}

bool private_redirects_allowed(const Options& options, const Url& url) {
  return listed(options.allow_private_redirects, url);
}

Error private_address_error(const Url& asked, const Url& there, AddressKind kind) {
  return Error{.code = Errc::kUntrusted,
               .message = fmt::format("led to {}: a {} address", host_port(there), to_string(kind))}
      .with_hint(fmt::format("if that is meant: --allow-private-redirects {0}, or "
                             "allow_private_redirects of registry.\"{0}\"",
                             asked.host));
}

Result<TlsMaterial> tls_material(const Options& options, const Url& url, bool named_by_user) {
  TlsMaterial out;
  const HostOptions* host = options_of(options, url);
  if (host != nullptr) {
    out.ca_file = host->ca_file;
    out.cert_file = host->cert_file;
    out.key_file = host->key_file;
    out.min_version = host->min_version;
  }
  if (out.ca_file.empty() && out.cert_file.empty()) {
    TS_TRY(look_into_certs_directories(options, url, out));
  }
  if (out.ca_file.empty() && out.ca_pem.empty()) out.ca_file = options.ca_file;
  if (out.cert_file.empty() && named_by_user) {
    out.cert_file = options.cert_file;
    out.key_file = options.key_file;
  }
  TS_TRY(must_exist(out.ca_file, "CA file"));
  TS_TRY(must_exist(out.cert_file, "certificate file"));
  TS_TRY(must_exist(out.key_file, "key file"));
  return out;
}

}  // namespace transship::transport
